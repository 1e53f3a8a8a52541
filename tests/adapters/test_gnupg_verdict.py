"""The judge of gpg's runs: success needs every sign of it, and each failure says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealdrop.adapters.gnupg.engine import Outcome
from sealdrop.adapters.gnupg.verdict import fault
from sealdrop.core.errors import KeyUnusable, NoSpace, SealdropError, SealFailed, StorageFailure

SIGNER = "F5DE5C5D7BBF0778867693D979D6221F51CF749C"
OTHER = "0" * 40

# As gpg 2.2.40 said it.
GOOD = Outcome(
    returncode=0,
    statuses=(
        ("KEY_CONSIDERED", SIGNER, "0"),
        ("BEGIN_SIGNING", "H10"),
        ("SIG_CREATED", "S", "22", "10", "00", "1795552787", SIGNER),
        ("BEGIN_ENCRYPTION", "2", "9"),
        ("END_ENCRYPTION",),
    ),
    messages=(),
    expired=False,
    surprise="",
)
FULL_DISK = replace(
    GOOD,
    returncode=2,
    messages=("gpg: /w/sealed: write error: No space left on device", "gpg: filter_flush failed on close: No space"),
)


def without(name: str) -> Outcome:
    return replace(GOOD, statuses=tuple(line for line in GOOD.statuses if line[0] != name))


def instead(*line: str) -> Outcome:
    return replace(GOOD, statuses=tuple(line if old[0] == line[0] else old for old in GOOD.statuses))


def also(*line: str, returncode: int = 0) -> Outcome:
    return replace(GOOD, statuses=(*GOOD.statuses, line), returncode=returncode)


def said(*messages: str, returncode: int = 2) -> Outcome:
    return replace(GOOD, messages=messages, returncode=returncode)


def test_every_sign_of_success_together_is_success() -> None:
    assert fault(GOOD, SIGNER, "w/sealed") is None


CASES: list[tuple[str, Outcome, type[SealdropError], str]] = [
    ("a full disk although the end was printed", FULL_DISK, NoSpace, "No space left on device"),
    ("a quota", said("gpg: write error: Disk quota exceeded"), NoSpace, "quota"),
    ("a file size limit", replace(GOOD, returncode=-25), StorageFailure, "file size"),
    ("a broken disk", said("gpg: read error: Input/output error"), StorageFailure, "Input/output error"),
    ("a read-only disk", said("gpg: can't create: Read-only file system"), StorageFailure, "Read-only"),
    ("a time-out", replace(GOOD, returncode=-9, expired=True), SealFailed, "in time"),
    ("a time-out that ended well", replace(GOOD, expired=True), SealFailed, "in time"),
    ("a signal", replace(GOOD, returncode=-11), SealFailed, "signal 11"),
    ("an exit code alone", replace(GOOD, returncode=2), SealFailed, "exit code 2"),
    ("gpg that never started", replace(GOOD, returncode=None), SealFailed, "never started"),
    ("a library surprise", replace(GOOD, surprise="BrokenPipeError"), SealFailed, "BrokenPipeError"),
    (
        "an expired recipient",
        also("INV_RECP", "5", OTHER + "!", returncode=2),
        KeyUnusable,
        "key 0{40}: it has",
    ),
    ("a refused recipient though it ended well", also("INV_RECP", "4", OTHER), KeyUnusable, "is revoked"),
    ("an unusable signer", also("INV_SGNR", "9", SIGNER, returncode=2), KeyUnusable, "signer key F5DE"),
    ("a reason we do not know", also("INV_SGNR", returncode=2), KeyUnusable, "cannot be used"),
    ("a wrong passphrase", said("gpg: signing failed: Bad passphrase"), KeyUnusable, "does not unlock"),
    ("a warning that ended well", also("WARNING", "server_version_mismatch", "0"), SealFailed, "WARNING"),
    ("a failure that ended well", also("FAILURE", "sign-encrypt", "83918950"), SealFailed, "FAILURE"),
    ("an error that ended well", also("ERROR", "sig", "1"), SealFailed, "ERROR"),
    ("nothing said at all", replace(GOOD, statuses=()), SealFailed, "0 signatures"),
    ("no signature", without("SIG_CREATED"), SealFailed, "0 signatures"),
    ("two signatures", also(*GOOD.statuses[2]), SealFailed, "2 signatures"),
    ("another signer", instead("SIG_CREATED", "S", "22", "10", "00", "1", OTHER), SealFailed, "instead of F5DE"),
    ("a SHA-1 signature", instead("SIG_CREATED", "S", "22", "2", "00", "1", SIGNER), SealFailed, "another kind"),
    ("a detached signature", instead("SIG_CREATED", "D", "22", "10", "00", "1", SIGNER), SealFailed, "another kind"),
    ("a text signature", instead("SIG_CREATED", "S", "22", "10", "01", "1", SIGNER), SealFailed, "another kind"),
    ("a short signature line", instead("SIG_CREATED", "S"), SealFailed, "another kind"),
    ("no encryption begun", without("BEGIN_ENCRYPTION"), SealFailed, "integrity"),
    ("no integrity protection", instead("BEGIN_ENCRYPTION", "0", "9"), SealFailed, "integrity"),
    ("3DES", instead("BEGIN_ENCRYPTION", "2", "2"), SealFailed, "AES"),
    ("a short encryption line", instead("BEGIN_ENCRYPTION"), SealFailed, "integrity"),
    ("no encryption ended", without("END_ENCRYPTION"), SealFailed, "did not finish"),
]


@pytest.mark.parametrize(("outcome", "kind", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_anything_less_is_a_failure_that_says_what_to_do(
    outcome: Outcome, kind: type[SealdropError], text: str
) -> None:
    error = fault(outcome, SIGNER, "w/sealed")
    assert type(error) is kind
    with pytest.raises(kind, match=text):
        raise error
    assert error.hint
    assert error.where == "w/sealed"


def test_what_gpg_says_is_quoted_on_one_short_line() -> None:
    error = fault(said("gpg: \x1b[31m\n" + "x" * 1000), SIGNER, "w/sealed")
    assert error is not None
    assert error.what.isprintable()
    assert len(error.what) < 250
