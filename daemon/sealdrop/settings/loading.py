"""Read a configuration file and turn it into settings, or say everything that is wrong with it at once.

Promises: the file is the only source; all problems of all tables come in one error; whatever the file holds, the
answer is settings or ``ConfigurationError``, and no value that could be a secret is in the error or in what it was
raised from. The only thing touched is the file itself: what it refers to is looked at by those who use it.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import TomlConfigSettingsSource

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.settings.agreement import disagreements
from sealdrop.settings.models import Settings
from sealdrop.settings.parts import Parts
from sealdrop.settings.problems import bounded, from_pydantic, printable

#: A configuration of sixty outboxes has some fifty thousand bytes.
MAX_FILE_BYTES = 1024 * 1024
_POSITION = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)


class OneFile(TomlConfigSettingsSource):
    """The one source of settings: a TOML file, read once and bounded."""

    def _read_files(self, files: Any, deep_merge: bool = False) -> dict[str, Any]:  # noqa: ANN401, ARG002, FBT001, FBT002 - the library's signature
        """Read the file, which must be there; the library would take a missing one for an empty one."""
        return _document(_text(_read(Path(files))))


def load(path: Path) -> Settings:
    """Return the settings a file holds.

    Raises:
        ConfigurationError: the file cannot be read, is not TOML, or holds what is not allowed; all problems at once.
    """
    try:
        source = OneFile(Settings, path)
    except ConfigurationError as error:
        raise ConfigurationError(error.problems, where=printable(str(path), 400)) from error
    settings, problems = _validated(source)
    problems.extend(disagreements(Parts.of(source.toml_data)))
    if settings is None or problems:
        raise ConfigurationError(bounded(problems), where=printable(str(path), 400))
    return settings


def _validated(source: OneFile) -> tuple[Settings | None, list[Problem]]:
    # The library's error carries the values it refused, so it ends here and is never chained to ours.
    try:
        return Settings(source), []
    except ValidationError as error:
        return None, from_pydantic(error)


def _read(path: Path) -> bytes:
    """Return the bytes of a regular file; a pipe or device in its place never blocks."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _problem("is not a regular file", "Give the path of the configuration file itself.")
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror or "unusable path") if isinstance(error, OSError) else "unusable path"
        raise _problem(
            f"cannot be read: {reason}", "Check the path and who may read it; `sealdrop init` writes a first one."
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise _problem(f"is larger than {MAX_FILE_BYTES} bytes", "A configuration is never this large.")
    return data


def _text(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        raise _problem("begins with a byte order mark", "Save it as UTF-8 without one.", "line 1, column 1")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        line = before.count(b"\n") + 1
        where = f"line {line}, byte {column}"
    raise _problem("is not UTF-8 text", "Save the file as UTF-8.", where)


def _document(text: str) -> dict[str, Any]:
    # The parser's own errors quote the document, so they end here and are never chained to ours.
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.fullmatch(str(error.args[0]))
        what = found["what"] if found else "invalid"
        where = f"line {found['line']}, column {found['column']}" if found and found["line"] else "end of the file"
    except (ValueError, RecursionError):
        what, where = "a number too long or lists too deep", "(the file)"
    what = printable(what, 120)
    raise _problem(
        f"is not TOML: {what[:1].lower()}{what[1:]}", "Text stands in double quotes, a table begins with [name].", where
    )


def _problem(what: str, hint: str, path: str = "(the file)") -> ConfigurationError:
    return ConfigurationError([Problem(path=path, what=what, hint=hint)])
