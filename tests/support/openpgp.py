"""OpenPGP for tests: throw-away keys, and two independent ways to open what the product sealed.

Keys are made by real ``gpg`` in homes of their own under ``/tmp`` (an agent's socket path must be short), exported to
files, and the home and its agent are gone when the function returns. :func:`decrypt_gpg` opens a message in yet
another home; :func:`decrypt_sq` uses Sequoia, which shares no code with GnuPG. A message that does not open, or whose
signature is not valid, raises ``AssertionError`` with what the tool said: nothing here can pass by accident.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Never the developer's own configuration, agent or terminal.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as files: ``secret`` has mode 0600; ``passphrase`` is what protects it (empty: nothing)."""

    fingerprint: str
    subkeys: tuple[str, ...]
    public: Path
    secret: Path
    passphrase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A sender's signing key and a receiver's key, as a deployment would have them."""

    signer: Key
    recipient: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A decrypted message whose one signature was valid: by the primary key ``signer``."""

    plaintext: bytes
    signer: str


def gpg(
    home: Path, *arguments: str, stdin: bytes = b"", at: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run ``gpg`` in ``home``; ``at`` is a faked time such as ``20200101T000000``."""
    faked = ["--faked-system-time", f"{at}!"] if at else []
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--status-fd", "2"]
    command += ["--pinentry-mode", "loopback", *faked, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, env=_ENVIRONMENT, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
    return done


@contextlib.contextmanager
def home() -> Iterator[Path]:
    """Yield an empty GnuPG home with a short path; its agent is ended and the folder removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="sdt-", dir="/tmp"))  # pytest's own folders are too long for a socket
    # A protected test key would otherwise cost 0.3 s for each use.
    (path / "gpg-agent.conf").write_text("s2k-count 65536\nallow-loopback-pinentry\n")
    try:
        yield path
    finally:
        subprocess.run(
            ["gpgconf", "--homedir", str(path), "--kill", "gpg-agent"],
            check=False,
            env=_ENVIRONMENT,
            capture_output=True,
            timeout=30,
        )
        shutil.rmtree(path, ignore_errors=True)


def make_key(
    folder: Path,
    user_id: str,
    *,
    primary: str = "ed25519",
    usage: str = "cert,sign",
    subkeys: Sequence[tuple[str, str, str]] = (),
    expire: str = "never",
    passphrase: str = "",
    at: str | None = None,
    options: Sequence[str] = (),
    revoked: bool = False,
) -> Key:
    """Make a key and export it to ``folder``.

    Args:
        folder: where ``<fingerprint>.pub`` and ``<fingerprint>.sec`` go.
        user_id: such as ``Meter Co <ops@meter.example>``.
        primary, usage, expire: of the primary key, in gpg's words (``rsa3072``; ``cert,sign``; ``never``, ``1d``).
        subkeys: (algorithm, usage, expire) of each.
        passphrase: protects the exported secret key.
        at: the faked time of its making; with ``expire="1d"`` a key that has long expired.
        options: further options of gpg, such as ``--cert-digest-algo``.
        revoked: publish its revocation.
    """
    secret = ("--passphrase", passphrase, *options)
    with home() as own:
        gpg(own, *secret, "--quick-generate-key", user_id, primary, usage, expire, at=at)
        fingerprint = fingerprints(own)[0]
        for algorithm, use, ends in subkeys:
            gpg(own, *secret, "--quick-add-key", fingerprint, algorithm, use, ends, at=at)
        if revoked:
            statement = (own / "openpgp-revocs.d" / f"{fingerprint}.rev").read_bytes()
            gpg(own, "--import", stdin=statement.replace(b":-----BEGIN", b"-----BEGIN"))
        public = gpg(own, "--export", fingerprint).stdout
        private = gpg(own, *secret, "--export-secret-keys", fingerprint).stdout
        rest = tuple(fingerprints(own)[1:])
    pub, sec = folder / f"{fingerprint}.pub", folder / f"{fingerprint}.sec"
    pub.write_bytes(public)
    write_secret(sec, private)
    return Key(fingerprint=fingerprint, subkeys=rest, public=pub, secret=sec, passphrase=passphrase)


def make_party(folder: Path, *, passphrase: str = "") -> Party:
    """Make a signer (Ed25519, perhaps with a passphrase) and a recipient (Ed25519 with a Curve25519 subkey)."""
    signer = make_key(folder, "Sender <sender@party.example>", passphrase=passphrase)
    return Party(signer=signer, recipient=make_recipient(folder))


def make_recipient(folder: Path, user_id: str = "Receiver <receiver@dcc.example>") -> Key:
    """Make a usual recipient key: Ed25519 that certifies, Curve25519 that encrypts."""
    return make_key(folder, user_id, usage="cert", subkeys=[("cv25519", "encr", "never")])


def fingerprints(own: Path) -> list[str]:
    """Return every fingerprint in ``own``: each primary key followed by its subkeys."""
    lines = gpg(own, "--list-keys", "--with-colons").stdout.decode(errors="replace").splitlines()
    return [line.split(":")[9] for line in lines if line.startswith("fpr:")]


def write_secret(path: Path, data: bytes) -> Path:
    """Write ``data`` to a new file with mode 0600."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    path.chmod(0o600)
    return path


def decrypt_gpg(sealed: Path, *, recipient: Key, signer: Key) -> Opened:
    """Open ``sealed`` in a fresh GnuPG home that knows only these two keys.

    Raises:
        AssertionError: it does not decrypt, or not exactly one valid signature is on it.
    """
    with home() as own:
        gpg(own, "--passphrase", recipient.passphrase, "--import", str(recipient.secret))
        gpg(own, "--import", str(signer.public))
        done = gpg(own, "--passphrase", recipient.passphrase, "--trust-model", "always", "--decrypt", str(sealed))
    status = [line.split()[1:] for line in done.stderr.decode(errors="replace").splitlines() if "[GNUPG:]" in line]
    words = {line[0] for line in status}
    assert {"DECRYPTION_OKAY", "GOODMDC", "GOODSIG"} <= words, done.stderr
    valid = [line for line in status if line[0] == "VALIDSIG"]
    assert len(valid) == 1, done.stderr
    return Opened(plaintext=done.stdout, signer=valid[0][-1])


def decrypt_sq(sealed: Path, *, recipient: Key, signer: Key) -> Opened:
    """Open ``sealed`` with Sequoia, demanding one valid signature by ``signer``.

    ``recipient`` must have no passphrase.

    Raises:
        AssertionError: it does not decrypt, or the signature is missing or not by ``signer``.
    """
    command = ["sq", "decrypt", "--signatures", "1", "--signer-cert", str(signer.public)]
    command += ["--recipient-key", str(recipient.secret), str(sealed)]
    done = subprocess.run(command, capture_output=True, check=False, env=_ENVIRONMENT, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"1 good signature" in done.stderr, done.stderr.decode(errors="replace")
    return Opened(plaintext=done.stdout, signer=signer.fingerprint)
