"""References to secrets: two forms, resolved when they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealdrop.core.errors import ConfigurationError
from sealdrop.settings import SecretRef, resolve_secret


def test_a_file_is_its_own_place() -> None:
    assert resolve_secret(SecretRef(file=Path("/etc/key"))) == Path("/etc/key")


def test_a_credential_is_where_the_service_manager_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/sealdrop.service")

    assert resolve_secret(SecretRef(credential="key")) == Path("/run/credentials/sealdrop.service/key")


@pytest.mark.parametrize("value", [None, ""], ids=["not set", "empty"])
def test_a_credential_without_a_service_manager_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if value is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", value)

    with pytest.raises(ConfigurationError, match="CREDENTIALS_DIRECTORY is not set") as caught:
        resolve_secret(SecretRef(credential="key"))

    assert caught.value.problems[0].path == "credential key"
    assert "LoadCredential=" in caught.value.problems[0].hint
