"""What the product ships beside its code: profiles, the sample configuration, its schema.

An installed wheel carries them as ``sealdrop/_shipped``; in a development tree they are ``config/`` beside
``daemon/``. Nothing here writes, and nothing is created when it is missing: a half-installed product says so.
"""

from __future__ import annotations

import re
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, Problem

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def folder() -> Path:
    """Return the folder of shipped data.

    Raises:
        ConfigurationError: there is none; the installation is not complete.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_shipped", package.parent.parent / "config"):
        if (candidate / "sealdrop.toml").is_file():
            return candidate
    problem = Problem(path=str(package), what="has no shipped data beside it", hint="Install sealdrop again.")
    raise ConfigurationError([problem])


def calendars() -> Path:
    """Return the folder of the calendars.

    Raises:
        ConfigurationError: the installation is not complete.
    """
    return folder() / "calendars"


def profile_path(name_or_path: str, config_dir: Path, *, setting: str = "profile") -> Path:
    """Return the file of a profile: a shipped one by name, another one by its path.

    Args:
        name_or_path: ``adt``, or a path that ends in ``.toml``, relative to ``config_dir`` unless absolute.
        config_dir: folder of the configuration file.
        setting: dotted path of the setting, for the message.

    Raises:
        ConfigurationError: there is no such file.
    """
    if _NAME.fullmatch(name_or_path):
        profiles = folder() / "profiles"
        path = profiles / f"{name_or_path}.toml"
        names = ", ".join(sorted(one.stem for one in profiles.glob("*.toml"))) or "none"
        what, hint = "is not a shipped profile", f"Shipped are: {names}. Your own is named by its path."
    else:
        path = config_dir / name_or_path
        what, hint = "leads to no file", "A path is relative to the configuration file."
    if not path.is_file():
        raise ConfigurationError([Problem(path=setting, what=what, hint=hint)])
    return path
