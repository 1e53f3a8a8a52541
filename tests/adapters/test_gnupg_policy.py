"""Which keys may be used: every reason to refuse one, every warning, and the reading of gpg's listings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.adapters.gnupg.listing import ListedKey, Material, SelfSignature, parse
from sealdrop.adapters.gnupg.policy import RECIPIENT, SIGNER, Judgement, judge

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MADE = datetime(2025, 1, 1, tzinfo=UTC)
PRIMARY = "A" * 40
SUBKEY = "B" * 40
OTHER = "C" * 40


def signature(kind: str, digest: int = 10, created: datetime = MADE, over: int = 0) -> SelfSignature:
    return SelfSignature(kind=kind, over=over, created=created, digest=digest)


def material(fingerprint: str, usage: str, *, kind: str = "18", curve: str = "ed25519") -> Material:
    return Material(
        fingerprint=fingerprint,
        key_id=fingerprint[-16:],
        validity="u",
        algorithm=22,
        bits=255,
        curve=curve,
        created=MADE,
        expires=None,
        usage=usage,
        has_secret=True,
        bindings=(signature(kind, over=int(kind == "13")),),
    )


RECEIVER = ListedKey(
    primary=material(PRIMARY, "c", kind="13"),
    user_id="Receiver <r@dcc.example>",
    disabled=False,
    subkeys=(material(SUBKEY, "e", curve="cv25519"),),
)
SENDER = ListedKey(primary=material(PRIMARY, "cs", kind="13"), user_id="Sender", disabled=False, subkeys=())


def primary(key: ListedKey, **changes: object) -> ListedKey:
    return replace(key, primary=replace(key.primary, **changes))  # type: ignore[arg-type] # what a case changes


def subkey(key: ListedKey, **changes: object) -> ListedKey:
    return replace(key, subkeys=(replace(key.subkeys[0], **changes),))  # type: ignore[arg-type] # the same


def judged(key: ListedKey, use: str, at: datetime = NOW) -> Judgement:
    return judge(key, use, name="dcc", at=at)


def test_a_good_recipient_is_used_by_its_encryption_subkey() -> None:
    judgement = judged(RECEIVER, RECIPIENT)
    assert judgement.chosen == RECEIVER.subkeys[0]
    assert judgement.info.problem is None
    assert judgement.info.warning is None
    assert judgement.info.subkeys == (SUBKEY,)
    assert judgement.info.algorithm == "cv25519"
    assert judgement.info.expires is None


def test_a_good_signer_without_subkeys_signs_itself() -> None:
    assert judged(SENDER, SIGNER).chosen == SENDER.primary


def test_a_signing_subkey_goes_before_the_primary_key() -> None:
    sub = material(SUBKEY, "s")
    assert judged(replace(SENDER, subkeys=(sub,)), SIGNER).chosen == sub


def test_an_offline_primary_key_is_fine_while_its_subkey_has_a_secret() -> None:
    sub = material(SUBKEY, "s")
    assert judged(replace(primary(SENDER, has_secret=False), subkeys=(sub,)), SIGNER).chosen == sub


RSA = {"algorithm": 1, "curve": ""}
REFUSED: list[tuple[str, str, ListedKey, str]] = [
    ("a revoked recipient", RECIPIENT, primary(RECEIVER, validity="r"), "is revoked"),
    ("a revoked signer", SIGNER, primary(SENDER, validity="r"), "is revoked"),
    ("a disabled key", RECIPIENT, replace(RECEIVER, disabled=True), "is disabled"),
    ("a key without a valid signature", RECIPIENT, primary(RECEIVER, validity="i"), "is invalid"),
    ("an expired key", RECIPIENT, primary(RECEIVER, expires=NOW), "expired on 2026-11-24 12:00 UTC"),
    ("a key of tomorrow", RECIPIENT, primary(RECEIVER, created=NOW + timedelta(1)), "not valid before 2026-11-25"),
    ("an expired subkey", RECIPIENT, subkey(RECEIVER, expires=NOW), f"its subkey {SUBKEY} expired on 2026-11-24"),
    ("a revoked subkey", RECIPIENT, subkey(RECEIVER, validity="r"), f"its subkey {SUBKEY} is revoked"),
    ("an invalid subkey", RECIPIENT, subkey(RECEIVER, validity="i"), f"its subkey {SUBKEY} is invalid"),
    ("a subkey of tomorrow", RECIPIENT, subkey(RECEIVER, created=NOW + timedelta(1)), "is not valid before"),
    ("a recipient that can only sign", RECIPIENT, SENDER, "cannot encrypt: it has no key for that"),
    ("a signer that can only encrypt", SIGNER, RECEIVER, "cannot sign: it has no key for that"),
    ("a signer without secret", SIGNER, primary(SENDER, has_secret=False), "it has no secret part in the key file"),
    ("RSA 1024", RECIPIENT, primary(RECEIVER, bits=1024, **RSA), "is RSA with 1024 bits only, too weak"),
    ("an RSA 1024 subkey", RECIPIENT, subkey(RECEIVER, bits=1024, **RSA), f"its subkey {SUBKEY} is RSA with 1024"),
    ("DSA", SIGNER, primary(SENDER, algorithm=17, bits=3072, curve=""), "uses dsa3072, which is weak"),
    ("ElGamal", RECIPIENT, subkey(RECEIVER, algorithm=16, bits=3072, curve=""), "uses elgamal3072, which is weak"),
    ("an unknown curve", SIGNER, primary(SENDER, curve="secp256k1"), "uses secp256k1, which is weak or unknown"),
    ("an unknown algorithm", SIGNER, primary(SENDER, algorithm=99, bits=7, curve=""), "uses algorithm 99 7"),
    (
        "a SHA-1 self-signature",
        SIGNER,
        primary(SENDER, bindings=(signature("13", 2, over=1),)),
        "held together by SHA-1",
    ),
    (
        "an MD5 self-signature",
        SIGNER,
        primary(SENDER, bindings=(signature("10", 1, over=1),)),
        "held together by MD5",
    ),
    ("a SHA-1 bound subkey", RECIPIENT, subkey(RECEIVER, bindings=(signature("18", 2),)), "bound by SHA-1 only"),
    (
        "two subkeys of one second",
        RECIPIENT,
        replace(RECEIVER, subkeys=(RECEIVER.subkeys[0], material(OTHER, "e"))),
        "ambiguous",
    ),
]


@pytest.mark.parametrize(("use", "key", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_key_that_must_not_be_used_is_refused_with_its_reason(use: str, key: ListedKey, reason: str) -> None:
    judgement = judged(key, use)
    assert reason in (judgement.info.problem or "no problem")
    assert judgement.chosen is None
    assert judgement.hint


def test_the_newest_self_signature_counts() -> None:
    later = MADE + timedelta(days=1)
    renewed = primary(SENDER, bindings=(signature("13", 2, over=1), signature("13", 8, later, over=1)))
    downgraded = primary(SENDER, bindings=(signature("13", 8, over=1), signature("13", 2, later, over=1)))
    assert judged(renewed, SIGNER).info.problem is None
    assert judged(downgraded, SIGNER).info.problem is not None


def test_one_good_user_id_holds_a_key_together() -> None:
    key = primary(SENDER, bindings=(signature("13", 2, over=1), signature("13", 10, over=2)))
    assert judged(key, SIGNER).info.problem is None


def test_the_newest_usable_subkey_is_chosen_and_said() -> None:
    newer = replace(material(OTHER, "e"), created=MADE + timedelta(days=9))
    expired = replace(material("D" * 40, "e"), created=MADE + timedelta(days=20), expires=NOW)
    judgement = judged(replace(RECEIVER, subkeys=(RECEIVER.subkeys[0], newer, expired)), RECIPIENT)
    assert judgement.chosen == newer
    assert judgement.info.subkeys == (OTHER, SUBKEY)
    assert f"2 usable subkeys for this; the newest, {OTHER}, is used" in (judgement.info.warning or "")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=61), None),
        (timedelta(days=60), "within 60 days"),
        (timedelta(days=31), "within 60 days"),
        (timedelta(days=30), "within 30 days"),
        (timedelta(days=14, seconds=1), "within 30 days"),
        (timedelta(days=14), "within 14 days"),
        (timedelta(days=7), "within 7 days"),
        (timedelta(hours=25), "within 7 days"),
        (timedelta(seconds=1), "within 1 day,"),
    ],
)
@pytest.mark.parametrize("change", [primary, subkey])
def test_expiry_is_foretold_in_five_steps(change: Callable[..., ListedKey], left: timedelta, said: str | None) -> None:
    info = judged(change(RECEIVER, expires=NOW + left), RECIPIENT).info
    assert info.problem is None
    assert info.expires == NOW + left
    assert info.warning is None if said is None else said in (info.warning or "")


def test_a_key_works_until_the_second_it_expires() -> None:
    key = primary(RECEIVER, expires=NOW)
    assert judged(key, RECIPIENT, NOW - timedelta(microseconds=1)).info.problem is None
    assert judged(key, RECIPIENT, NOW).info.problem is not None


@pytest.mark.parametrize(("bits", "warned"), [(2048, True), (3071, True), (3072, False), (4096, False)])
def test_short_rsa_is_used_with_a_warning(bits: int, warned: bool) -> None:  # noqa: FBT001 - a column of the table
    info = judged(subkey(RECEIVER, bits=bits, **RSA), RECIPIENT).info
    assert info.problem is None
    assert (f"RSA with {bits} bits" in (info.warning or "")) is warned


LISTING = b"""tru::1:1795552757:0:3:1:5
pub:u:255:22:4B5649B834DD3F17:1795552755:::u:::scESCD:::::ed25519:::0:
fpr:::::::::3C48B5C2D377BED09D67537C4B5649B834DD3F17:
uid:r::::1795552755::AA::gone <g@x>::::::::::0:
uid:u::::1795552755::BB::Sig\\x3aner \xc3\x85 \\x1b[1m\xff <s@x>::::::::::0:
sig:::22:4B5649B834DD3F17:1795552755::::Sig Ner:13x::3C48B5C2D377BED09D67537C4B5649B834DD3F17:::8:
sig:::22:1111111111111111:1795552755::::Other:10x:::::2:
sub:e:2048:1:52DEFE187A5E7E98:1795552757:20380119T031408:::::e:::#:::23:
fpr:::::::::46786ACB7741B72ABE9DD34F52DEFE187A5E7E98:
sig:::22:4B5649B834DD3F17:1795552757::::Sig Ner:18x::3C48B5C2D377BED09D67537C4B5649B834DD3F17:::2:
"""


def test_a_listing_is_read_field_by_field() -> None:
    (key,) = parse(LISTING)
    sub = key.subkeys[0]
    assert key.primary.fingerprint == "3C48B5C2D377BED09D67537C4B5649B834DD3F17"
    assert key.primary.usage == "sc"
    assert key.primary.bindings == (signature("13", 8, datetime.fromtimestamp(1795552755, UTC), over=2),)
    assert key.user_id == "Sig:ner Å \\x1b[1m\N{REPLACEMENT CHARACTER} <s@x>"
    assert key.disabled
    assert (sub.validity, sub.algorithm, sub.bits, sub.curve, sub.usage) == ("e", 1, 2048, "", "e")
    assert sub.expires == datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)
    assert not sub.has_secret
    assert [bound.digest for bound in sub.bindings] == [2]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(LISTING.replace(b":4B5649B834DD3F17:1795552755:::u", b":4B:1795552755:::u"), id="a short key id"),
        pytest.param(LISTING.replace(b":1795552755:::u", b"::::u"), id="no time of its making"),
        pytest.param(LISTING.replace(b"20380119T031408", b"99999999T031408"), id="a time that is none"),
        pytest.param(LISTING.replace(b"20380119T031408", b"9" * 30), id="a time beyond all calendars"),
        pytest.param(LISTING.replace(b"sub:e:2048", b"sub:e:many"), id="a size that is no number"),
        pytest.param(LISTING.replace(b"fpr:::::::::46786", b"xxx:::::::::46786"), id="a missing fingerprint"),
        pytest.param(b"fpr:::::::::46786ACB7741B72ABE9DD34F52DEFE187A5E7E98:", id="a fingerprint without a key"),
        pytest.param(b"pub", id="a bare word"),
    ],
)
def test_a_line_that_cannot_be_understood_is_no_key(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"key|line"):
        parse(broken)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(LISTING.split(b"\n")),
            st.tuples(st.sampled_from(LISTING.split(b"\n")), st.integers(0, 80), st.binary(max_size=3)).map(
                lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_listing_gives_keys_or_a_value_error(lines: list[bytes]) -> None:
    try:
        keys = parse(b"\n".join(lines))
    except ValueError:
        return
    for key in keys:
        for use in (RECIPIENT, SIGNER):
            judgement = judged(key, use)
            assert (judgement.chosen is None) is (judgement.info.problem is not None)
            assert key.user_id.isprintable()
