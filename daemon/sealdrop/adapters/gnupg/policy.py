"""Which keys may be used for sealing, and what a person should know of each. Pure.

A key may be used when it is there, not revoked, not disabled, valid at the time, strong, not held together by SHA-1,
and has exactly one newest (sub)key for its use. Of several usable (sub)keys the newest is used, as every OpenPGP
program does; it is then named to gpg exactly, so that gpg's choice and ours cannot differ. Two newest of the same
second are ambiguous and refused.

Weak is: RSA under 2048 bits, DSA, ElGamal, unknown curves, a newest self-signature by MD5, SHA-1 or RIPEMD-160. RSA
under 3072 bits is used with a warning. Warnings of expiry change only at 60, 30, 14, 7 and 1 days, so that each is one
alert. gpg refuses expired and revoked keys by itself as well; the weak and the ambiguous are refused here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sealdrop.adapters.gnupg.listing import ListedKey, Material, SelfSignature
from sealdrop.ports.sealing import KeyInfo

RECIPIENT = "recipient"
SIGNER = "signer"

WARN_DAYS = (1, 7, 14, 30, 60)
MIN_RSA_BITS = 2048
GOOD_RSA_BITS = 3072

_RSA = {1, 2, 3}
_NAMES = {16: "elgamal", 17: "dsa", 20: "elgamal"}
_CURVES = frozenset(
    {"ed25519", "cv25519", "ed448", "cv448", "nistp256", "nistp384", "nistp521"}
    | {"brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"}
)
_WEAK_DIGESTS = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
_LETTER = {RECIPIENT: "e", SIGNER: "s"}
_VERB = {RECIPIENT: "encrypt", SIGNER: "sign"}
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was decided of a key: ``chosen`` is the (sub)key to use, None with a problem; ``hint`` says what to do."""

    info: KeyInfo
    chosen: Material | None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Problem:
    text: str
    hint: str


def judge(key: ListedKey, use: str, *, name: str, at: datetime) -> Judgement:
    """Decide whether ``key`` may be used as ``use`` (``recipient`` or ``signer``) at the time ``at``.

    Args:
        key: as listed; for a signer from the secret listing as to ``has_secret``.
        use: ``recipient`` or ``signer``.
        name: of the key set, for people.
        at: an aware time.
    """
    usable = _usable(key, use, at)
    problem = _of_key(key, use, at) or _of_choice(key, use, usable, at)
    chosen = usable[0] if usable else key.primary
    ends = _ends(key, usable)
    info = KeyInfo(
        use=use,
        name=name,
        fingerprint=key.primary.fingerprint,
        user_id=key.user_id,
        algorithm=_algorithm(chosen),
        created=key.primary.created,
        expires=ends,
        subkeys=tuple(part.fingerprint for part in usable),
        problem=problem.text if problem else None,
        warning=_warning(key, usable, ends, at),
    )
    return Judgement(info=info, chosen=None if problem else chosen, hint=problem.hint if problem else "")


def _of_key(key: ListedKey, use: str, at: datetime) -> _Problem | None:
    """Return what forbids the key as a whole."""
    primary = key.primary
    renew = _renewal(use)
    if primary.validity == "r":
        return _Problem("is revoked", renew)
    if key.disabled:
        return _Problem("is disabled", renew)
    if primary.created > at:
        return _Problem(f"is not valid before {_shown(primary.created)}", "Check the clock of this host, or the key")
    if primary.validity == "i":
        return _Problem("is invalid: it carries no valid signature of its own", renew)
    if primary.expires is not None and primary.expires <= at:
        return _Problem(f"expired on {_shown(primary.expires)}", renew)
    weakness = _weakness(primary) or _weak_self_signature(primary)
    return _Problem(weakness, renew) if weakness else None


def _of_choice(key: ListedKey, use: str, usable: Sequence[Material], at: datetime) -> _Problem | None:
    """Return why there is no one (sub)key to use."""
    renew = _renewal(use)
    if not usable:
        return _Problem(_why_none(key, use, at), renew)
    newest = usable[0]
    if len(usable) > 1 and usable[1].created == newest.created:
        twins = f"{newest.fingerprint} and {usable[1].fingerprint}"
        return _Problem(f"is ambiguous: its subkeys {twins} are equally new", "Revoke one of the two")
    weakness = _weakness(newest) or (None if newest is key.primary else _weak_binding(newest))
    if weakness is None:
        return None
    place = "" if newest is key.primary else f"cannot {_VERB[use]} safely: its subkey {newest.fingerprint} "
    return _Problem(f"{place}{weakness}", renew)


def _usable(key: ListedKey, use: str, at: datetime) -> list[Material]:
    """Return the (sub)keys for this use, newest first; the primary key only when there is no such subkey."""
    fit = [part for part in key.subkeys if _why_not(part, use, at) is None]
    fit.sort(key=lambda part: part.created, reverse=True)
    return fit or [part for part in [key.primary] if _why_not(part, use, at) is None]


def _why_not(part: Material, use: str, at: datetime) -> str | None:
    """Return what keeps one (sub)key from this use, in words that follow "its subkey X"."""
    if _LETTER[use] not in part.usage:
        return f"may not {_VERB[use]}"
    if part.validity in {"r", "i"}:
        return "is revoked" if part.validity == "r" else "is invalid"
    if part.created > at:
        return f"is not valid before {_shown(part.created)}"
    if part.expires is not None and part.expires <= at:
        return f"expired on {_shown(part.expires)}"
    if use == SIGNER and not part.has_secret:
        return "has no secret part in the key file"
    return None


def _why_none(key: ListedKey, use: str, at: datetime) -> str:
    candidates = [part for part in (*key.subkeys, key.primary) if _LETTER[use] in part.usage]
    if not candidates:
        return f"cannot {_VERB[use]}: it has no key for that"
    newest = max(candidates, key=lambda part: part.created)
    who = "it" if newest is key.primary else f"its subkey {newest.fingerprint}"
    return f"cannot {_VERB[use]}: {who} {_why_not(newest, use, at)}"


def _weakness(part: Material) -> str | None:
    if part.algorithm in _RSA:
        return f"is RSA with {part.bits} bits only, too weak" if part.bits < MIN_RSA_BITS else None
    if part.curve in _CURVES:
        return None
    return f"uses {_algorithm(part)}, which is weak or unknown"


def _weak_self_signature(primary: Material) -> str | None:
    """A key stands on the newest self-signature of any user id (or over itself); one good one is enough."""
    newest: dict[int, tuple[datetime, int]] = {}
    for signature in primary.bindings:
        if signature.kind in {"10", "11", "12", "13", "1F"}:
            newest[signature.over] = max(newest.get(signature.over, (signature.created, 0)), _dated(signature))
    digests = [digest for _, digest in newest.values()]
    if digests and all(digest in _WEAK_DIGESTS for digest in digests):
        return f"is held together by {_WEAK_DIGESTS[digests[0]]} only, which can be forged"
    return None


def _weak_binding(subkey: Material) -> str | None:
    dated = [_dated(signature) for signature in subkey.bindings if signature.kind == "18"]
    digest = max(dated)[1] if dated else 0
    return f"is bound by {_WEAK_DIGESTS[digest]} only, which can be forged" if digest in _WEAK_DIGESTS else None


def _ends(key: ListedKey, usable: Sequence[Material]) -> datetime | None:
    """Return when the key stops working for this use: with its primary key, or with its last usable subkey."""
    last = max((part.expires or _NEVER for part in usable), default=_NEVER)
    ends = min(key.primary.expires or _NEVER, last)
    return None if ends == _NEVER else ends


def _warning(key: ListedKey, usable: Sequence[Material], ends: datetime | None, at: datetime) -> str | None:
    said = []
    if ends is not None and ends > at:
        days = next((days for days in WARN_DAYS if ends - at <= timedelta(days=days)), None)
        if days is not None:
            said.append(f"expires within {days} {'day' if days == 1 else 'days'}, on {_shown(ends)}")
    weakest = min((part.bits for part in (key.primary, *usable[:1]) if part.algorithm in _RSA), default=GOOD_RSA_BITS)
    if MIN_RSA_BITS <= weakest < GOOD_RSA_BITS:
        said.append(f"is RSA with {weakest} bits; new keys should have {GOOD_RSA_BITS} or more")
    if len(usable) > 1:
        said.append(f"has {len(usable)} usable subkeys for this; the newest, {usable[0].fingerprint}, is used")
    return "; ".join(said) or None


def _algorithm(part: Material) -> str:
    if part.algorithm in _RSA:
        return f"rsa{part.bits}"
    return part.curve.lower() or f"{_NAMES.get(part.algorithm, f'algorithm {part.algorithm} ')}{part.bits}"


def _dated(signature: SelfSignature) -> tuple[datetime, int]:
    return signature.created, signature.digest


def _renewal(use: str) -> str:
    if use == RECIPIENT:
        return "Get the recipient's current key, check its fingerprint by a second way, and configure it"
    return "Renew the signing key, give its public part to the receivers, and configure it"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
