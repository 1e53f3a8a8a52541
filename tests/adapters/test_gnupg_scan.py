"""The fingerprint in a key file, and files that hold no single key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealdrop.adapters.gnupg import fingerprint_in
from sealdrop.core.errors import ConfigurationError
from support.openpgp import make_party


def test_the_fingerprint_of_a_public_and_of_a_secret_key_is_told(tmp_path: Path) -> None:
    party = make_party(tmp_path)

    assert fingerprint_in(party.recipient.public) == party.recipient.fingerprint
    assert fingerprint_in(party.signer.secret) == party.signer.fingerprint


def test_a_file_without_exactly_one_key_is_refused(tmp_path: Path) -> None:
    party = make_party(tmp_path)
    both, none = tmp_path / "both", tmp_path / "none"
    both.write_bytes(party.signer.public.read_bytes() + party.recipient.public.read_bytes())
    none.write_text("user_id,srv\n")

    with pytest.raises(ConfigurationError, match="holds 2 OpenPGP keys"):
        fingerprint_in(both)
    with pytest.raises(ConfigurationError, match="holds no OpenPGP key"):
        fingerprint_in(none)
    with pytest.raises(ConfigurationError, match="no such file"):
        fingerprint_in(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="cannot be run"):
        fingerprint_in(party.signer.public, tmp_path / "absent-gpg")
