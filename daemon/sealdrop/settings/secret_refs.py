"""References to secrets: a configuration names the place of a secret and never holds one.

``{ file = "/abs/path" }`` is a file only the agent may read; ``{ credential = "name" }`` is what the service
manager hands over in ``$CREDENTIALS_DIRECTORY`` (``LoadCredential=`` in the unit). Text in such a place is refused
without being repeated, and so is every other table.

Leaves to others: opening the file, its mode and its content. ``resolve_secret`` answers at use, not at load, so that
``sealdrop check config`` works outside the service.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.settings.fields import AbsolutePath, Credential, refusal

_HINT = 'Write { file = "/absolute/path" } or { credential = "name" }.'


class SecretRef(BaseModel):
    """Where a secret is: exactly one of a file and a systemd credential."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"oneOf": [{"required": ["file"]}, {"required": ["credential"]}]},
    )

    file: AbsolutePath | None = Field(
        default=None, description="Absolute path of a file that holds the secret and nothing else."
    )
    credential: Credential | None = Field(default=None, description="Name of a credential in $CREDENTIALS_DIRECTORY.")

    @model_validator(mode="before")
    @classmethod
    def _one_place(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the document holds here
        if isinstance(data, str):
            raise refusal("holds a secret itself; a configuration names only where it is", _HINT)
        # Unknown keys are not named here: what somebody puts in this place may be the secret.
        if not isinstance(data, dict) or set(data) not in ({"file"}, {"credential"}):
            raise refusal("is not a reference to a secret", _HINT)
        return data


def resolve_secret(ref: SecretRef) -> Path:
    """Return the path of the file that holds the secret; whether it exists is seen when it is opened.

    Raises:
        ConfigurationError: a credential is named, but no service manager handed any over.
    """
    if ref.file is not None:
        return ref.file
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        problem = Problem(
            path=f"credential {ref.credential}",
            what="cannot be found: CREDENTIALS_DIRECTORY is not set",
            hint="Start the agent with its systemd unit (LoadCredential=), or name the secret with { file = … }.",
        )
        raise ConfigurationError([problem])
    return Path(folder) / str(ref.credential)
