"""Copying a ledger while its agent commits all the time: the copy ends, and it is whole."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sealdrop.adapters.ledger import SqliteLedger, store, verify
from sealdrop.core.events import NameLeftAlone
from sealdrop.ports.ledger import AGENT_STREAM, Entry
from support.manual_clock import ManualClock


def busy(number: int) -> Entry:
    return Entry(
        stream=AGENT_STREAM, event=NameLeftAlone(outbox="adt", file_name=f"{number}", reason="is a link " * 40)
    )


def test_a_busy_writer_cannot_keep_a_verification_from_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BACKUP_PAGES", 1)  # a large ledger, in small
    path = tmp_path / "ledger.sqlite"
    end = threading.Event()
    with SqliteLedger.open(path, ManualClock()) as ledger:
        ledger.append(*(busy(number) for number in range(500)))

        def work() -> None:
            number = 0
            while not end.is_set():
                ledger.append(busy(number := number + 1))

        writer = threading.Thread(target=work)
        writer.start()
        try:
            report = verify(path)
        finally:
            end.set()
            writer.join()

    assert report.ok
    assert report.rows >= 500
