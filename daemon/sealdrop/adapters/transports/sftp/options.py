"""What a route configures for SFTP, and the names that follow from it.

Frozen values; ``SftpOptions`` refuses what can never work, with ``ConfigurationError`` and all problems at once. Files
it names (keys, passwords) are read when the route connects, so that they may be replaced while the agent runs; only
host-key pins are read here, because a bad pin must stop the agent from starting.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from sealdrop.core.delivery import ProofLevel
from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.core.submission import SubmissionId

MAX_NAME_BYTES = 255  # of one path component on every common file system
#: Mark of a copy that was set aside: what it was made for did not become visible, and cannot any more.
ASIDE = "w"
_STEM = re.compile(r"sealdrop-([0-7][0-9a-hjkmnp-tv-z]{25})-([0-9]+|[a-z])")


class TemporaryStyle(Enum):
    """How a temporary copy is kept out of the receiver's sight."""

    PREFIX = "prefix"  # beside the final name, for receivers that skip for example dot files
    SUFFIX = "suffix"  # beside the final name, for receivers that skip for example *.part
    FOLDER = "folder"  # in another folder of the same file system, for receivers that take everything


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryName:
    """Names of temporary copies: ``sealdrop-ID-ATTEMPT``, decorated as the receiver needs it.

    Args:
        style: where the decoration goes.
        text: the prefix, the suffix, or the folder (absolute, or relative to the login folder).
    """

    style: TemporaryStyle = TemporaryStyle.PREFIX
    text: str = "."

    def folder(self, final_folder: str) -> str:
        """Return the folder that temporary copies live in."""
        return self.text if self.style is TemporaryStyle.FOLDER else final_folder

    def name(self, submission: SubmissionId, mark: str) -> str:
        """Return the name for an attempt (a number) or a trial of ours (a letter)."""
        stem = f"sealdrop-{submission}-{mark}"
        match self.style:
            case TemporaryStyle.PREFIX:
                return self.text + stem
            case TemporaryStyle.SUFFIX:
                return stem + self.text
            case TemporaryStyle.FOLDER:
                return stem

    def owner(self, name: str) -> SubmissionId | None:
        """Return the submission a temporary name belongs to; None for every name that is not exactly one of ours."""
        prefix = self.text if self.style is TemporaryStyle.PREFIX else ""
        suffix = self.text if self.style is TemporaryStyle.SUFFIX else ""
        if not (name.startswith(prefix) and name.endswith(suffix)):
            return None
        found = _STEM.fullmatch(name[len(prefix) : len(name) - len(suffix)])
        return SubmissionId(found.group(1)) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that lets CONNECT through, without a login."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpOptions:
    """One SFTP transport.

    Args:
        name: of the transport. host, port, user: where to log in, and as whom.
        host_keys: the pins: lines in known_hosts form, or ``TYPE BASE64`` alone; or the path of a known_hosts file.
            Several may be given for a rotation.
        private_key: path of the key to log in with; passphrase: path of a file with its passphrase.
        password: path of a file with a password, instead of a key; only servers that cannot do keys need it.
        folder: remote folder that files are delivered to; it must exist.
        file_mode: permissions of what we deliver; wider only when the receiver reads with another account.
        temporary: how temporary copies are named.
        minimum_proof: the least proof this route accepts.
        allow_rename_after_look: permit a server whose rename overwrites and that has no hard links. We then look right
            before renaming, which leaves a moment in which somebody else's file of the same name could be replaced.
        connect_timeout: seconds for each address, and for the proxy. login_timeout: seconds from the first byte to
            an open SFTP session. request_timeout: seconds the oldest request may stay unanswered.
        network_timeout: seconds that sent bytes may stay unacknowledged by the far end's kernel.
        window: bytes of content in flight, over all deliveries. in_flight: deliveries at the same time.
        max_listed: names of one folder that we are willing to read when we sweep it.
        stale_after: seconds after which a temporary copy of ours that nobody owns may be swept.
    """

    name: str
    host: str
    user: str
    host_keys: tuple[str, ...] | Path
    folder: str
    port: int = 22
    private_key: Path | None = None
    passphrase: Path | None = None
    password: Path | None = None
    file_mode: int = 0o600
    temporary: TemporaryName = field(default_factory=TemporaryName)
    minimum_proof: ProofLevel = ProofLevel.DIGEST
    allow_rename_after_look: bool = False
    proxy: Proxy | None = None
    connect_timeout: float = 15.0
    login_timeout: float = 30.0
    request_timeout: float = 60.0
    network_timeout: float = 30.0
    window: int = 2 * 1024 * 1024
    in_flight: int = 32
    max_listed: int = 200_000
    stale_after: float = 24 * 3600.0

    def __post_init__(self) -> None:
        problems = [Problem(path=path, what=what, hint=hint) for path, what, hint in self._problems()]
        if problems:
            raise ConfigurationError(problems, where=f"transport {self.name}")

    @property
    def address(self) -> str:
        """Host and port as one word."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def temporary_folder(self) -> str:
        """The remote folder of temporary copies."""
        return self.temporary.folder(self.folder)

    def final_path(self, remote_name: str) -> str:
        """Return the remote path of a final name."""
        return posixpath.join(self.folder, remote_name)

    def temporary_path(self, submission: SubmissionId, mark: str) -> str:
        """Return the remote path of a temporary copy."""
        return self.temporary_in(self.temporary.name(submission, mark))

    def temporary_in(self, name: str) -> str:
        """Return the remote path of a name in the folder of temporary copies."""
        return posixpath.join(self.temporary_folder, name)

    def _problems(self) -> list[tuple[str, str, str]]:
        temporary = self.temporary
        in_name = temporary.style is not TemporaryStyle.FOLDER
        checks = [
            (not self.host, "host", "it is empty", "Name the server"),
            (not self.user, "user", "it is empty", "Name the account to log in as"),
            (not self.folder, "folder", "it is empty", "Name the remote folder, '.' for the login folder"),
            (not 0 < self.port < 1 << 16, "port", f"{self.port} is no port", "Use 1 to 65535"),
            (
                (self.private_key is None) == (self.password is None),
                "private_key",
                "exactly one of private_key and password is wanted",
                "Use a key; a password only where the server cannot do keys",
            ),
            (
                self.passphrase is not None and self.private_key is None,
                "passphrase",
                "there is no private key for it",
                "Remove it, or set private_key",
            ),
            (not temporary.text, "temporary", f"the {temporary.style.value} is empty", "Give one that is skipped"),
            (
                in_name and "/" in temporary.text,
                "temporary",
                "a prefix or suffix holds no slash",
                "Use the style 'folder' for another folder",
            ),
            (
                self.minimum_proof not in (ProofLevel.DIGEST, ProofLevel.SIZE, ProofLevel.ACCEPTED),
                "minimum_proof",
                f"SFTP cannot give a proof called {self.minimum_proof.value}",
                "Use digest, size or accepted",
            ),
            *(
                (getattr(self, bound) <= 0, bound, "it must be positive", "")
                for bound in (
                    "connect_timeout", "login_timeout", "request_timeout", "network_timeout",
                    "window", "in_flight", "max_listed", "stale_after",
                )
            ),
        ]  # fmt: skip
        return [(path, what, hint) for wrong, path, what, hint in checks if wrong]
