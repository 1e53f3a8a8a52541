"""The smallest working configuration, as text: what ``sealdrop init`` writes.

It holds only what has no default, so that a person can read all of it; the annotated sample shows the rest. A fact
that is not known yet becomes a word in capitals, which ``sealdrop check config`` then refuses with the place and what
belongs there: an unfinished configuration never runs.

Pure: the caller writes the text and makes the folders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpFacts:
    """What is known of an SFTP far end.

    Args:
        host, user, folder: where to log in and where files go. port: TCP port.
        host_keys: pins, ``type base64``. private_key: file of the key we log in with.
    """

    host: str | None = None
    port: int = 22
    user: str | None = None
    host_keys: tuple[str, ...] = ()
    private_key: Path | None = None
    folder: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """What is known of a local or mounted folder as far end."""

    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a first configuration is written.

    Args:
        environment, root, runtime: as in the settings.
        kinds: names of shipped profiles; each gets an outbox of its name.
        signer: full fingerprint of the signing key. signer_key: file of the secret key.
        passphrase: file of its passphrase, when it has one.
        recipients: (full fingerprint, file of the public key).
        far_end: where files go.
        protocol, quiet_seconds: how the producer says that a file is complete; None leaves the default.
    """

    environment: str
    root: Path
    runtime: Path
    kinds: tuple[str, ...] = ("adt", "exit-quarantine")
    signer: str | None = None
    signer_key: Path | None = None
    passphrase: Path | None = None
    recipients: tuple[tuple[str, Path], ...] = ()
    far_end: SftpFacts | DirectoryFacts = SftpFacts()
    protocol: str | None = None
    quiet_seconds: float | None = None


def smallest(facts: Facts) -> str:
    """Return the text of the smallest configuration that says these facts.

    Raises:
        ConfigurationError: a value cannot be written in TOML, which is UTF-8 only.
    """
    environment = _quoted(facts.environment)
    lines = [
        "# Written by `sealdrop init`. The annotated sample, sealdrop.toml, shows every other key.",
        f"environment = {environment}",
        f"root = {_quoted(facts.root)}",
        f"runtime = {_quoted(facts.runtime)}",
        "",
    ]
    for kind in facts.kinds:
        lines += [f"[outboxes.{kind}]", f"kind = {_quoted(kind)}", f"environment = {environment}"]
        if facts.protocol is not None:
            lines.append(f"protocol = {_quoted(facts.protocol)}")
        if facts.quiet_seconds is not None:
            lines.append(f"quiet_seconds = {facts.quiet_seconds}")
        lines += ["", f"[kinds.{kind}]", f"profile = {_quoted(kind)}", 'keys = "dcc"', 'route = "relay"']
        # A newer ADT file replaces an older one that has not gone yet; it says the thresholds in full.
        lines += ['order = "supersede"', ""] if kind == "adt" else [""]
    lines += [*_keys(facts, environment), "", "[routes.relay]", f"environment = {environment}", ""]
    lines += ["[[routes.relay.transports]]", *_far_end(facts.far_end)]
    return "\n".join(lines) + "\n"


def _keys(facts: Facts, environment: str) -> list[str]:
    lines = ["[keys.dcc]", f"environment = {environment}"]
    lines.append(f"signer = {_quoted(facts.signer or 'FULL-FINGERPRINT-OF-YOUR-SIGNING-KEY')}")
    lines.append(f"signer_key = {_file(facts.signer_key, 'FILE-OF-YOUR-SIGNING-KEY')}")
    if facts.passphrase is not None:
        lines.append(f"passphrase = {_file(facts.passphrase, '')}")
    known = facts.recipients or (("FULL-FINGERPRINT-OF-THE-DCC-KEY", Path("FILE-OF-THE-DCC-KEY")),)
    lines.append("recipients = [")
    lines += [f"  {{ fingerprint = {_quoted(print_)}, file = {_quoted(file)} }}," for print_, file in known]
    lines.append("]")
    return lines


def _far_end(facts: SftpFacts | DirectoryFacts) -> list[str]:
    if isinstance(facts, DirectoryFacts):
        return ['type = "directory"', f"path = {_quoted(facts.path or 'FOLDER')}"]
    pins = facts.host_keys or ("HOST-KEY-OF-THE-SERVER",)
    lines = ['type = "sftp"', f"host = {_quoted(facts.host or 'HOST OF THE SERVER')}"]
    if facts.port != SftpFacts().port:
        lines.append(f"port = {facts.port}")
    lines.append(f"user = {_quoted(facts.user or 'YOUR LOGIN NAME')}")
    lines.append(f"host_keys = [{', '.join(map(_quoted, pins))}]")
    lines.append(f"private_key = {_file(facts.private_key, 'FILE-OF-YOUR-LOGIN-KEY')}")
    if facts.folder != ".":
        lines.append(f"folder = {_quoted(facts.folder)}")
    return lines


def _file(path: Path | None, unknown: str) -> str:
    return f"{{ file = {_quoted(path or unknown)} }}"


def _quoted(value: str | Path) -> str:
    """Return a TOML basic string: JSON's escapes are TOML's, except that DEL must be escaped too."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = Problem(path=ascii(text), what="is not UTF-8 and cannot stand in a configuration", hint="Rename it.")
        raise ConfigurationError([problem]) from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
