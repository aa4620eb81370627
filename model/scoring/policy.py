"""Decision policy of a release: the bands of risk and their actions."""

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from model.artifact.files import POLICY_FILE
from model.errors import UserError


class DecisionBand(BaseModel):
    """Band of risk: its name, the least risk in it, and the action."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    name: str
    start: float = Field(alias="from")
    action: str


class DecisionPolicy(BaseModel):
    """Bands of risk, the highest first; the last takes everybody else.

    Examples
    --------
    >>> from model.scoring.policy import DecisionPolicy
    >>> policy = DecisionPolicy.parse('{"bands": [{"name": "low", "from": 0.0, "action": "usual care"}]}')
    >>> policy.bands[0].start, policy.written()
    (0.0, {'bands': [{'name': 'low', 'from': 0.0, 'action': 'usual care'}]})
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bands: tuple[DecisionBand, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the policy of a release.

        Raises
        ------
        UserError
            If it is not the policy of a release.
        """
        try:
            return cls.model_validate(json.loads(text))
        except ValueError:
            raise UserError(f"{POLICY_FILE} of the release cannot be read; release the run again.") from None

    def written(self) -> dict[str, object]:
        """Return the policy as its file has it."""
        return self.model_dump(mode="json", by_alias=True)
