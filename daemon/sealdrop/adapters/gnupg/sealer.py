"""``GnupgSealer``: sign then encrypt to the configured keys, with everything checked before and after.

Start: key files are read, private homes are made, keys imported, and each must be exactly the configured one; then each
home seals a probe, so a wrong passphrase or a broken gpg shows before anything is claimed. ``check`` and ``keys`` look
at what was listed then; no gpg runs for them.

A seal: policy says which very (sub)keys to use now; gpg runs in a home that no other seal uses; its status lines are
judged; the result is read once, for its digest and for its packets, which must name exactly those recipients. The
target is there and whole, or not there. Syncing it and giving it its final name is left to the spool.

The time is the host's, since gpg goes by no other.
"""

from __future__ import annotations

import hashlib
import os
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sealdrop.adapters.durable import guarding, shown, write_new
from sealdrop.adapters.gnupg.engine import Engine, GpgUnusable
from sealdrop.adapters.gnupg.homes import Homes, end_processes
from sealdrop.adapters.gnupg.keyset import KeySet, problems_of, read_files
from sealdrop.adapters.gnupg.packets import MessageReader, NotSealed
from sealdrop.adapters.gnupg.policy import Judgement
from sealdrop.adapters.gnupg.ring import fill
from sealdrop.adapters.gnupg.verdict import fault
from sealdrop.core.errors import ConfigurationError, KeyUnusable, Problem, SealFailed
from sealdrop.ports.sealing import KeyInfo, SealedBytes

MAX_HOMES = 64
_CHUNK_BYTES = 1 << 18
_SLOWEST_BYTES_PER_SECOND = 4 << 20  # gpg does 200 MB/s; a large file gets that much more time
_SLOW_SEAL_SECONDS = 0.1


class GnupgSealer:
    """``ports.sealing.Sealer`` by GnuPG.

    Args:
        keys: the key set. runtime: a private folder, best on tmpfs, with a short path.
        homes: how many seals may run at a time.
        timeout_seconds: for one run of gpg; a seal gets a second more for every 4 MiB.

    Raises:
        ConfigurationError: key set, key files, gpg or runtime folder will not do; every problem at once.
        KeyUnusable: gpg refuses a key that the policy allows, or the passphrase is wrong.
        SealFailed: the probe failed.
        NoSpace, StorageFailure: the runtime folder could not be written.
    """

    def __init__(self, keys: KeySet, runtime: Path, homes: int, timeout_seconds: float = 120.0) -> None:
        problems = list(problems_of(keys))
        if not 1 <= homes <= MAX_HOMES:
            problems.append(Problem(path="homes", what=f"{homes} is not between 1 and {MAX_HOMES}"))
        files, unreadable = read_files(keys)
        if problems or unreadable:
            raise ConfigurationError([*problems, *unreadable])
        self._keys = keys
        self._passphrase = files.passphrase
        self._timeout_seconds = timeout_seconds
        self._slow: str | None = None
        self._closed = False
        self._free: queue.Queue[Engine] = queue.Queue()
        self._homes = Homes(runtime, homes, fast_unlock=keys.passphrase_is_random)
        try:
            self._engines = [self._start(home) for home in self._homes.paths]
            rings = [fill(engine, keys, files) for engine in self._engines]
            self._ring = rings[0]  # all are of the same bytes
            self._prove()
        except BaseException:
            self._homes.close()
            raise
        for engine in self._engines:
            self._free.put(engine)

    def seal(self, source: Path, target: Path) -> SealedBytes:
        """Write the sealed file to ``target``, which must not exist, having checked who signed and who can read it.

        Raises:
            KeyUnusable: a key may not be used (any more).
            SealFailed: gpg failed, hung, or made something other than expected; or the sealer is closed.
            NoSpace, StorageFailure: the source could not be read, or the target not written.
        """
        plan = self._plan(datetime.now(UTC))
        with self._an_engine() as engine:
            return self._seal(engine, plan, source, target)

    def keys(self, at: datetime) -> Sequence[KeyInfo]:
        """Return the configured keys with their problems and warnings as of ``at``, the signer first."""
        infos = [judgement.info for judgement in self._ring.judge(at)]
        if self._slow is not None:
            infos[0] = replace(infos[0], warning="; ".join(filter(None, [infos[0].warning, self._slow])))
        return infos

    def check(self, at: datetime) -> None:
        """Raise the first problem that forbids sealing; runs no program.

        Raises:
            KeyUnusable: a key may not be used.
        """
        self._plan(at)

    def close(self) -> None:
        """End running seals, agents and homes; safe to call twice."""
        self._closed = True
        for engine in self._engines:
            engine.kill()
        self._homes.close()

    def _start(self, home: Path) -> Engine:
        try:
            return Engine(self._keys.gpg_binary, home, limit_seconds=self._timeout_seconds)
        except GpgUnusable as error:
            problem = Problem(
                path=f"{self._keys.where}.gpg_binary",
                what=f"{shown(self._keys.gpg_binary)} will not do: {error}",
                hint="Install GnuPG 2.2 or later, or name the right program",
            )
            raise ConfigurationError([problem]) from error

    def _plan(self, at: datetime) -> tuple[Judgement, ...]:
        """Judge every key; the signer's judgement comes first.

        Raises:
            KeyUnusable: the first that may not be used.
        """
        judgements = self._ring.judge(at)
        for judgement in judgements:
            info = judgement.info
            if info.problem is not None:
                what = f"the {info.use} key {info.fingerprint} {info.problem}"
                raise KeyUnusable(what, where=self._keys.where, hint=judgement.hint)
        return judgements

    def _prove(self) -> None:
        """Seal a few bytes in every home, so that what would fail later fails now; not with keys that are refused."""
        now = datetime.now(UTC)
        if any(judgement.chosen is None for judgement in self._ring.judge(now)):
            return  # check() says why, whenever it is asked
        plan = self._plan(now)
        for engine in self._engines:
            self._probe(engine, plan)
        if self._passphrase:  # its first use converted the key, so only a second one tells the time
            took = self._probe(self._engines[0], plan)
            if took > _SLOW_SEAL_SECONDS:
                self._slow = f"takes {took * 1000:.0f} ms for a signature: its passphrase is stretched each time"

    def _probe(self, engine: Engine, plan: tuple[Judgement, ...]) -> float:
        """Seal a few bytes; return the seconds it took."""
        source, target = engine.home / "probe", engine.home / "probe.gpg"
        write_new(source, b"sealdrop\n")
        begun = time.monotonic()
        self._seal(engine, plan, source, target)
        took = time.monotonic() - begun
        source.unlink()
        target.unlink()
        return took

    @contextmanager
    def _an_engine(self) -> Iterator[Engine]:
        """Wait for a home of one's own; bounded, since every seal before us is."""
        engine = self._free.get()
        try:
            if self._closed:
                raise SealFailed("the sealer is closed", where=self._keys.where, hint="Start the agent again")
            yield engine
        finally:
            self._free.put(engine)

    def _seal(self, engine: Engine, plan: tuple[Judgement, ...], source: Path, target: Path) -> SealedBytes:
        signer, *recipients = [judgement.chosen.fingerprint for judgement in plan if judgement.chosen is not None]
        with guarding("look at the file to seal", source):
            plain_size = source.stat().st_size
        with _whole_or_gone(target):
            outcome = engine.seal(
                source.absolute(),
                target.absolute(),
                recipients=recipients,
                signer=signer,
                passphrase=self._passphrase,
                limit=self._timeout_seconds + plain_size / _SLOWEST_BYTES_PER_SECOND,
            )
            wrong = fault(outcome, signer, shown(target))
            if wrong is not None:
                if isinstance(wrong, SealFailed):
                    end_processes(engine.home)  # a fresh agent for the next one, whatever state this is in
                raise wrong
            sha256, size = self._inspect(target, {key[-16:] for key in recipients}, plain_size)
        return SealedBytes(
            sha256=sha256,
            size=size,
            recipients=tuple(sorted(recipient.fingerprint for recipient in self._keys.recipients)),
            signer=outcome.words("SIG_CREATED")[0][-1],
            engine=engine.label,
        )

    def _inspect(self, target: Path, key_ids: set[str], plain_size: int) -> tuple[str, int]:
        """Read the sealed file once: return its digest and size, having checked who can open it."""
        digest, reader, size = hashlib.sha256(), MessageReader(), 0
        hint = "Nothing was sent; compare the keys (`sealdrop keys`) with those that were agreed"
        try:
            with guarding("read back", target), target.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    reader.feed(chunk)
                    size += len(chunk)
            found = reader.finish()
        except NotSealed as error:
            raise SealFailed(
                f"what gpg made is not a sealed message: {error}", where=shown(target), hint=hint
            ) from error
        if sorted(found) != sorted(key_ids):
            what = f"it can be opened by the keys {', '.join(sorted(found))} instead of {', '.join(sorted(key_ids))}"
            raise SealFailed(what, where=shown(target), hint=hint)
        if size <= plain_size:  # nothing is compressed, so less came out than went in
            raise SealFailed(f"the sealed file is too short: {size} bytes", where=shown(target), hint=hint)
        return digest.hexdigest(), size


@contextmanager
def _whole_or_gone(target: Path) -> Iterator[None]:
    """Make ``target`` new, private and empty; remove it however the block fails, interrupts included."""
    with guarding("make the sealed file", target):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
