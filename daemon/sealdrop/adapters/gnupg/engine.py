"""python-gnupg, with a fence around it: one ``Engine`` runs gpg in one home, one call at a time.

The library starts gpg, feeds it and reads its listings. Not left to it, each for a reason that was seen:

- its result objects are never looked at: ``ok`` is true on a full disk. ``Outcome`` keeps the status lines themselves;
- it waits for ever: every call here has a time limit, after which gpg's whole process group is killed;
- it adds ``--debug ipc`` when its caller's environment says so, which would log a passphrase: we build the command;
- it decodes status lines strictly and takes more than the newline for a line end, so that a user id could forge a
  status line: we read bytes, cut at newlines, and replace what is not UTF-8;
- it logs the first bytes of what it imports, a secret key too: files go by path, its own input stays empty;
- it raises or returns, as the pipes happen to break: both end up in the ``Outcome``.

A passphrase goes to gpg through its standard input (``--passphrase-fd 0``), never into argv, environment or a log.
gpg gets an environment of its own and no configuration; ``/etc/gnupg/gpg.conf`` is read by gpg even so, and each of its
settings that could matter is overridden. Fails with ``GpgUnusable`` when gpg cannot be run at all.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gnupg

OLDEST = (2, 2)
_MAX_LINE_BYTES = 1 << 16
_MAX_LINES = 2000  # of status and of messages; gpg says a dozen
_LOOK_SECONDS = 0.25
_END_SECONDS = 3.0  # for a killed gpg and its readers to be gone

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
_ALWAYS = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--status-fd=2",
    "--display-charset=utf-8",
    "--with-colons",
    "--fixed-list-mode",
    "--pinentry-mode=loopback",
    "--trust-model=always",  # right because the full fingerprint is the trust
    "--no-auto-check-trustdb",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--disable-dirmngr",
)
_SEALING = (
    "--rfc4880",  # first, for it resets what follows: no LibrePGP packets from gpg 2.3 and later
    "--no-encrypt-to",
    "--no-throw-keyids",
    "--no-groups",
    "--no-armor",
    "--compress-algo=none",
    "--cipher-algo=AES256",
    "--digest-algo=SHA512",
    "--set-filename",
    "",  # our spool's names are nobody's business
)
# What a library may raise that was not written to be fenced.
_SURPRISES = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class GpgUnusable(Exception):
    """gpg cannot be run, or what runs is no gpg that is recent enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of gpg did, unjudged.

    Args:
        returncode: of gpg; negative for a signal, None when it was never started.
        statuses: its status lines, as words. messages: what it said to people.
        expired: the time limit was over and gpg was killed.
        surprise: the class name of what the library raised, or empty.
        output: what came on standard output.
    """

    returncode: int | None
    statuses: tuple[tuple[str, ...], ...]
    messages: tuple[str, ...]
    expired: bool
    surprise: str
    output: bytes = b""

    def words(self, name: str) -> list[tuple[str, ...]]:
        """Return the arguments of every status line of that name."""
        return [line[1:] for line in self.statuses if line[0] == name]


class Engine(gnupg.GPG):  # type: ignore[misc] # the library ships no types
    """gpg in one home. Not for several threads at a time, but ``kill`` may come from any."""

    def __init__(self, binary: Path, home: Path, *, limit_seconds: float) -> None:
        """Run gpg once to learn its version.

        Raises:
            GpgUnusable: it cannot be run, hangs, or is no gpg of 2.2 or later.
        """
        self.home = home
        self._limit_seconds = limit_seconds
        self._forget()
        started = self._run(
            limit_seconds,
            lambda: super(Engine, self).__init__(gpgbinary=str(binary), gnupghome=str(home), env=dict(_ENVIRONMENT)),
        )
        if started.expired:
            raise GpgUnusable(f"it does not answer within {limit_seconds:g} s")
        if started.surprise:
            raise GpgUnusable("it cannot be run")
        version: tuple[int, ...] | None = self.version
        if version is None or version < OLDEST:
            raise GpgUnusable("it is no GnuPG of version 2.2 or later")
        self.label = "gpg " + ".".join(str(part) for part in version)

    def seal(
        self,
        source: Path,
        target: Path,
        *,
        recipients: Sequence[str],
        signer: str,
        passphrase: str | None,
        limit: float,
    ) -> Outcome:
        """Sign with exactly the key ``signer`` and encrypt to exactly the keys ``recipients``.

        Args:
            source: read by gpg itself.
            target: overwritten.
            recipients: fingerprints of the very (sub)keys to use.
            signer: the same.
            passphrase: of the signing key.
            limit: seconds until gpg is killed.
        """
        return self._run(
            limit,
            lambda: self.encrypt_file(
                io.BytesIO(),
                [f"{fingerprint}!" for fingerprint in recipients],
                sign=True,
                armor=False,
                passphrase=passphrase,
                output=str(target),
                extra_args=[*_SEALING, "--local-user", f"{signer}!", "--", str(source)],
            ),
        )

    def take(self, key_file: Path) -> Outcome:
        """Import the keys in a file; a protected secret key stays protected, so no passphrase is needed."""
        arguments = ["--import-options=import-minimal", "--", str(key_file)]
        return self._run(self._limit_seconds, lambda: self.import_keys(b"", extra_args=arguments))

    def show(self, key_file: Path) -> Outcome:
        """List the keys in a file, with colons, and import nothing."""
        return self._run(self._limit_seconds, lambda: self.scan_keys(str(key_file)))

    def public_listing(self) -> Outcome:
        """List every public key with its signatures, with colons."""
        return self._run(self._limit_seconds, lambda: self.list_keys(sigs=True))

    def secret_listing(self) -> Outcome:
        """List every secret key, with colons."""
        return self._run(self._limit_seconds, lambda: self.list_keys(secret=True))

    def kill(self) -> None:
        """Kill the running gpg and whatever it started in its session, if there is any."""
        self._stopped = True
        child = self._child
        if child is not None and child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def _run(self, limit: float, call: Callable[[], Any]) -> Outcome:
        """Let the library work in a thread of its own, and stop it when the time is over or we are interrupted.

        An interrupt comes to the main thread only, so it can hit neither the library nor the starting of a child half
        way; a pipe that something escaped holds open cannot make us wait either.
        """
        self._forget()
        results: list[Any] = []
        surprises: list[str] = []
        expired = False

        def work() -> None:
            try:
                results.append(call())
            except _SURPRISES as error:
                surprises.append(type(error).__name__)
                self._reap()
            finally:
                done.set()

        done = threading.Event()  # not join: interrupted, it takes a running thread for ended (CPython issue 90882)
        deadline = time.monotonic() + limit
        try:
            threading.Thread(target=work, name="gpg", daemon=True).start()
            # In slices: a signal that comes just before a wait begins is not seen until that wait is over.
            while not done.wait(max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic()))) and not expired:
                expired = time.monotonic() >= deadline
        except RuntimeError as error:  # the system gives no further thread
            surprises.append(type(error).__name__)
            done.set()
        finally:
            if not done.is_set():
                self.kill()
                done.wait(_END_SECONDS)
        output = getattr(results[0], "data", b"") if results else b""
        return Outcome(
            returncode=None if self._child is None else self._child.returncode,
            statuses=tuple(self._statuses),
            messages=tuple(self._messages),
            expired=expired,
            surprise=surprises[0] if surprises else "",
            output=output if isinstance(output, bytes) else b"",
        )

    def _forget(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._statuses: list[tuple[str, ...]] = []
        self._messages: list[str] = []

    def _reap(self) -> None:
        """End what the library left behind when it raised."""
        self.kill()
        child = self._child
        if child is not None:
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    # Below, methods of the library in our own words; it calls them.

    def make_args(self, args: Sequence[str], passphrase: bool) -> list[str]:  # noqa: FBT001 - the library's signature
        """Return the whole command line."""
        command = [self.gpgbinary, *_ALWAYS, "--homedir", self.gnupghome]
        if "--encrypt" not in args:
            command.append("--ignore-time-conflict")  # a key of tomorrow is to be named as such, not dropped
        return [*command, *(["--passphrase-fd=0"] if passphrase else []), *args]

    def _open_subprocess(self, args: Sequence[str], passphrase: bool = False) -> subprocess.Popen[bytes]:  # noqa: FBT001, FBT002 - the library's signature
        child = subprocess.Popen(  # noqa: S603 - an absolute path, no shell, arguments of our own
            self.make_args(args, passphrase),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env,
            cwd=self.gnupghome,
            start_new_session=True,
            umask=0o077,
        )
        self._child = child
        if self._stopped:  # while it was being started
            self.kill()
        return child

    def _read_response(self, stream: Any, result: Any) -> None:  # noqa: ANN401 - the library's signature
        pipe: BinaryIO = stream.stream  # the bytes below the library's own decoder
        statuses, messages = self._statuses, self._messages  # of this run, should it be given up
        while raw := pipe.readline(_MAX_LINE_BYTES):
            line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
            if line.startswith("[GNUPG:] "):
                statuses.append(tuple(line.split(" ")[1:]))
            else:
                messages.append(line)
            del statuses[_MAX_LINES:], messages[_MAX_LINES:]
        result.stderr = "\n".join(messages)
