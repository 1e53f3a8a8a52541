"""The shipped sample configuration, as it stands and with every commented key in force."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "config" / "sealdrop.toml"
#: "#key = …", "#[table]" and "#  { … }" are TOML out of force; "# text" is prose, "#:schema" is for editors.
_OUT_OF_FORCE = re.compile(r"^#(?!:)(?=\S|  [{\"])", re.MULTILINE)


def uncommented() -> str:
    """Return the sample with every commented key in force."""
    return _OUT_OF_FORCE.sub("", SAMPLE.read_text())


def whole() -> dict[str, Any]:
    """Return the sample with every commented key in force as plain values, which may be changed."""
    return tomllib.loads(uncommented())
