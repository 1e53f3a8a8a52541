"""Judge one run of gpg: did it seal, and if not, what should the caller do. Pure.

Sealed means all of it: exit code 0; no status that says otherwise; exactly one signature, of the asked key, over binary
content, with a SHA-2 digest; encryption by AES with integrity protection begun and ended. gpg prints
``END_ENCRYPTION`` on a full disk as well, and a script in gpg's place may exit 0 having done nothing, so no single sign
is ever enough. What the output itself looks like is checked by the caller.
"""

from __future__ import annotations

import errno
import os
import signal

from sealdrop.adapters.gnupg.engine import Outcome
from sealdrop.core.errors import KeyUnusable, NoSpace, SealdropError, SealFailed, StorageFailure

_MAX_QUOTE = 160  # characters of gpg's own words in an error

_FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))
_DISK = tuple(os.strerror(code) for code in (errno.EFBIG, errno.EROFS, errno.EIO))
_AGAINST = ("ERROR", "FAILURE", "WARNING", "NO_RECP", "NO_SGNR")
_REASONS = {
    "1": "is not in the keyring",
    "3": "has the wrong use",
    "4": "is revoked",
    "5": "has expired",
    "9": "has no secret part",
    "11": "cannot be used",
    "12": "is disabled",
}
_SHA2 = {"8", "9", "10", "11"}
_AES = {"7", "8", "9"}


def fault(outcome: Outcome, signer: str, where: str) -> SealdropError | None:
    """Return the error to raise, or None when gpg says that it sealed.

    Args:
        outcome: of the run.
        signer: fingerprint of the very (sub)key that was to sign.
        where: for the error.
    """
    if outcome.expired:
        hint = "Look at the load of this host; a frozen agent was ended, so a retry may succeed"
        return SealFailed("gpg did not finish in time and was killed", where=where, hint=hint)
    return _storage(outcome, where) or _keys(outcome, where) or _engine(outcome, signer, where)


def _storage(outcome: Outcome, where: str) -> SealdropError | None:
    if outcome.returncode == 0:
        return None
    said = "\n".join(outcome.messages)
    if any(text in said for text in _FULL):
        hint = "Free space or raise the quota, there or on the runtime folder"
        return NoSpace(f"gpg could not write: {_quote(outcome, _FULL)}", where=where, hint=hint)
    if outcome.returncode == -signal.SIGXFSZ:
        return StorageFailure("gpg hit the limit of the file size", where=where, hint="Raise LimitFSIZE of the unit")
    if any(text in said for text in _DISK):
        hint = "Check the disk, then start the agent again"
        return StorageFailure(f"gpg could not read or write: {_quote(outcome, _DISK)}", where=where, hint=hint)
    return None


def _keys(outcome: Outcome, where: str) -> SealdropError | None:
    for status, use in (("INV_RECP", "recipient"), ("INV_SGNR", "signer")):
        for words in outcome.words(status):
            reason = _REASONS.get(words[0] if words else "", "cannot be used")
            key = words[1].rstrip("!") if len(words) > 1 else "unknown"
            hint = "Look at `sealdrop keys`, and configure a valid key"
            return KeyUnusable(f"gpg refuses the {use} key {_plain(key)}: it {reason}", where=where, hint=hint)
    said = "\n".join(outcome.messages).lower()
    if outcome.returncode != 0 and "bad passphrase" in said:
        hint = "Put the right passphrase into its file, and start again"
        return KeyUnusable("the passphrase does not unlock the signing key", where=where, hint=hint)
    if outcome.returncode != 0 and outcome.words("NEED_PASSPHRASE") and "can't get input" in said:
        hint = "Put its passphrase into a file and name that file, or export the key without one"
        return KeyUnusable("the signing key is protected and no passphrase is configured", where=where, hint=hint)
    return None


def _engine(outcome: Outcome, signer: str, where: str) -> SealdropError | None:
    hint = "Nothing was sealed and a retry may succeed; if it does not, run `sealdrop check config`"
    if outcome.returncode != 0:
        ended = _ending(outcome)
        return SealFailed(f"gpg failed ({ended}): {_quote(outcome)}", where=where, hint=hint)
    objection = next((name for name in _AGAINST if outcome.words(name)), None) or outcome.surprise
    if objection:
        return SealFailed(f"gpg ended well but said {_plain(objection)}", where=where, hint=hint)
    what = _signature(outcome, signer) or _encryption(outcome)
    return SealFailed(what, where=where, hint=hint) if what else None


def _signature(outcome: Outcome, signer: str) -> str | None:
    made = outcome.words("SIG_CREATED")
    if len(made) != 1:
        return f"gpg made {len(made)} signatures instead of one"
    # SIG_CREATED <type> <pk_algo> <hash_algo> <class> <timestamp> <keyfpr>
    match made[0]:
        case ["S", _, digest, "00", _, fingerprint] if digest in _SHA2:
            return None if fingerprint == signer else f"gpg signed with {_plain(fingerprint)} instead of {signer}"
        case _:
            return f"gpg made a signature of another kind: {_plain(' '.join(made[0]))}"


def _encryption(outcome: Outcome) -> str | None:
    begun = outcome.words("BEGIN_ENCRYPTION")
    # BEGIN_ENCRYPTION <mdc_method> <sym_algo>; method 2 is integrity protection by SHA-1 MDC
    if len(begun) != 1 or len(begun[0]) < 2 or begun[0][0] != "2" or begun[0][1] not in _AES:  # noqa: PLR2004 - its two words
        return "gpg did not encrypt by AES with integrity protection"
    return None if len(outcome.words("END_ENCRYPTION")) == 1 else "gpg did not finish the encryption"


def _ending(outcome: Outcome) -> str:
    if outcome.returncode is None:
        return "never started"
    return f"signal {-outcome.returncode}" if outcome.returncode < 0 else f"exit code {outcome.returncode}"


def _quote(outcome: Outcome, wanted: tuple[str, ...] = ("",)) -> str:
    fitting = [line for line in outcome.messages if any(text in line for text in wanted)]
    return _plain(fitting[-1]) if fitting else outcome.surprise or "it gave no reason"


def _plain(text: str) -> str:
    return ascii(text)[1:-1][:_MAX_QUOTE]
