"""Types of a record's fields: codes, pseudonyms, digests and numbers, and no text that a person wrote."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from model.io.hospital_name import HospitalName

Service = Literal["care", "planning", "gateway"]
Outcome = Literal["answered", "refused", "fallback", "failed"]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$")]
"""Subject of a token, SPIFFE URI, client id: an identifier without spaces."""
Purpose = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,12}$")]
"""Code of HL7 v3 PurposeOfUse."""
Route = Annotated[
    str, StringConstraints(pattern=r"^([A-Z]{1,12} )?(/[A-Za-z0-9_{}.:-]*)+$|^unmatched$", max_length=120)
]
"""Method and template of a route; never the path of a request, which names its patient."""
Hospital = HospitalName
Pseudonym = Annotated[str, StringConstraints(pattern=r"^v[0-9]{1,4}-[0-9a-f]{6,64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ShortDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12,64}$")]
Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


def timestamp(moment: datetime) -> str:
    """Return a time in UTC with microseconds, as records and anchors have it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
