"""The kinds of value a configuration may hold: what one value may be, and the sentence when it is not.

Promises: every refusal is a ``what`` and a ``hint`` of ours, never a library's sentence, and none repeats the value
it refuses, because the value may be a secret that was put in the wrong place. Nothing here touches the disk or the
network: whether a file exists or a host answers is for others to see.

How values agree with each other is in ``agreement``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from sealdrop.core import naming

#: The type that marks an error of ours among pydantic's.
REFUSAL = "sealdrop"
#: Longest path the kernel takes, its final zero byte not counted.
MAX_PATH_BYTES = 4095
#: A Unix socket's path has 107 bytes; this leaves 31 for a GnuPG home and the longest name of its agent's sockets.
MAX_RUNTIME_BYTES = 76
#: Longest output name template; the producer's name and our id come on top of what it adds.
MAX_OUTPUT_TEMPLATE = 120


def refusal(what: str, hint: str = "") -> PydanticCustomError:
    """Make the error a validator raises: one sentence without a full stop, and what to do."""
    return PydanticCustomError(REFUSAL, "{what}", {"what": what, "hint": hint})


@dataclass(frozen=True, slots=True)
class Matches:
    """Text that has a form, with the form in the JSON schema and our own words for the refusal."""

    pattern: str
    what: str
    hint: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's protocol
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise refusal(self.what, self.hint)
        return text


def _plain(text: str) -> str:
    if not text.isprintable():
        raise refusal("holds a character that does not print", "Remove control and invisible characters.")
    return text


def _absolute(path: Path) -> Path:
    text = str(path)
    _plain(text)
    if text.startswith("~"):
        raise refusal("is not an absolute path", "'~' is not expanded; write the path in full, from '/'.")
    if not path.is_absolute():
        raise refusal("is not an absolute path", "Write it in full, from '/'.")
    if ".." in path.parts:
        raise refusal("holds '..'", "Write the path without '..', so that everyone sees where it leads.")
    if len(text.encode()) > MAX_PATH_BYTES:
        raise refusal(f"is longer than {MAX_PATH_BYTES} bytes")
    # POSIX keeps two leading slashes apart from one; nobody means that.
    return Path("/" + text.lstrip("/"))


def _own_folder(path: Path) -> Path:
    if path == Path("/"):
        raise refusal("is the whole file system", "Give a folder of its own.")
    return path


def _short(path: Path) -> Path:
    if len(str(path).encode()) > MAX_RUNTIME_BYTES:
        raise refusal(
            f"is longer than {MAX_RUNTIME_BYTES} bytes",
            "Sockets live below it and their paths are bounded by the kernel; choose one such as /run/sealdrop.",
        )
    return path


def _environment(text: str) -> str:
    if text in ("prod", "production"):
        raise refusal("is not the name of a DCC environment", 'Say "live" for the live one.')
    return text


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        label = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
        if len(text) > 253 or re.fullmatch(rf"{label}(?:\.{label})*\.?", text) is None:  # noqa: PLR2004 - RFC 1035
            raise refusal(
                "is not a host name or address",
                'Write the bare name, such as "relay.example.net": no user, port, brackets or "sftp://".',
            ) from None
    return text


def _remote_folder(text: str) -> str:
    _plain(text)
    if not text:
        raise refusal("is empty", 'Say "." for the folder the login starts in.')
    if ".." in PurePosixPath(text).parts:
        raise refusal("holds '..'", "Write the folder without '..'.")
    return str(PurePosixPath(text))


def _proxy(text: str) -> str:
    hint = 'Write "http://host:port"; the proxy must take CONNECT.'
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise refusal("is not a proxy address", hint) from None
    if "@" in text:
        raise refusal("holds a user or password", f"A proxy that asks for one is not supported. {hint}")
    if parts.scheme != "http" or not parts.hostname or not port or text.partition("://")[2] != parts.netloc:
        raise refusal("is not a proxy address", hint)
    _host(parts.hostname)
    return text


def _output_name(text: str) -> str:
    # The sentence of ``template_problem`` names what is in the braces; ours must not repeat any of the value.
    if naming.template_problem(text) is not None:
        allowed = ", ".join(f"{{{name}}}" for name in naming.FIELDS)
        raise refusal(
            "does not make a file name"
            if "{id}" in text
            else "does not hold {id}, so two files of one name would meet",
            f"Allowed are {allowed}, no slash, no dot in front; the default is {naming.DEFAULT}.",
        )
    if len(text) > MAX_OUTPUT_TEMPLATE:
        raise refusal(f"is longer than {MAX_OUTPUT_TEMPLATE} characters", "File names have at most 255 bytes.")
    return text


def _pattern(text: str) -> str:
    _plain(text)
    if not text or "/" in text:
        raise refusal("is not a pattern for file names", 'Write one such as "ADT_*.csv"; folders have no part in it.')
    return text


def _user_ids(text: str) -> str:
    pair = "[0-9A-Fa-f]{2}"
    if re.fullmatch(rf"{pair}(?:-{pair}){{7}}(?: *\.\. *{pair}(?:-{pair}){{7}})?", text) is None:
        raise refusal(
            "is not a User ID or a range of them",
            'Write "90-B3-D5-1F-30-01-00-00", or a range "90-B3-D5-1F-30-01-00-00..90-B3-D5-1F-30-01-FF-FF".',
        )
    text = text.upper().replace(" ", "")
    first, _, last = text.partition("..")
    if last and last < first:
        raise refusal("is a range that ends before it begins", "Write the lower User ID first.")
    return text


def _fingerprint(text: str) -> str:
    if re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", text):
        return text
    bare = "".join(text.split()).removeprefix("0x")
    what = "is not a full fingerprint"
    if re.fullmatch(r"[0-9A-Fa-f]+", bare) is None:
        what += ": it holds other characters than hexadecimal digits"
    elif len(bare) not in (40, 64):
        what += f": it has {len(bare)} digits instead of 40 (or 64)"
    elif bare != text:
        what += ": it holds spaces or '0x'"
    else:
        what += ": it holds lower-case letters"
    raise refusal(what, "Write it as `gpg --with-colons --fingerprint` prints it; short ids can be forged.")


Name = Annotated[
    str,
    Matches(
        r"[a-z][a-z0-9-]{0,31}",
        "is not a usable name",
        "Use at most 32 lower-case letters, digits and hyphens, beginning with a letter.",
    ),
]
Environment = Annotated[Name, AfterValidator(_environment)]
Text = Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=200)]
Group = Annotated[
    str,
    Matches(
        r"|[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}",
        "is not a group name",
        "Give a name from `getent group`, or leave it empty.",
    ),
]
User = Annotated[
    str,
    AfterValidator(_plain),
    Matches(r"[^\s\x00-\x20\x7f:/-][^\s\x00-\x20\x7f:/]{0,127}", "is not a login name", "Give the bare login name."),
]
Credential = Annotated[
    str,
    Matches(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "is not a credential name",
        "Give the name that LoadCredential= has in the unit, without a path.",
    ),
]
Suffix = Annotated[
    str, Matches(r"\.[A-Za-z0-9_.-]{1,31}", "is not a suffix", 'Write it with its dot, such as ".done" or ".part".')
]
ProfileName = Annotated[
    str,
    AfterValidator(_plain),
    Matches(
        r"[a-z0-9][a-z0-9-]*|.+\.toml",
        "is neither the name of a shipped profile nor the path of one",
        'Say "adt" or "exit-quarantine", or give a path that ends in ".toml".',
    ),
]
AbsolutePath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
FolderPath = Annotated[AbsolutePath, AfterValidator(_own_folder)]
RuntimePath = Annotated[FolderPath, AfterValidator(_short)]
Host = Annotated[str, AfterValidator(_host)]
RemoteFolder = Annotated[str, AfterValidator(_remote_folder)]
Proxy = Annotated[str, AfterValidator(_proxy)]
OutputName = Annotated[str, AfterValidator(_output_name)]
Glob = Annotated[str, AfterValidator(_pattern)]
UserIds = Annotated[str, AfterValidator(_user_ids)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
