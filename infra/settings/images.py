"""Container images by digest, as the image lock file lists them."""

import json
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from infra.settings.errors import SettingsError, dotted, sentence
from infra.settings.fields import ImageDigest, Section


class Images(Section):
    """Container images by digest; the lock file may list more than these."""

    model_config = ConfigDict(extra="ignore")

    workloads: ImageDigest = Field(description="Image of the pipeline's programs.")
    model_server: ImageDigest = Field(description="Image of the model server.")
    agent: ImageDigest = Field(description="Image of Vault's agent, which the injector adds to pods with secrets.")
    envoy: ImageDigest = Field(description="Image of Envoy, which Envoy Gateway starts.")
    storage_initializer: ImageDigest = Field(description="Image of KServe's storage initializer.")


def read_images(root: Path, name: str) -> Images:
    """Return the images of the lock file ``name`` in the project's folder."""
    try:
        content = json.loads((root / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"The image lock file {name} does not exist; run `make images` to build the images."
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"The image lock file {name} cannot be read ({error}); run `make images` again.") from None
    try:
        return Images.model_validate(content, by_name=False)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise SettingsError("\n".join(sentence(fault, lambda path: (name, dotted(path))) for fault in faults)) from None
