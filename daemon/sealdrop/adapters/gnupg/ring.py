"""The keys of a sealer: imported into a home, proven to be the configured ones, and judged at any later time.

Each file must hold exactly the one primary key that the configuration names, a signer's file its secret key too, a
recipient's file never one. What gpg lists afterwards is kept as values, so a judgement costs no run of gpg. Nothing is
re-read while the agent runs: a new key or a revocation is taken up by a reload, which builds a new sealer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sealdrop.adapters.durable import shown, write_new
from sealdrop.adapters.gnupg.engine import Engine, Outcome
from sealdrop.adapters.gnupg.keyset import KeyFile, KeyFiles, KeySet
from sealdrop.adapters.gnupg.listing import ListedKey, Material, parse
from sealdrop.adapters.gnupg.policy import RECIPIENT, SIGNER, Judgement, judge
from sealdrop.core.errors import ConfigurationError, Problem, SealFailed

_SECRETS_READ = 9  # place in the words of IMPORT_RES


@dataclass(frozen=True, slots=True)
class Ring:
    """The listed keys of a key set, the signer first."""

    name: str
    signer: ListedKey
    recipients: tuple[ListedKey, ...]

    def judge(self, at: datetime) -> tuple[Judgement, ...]:
        """Judge every key at the time ``at``; the signer comes first, recipients in the order of the configuration."""
        return (
            judge(self.signer, SIGNER, name=self.name, at=at),
            *(judge(key, RECIPIENT, name=self.name, at=at) for key in self.recipients),
        )


def fill(engine: Engine, keys: KeySet, files: KeyFiles) -> Ring:
    """Import every key file into an empty home and return what is there.

    Raises:
        ConfigurationError: a file does not hold exactly its configured key; all such files at once.
        SealFailed: gpg did not answer as it should.
        NoSpace, StorageFailure: the home could not be written.
    """
    problems = [problem for file in files.keys if (problem := _import(engine, file)) is not None]
    if problems:
        raise ConfigurationError(problems)
    public = {key.primary.fingerprint: key for key in _listed(engine.public_listing(), keys)}
    secret = {
        part.fingerprint for key in _listed(engine.secret_listing(), keys) for part in _parts(key) if part.has_secret
    }
    wanted = {keys.signer, *(recipient.fingerprint for recipient in keys.recipients)}
    if set(public) != wanted:
        hint = "Run `sealdrop check config`"
        raise SealFailed("gpg lists other keys than were imported", where=keys.where, hint=hint)
    return Ring(
        name=keys.name,
        signer=_with_secrets(public[keys.signer], secret),
        recipients=tuple(public[recipient.fingerprint] for recipient in keys.recipients),
    )


def _import(engine: Engine, file: KeyFile) -> Problem | None:
    """Import one file through a private copy, so that gpg reads the very bytes that were checked."""
    copy = engine.home / "import"
    try:
        write_new(copy, file.data)
        outcome = engine.take(copy)
    finally:
        copy.unlink(missing_ok=True)
    found = sorted({words[1] for words in outcome.words("IMPORT_OK") if len(words) > 1})
    name = shown(file.path)
    if outcome.expired or not found:
        hint = "Export it anew: gpg --export" + ("-secret-keys" if file.is_secret else "") + f" {file.fingerprint}"
        return Problem(path=file.setting, what=f"{name} holds no key that gpg can import", hint=hint)
    if found != [file.fingerprint]:
        what = f"{name} holds {' and '.join(found)}, the configuration names {file.fingerprint}"
        return Problem(path=file.setting, what=what, hint="Find out which is right before changing either")
    has_secret = any(words[_SECRETS_READ : _SECRETS_READ + 1] > ("0",) for words in outcome.words("IMPORT_RES"))
    if has_secret is file.is_secret:
        return None
    if file.is_secret:
        what, hint = f"{name} holds no secret key", f"Export it: gpg --export-secret-keys {file.fingerprint}"
    else:
        what, hint = f"{name} holds a recipient's SECRET key", "Remove it from this host, and tell its owner"
    return Problem(path=file.setting, what=what, hint=hint)


def _listed(outcome: Outcome, keys: KeySet) -> tuple[ListedKey, ...]:
    try:
        if outcome.returncode == 0 and not outcome.expired:
            return parse(outcome.output)
        reason = "gpg could not list its keys"
    except ValueError as error:
        reason = f"gpg's listing of keys cannot be read: {error}"
    raise SealFailed(reason, where=keys.where, hint="Run `sealdrop check config`")


def _parts(key: ListedKey) -> tuple[Material, ...]:
    return (key.primary, *key.subkeys)


def _with_secrets(key: ListedKey, secret: set[str]) -> ListedKey:
    """Mark what is in the secret listing; only the public one has signatures, so the two are laid over each other."""
    return replace(
        key,
        primary=replace(key.primary, has_secret=key.primary.fingerprint in secret),
        subkeys=tuple(replace(part, has_secret=part.fingerprint in secret) for part in key.subkeys),
    )
