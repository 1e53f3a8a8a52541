"""The journal: one documented line kind per event, and nothing that comes from outside can bend a line."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.journal import LINES, LogJournal, sentence
from sealdrop.adapters.journal.log import MAX_NOTICE
from sealdrop.adapters.journal.wording import COMMON, said
from sealdrop.core import events as ev
from sealdrop.core.lifecycle import Record
from sealdrop.ports.ledger import AGENT_STREAM, Committed
from support import lifecycles as lc
from support.waiting import wait_until

AGENT_SAMPLES: tuple[ev.AgentEvent, ...] = (
    ev.AgentStarted(version="1.0", environment="live", settings_sha256="ab" * 32, open_submissions=2),
    ev.AgentStopped(reason="SIGTERM"),
    ev.ConfigurationReloaded(settings_sha256="cd" * 32),
    ev.RouteStopped(route="relay", reason="the host key changed"),
    ev.RouteResumed(route="relay", by="uid 1000"),
    ev.NameLeftAlone(outbox="adt", file_name="-x.csv", reason="begins with a dash"),
    ev.ReportAdded(sha256="ef" * 32, name="report.csv", rows=3, by="uid 1000"),
)
RECORD = lc.after(lc.claimed(), lc.accepted(), lc.SEALED, lc.started())


def committed(event: ev.Event | ev.AgentEvent, record: Record = RECORD) -> Committed:
    of_agent = isinstance(event, ev.AgentEvent)
    return Committed(
        sequence=7,
        stream=AGENT_STREAM if of_agent else lc.ID,
        at=lc.NOON,
        event=event,
        record=None if of_agent else record,
    )


class Written:
    """Both ends of a pipe: a journal at one, its lines at the other."""

    def __init__(self, *, priorities: bool = False) -> None:
        self.reading, self.writing = os.pipe()
        self.journal = LogJournal(self.writing, priorities=priorities)

    def lines(self) -> list[bytes]:
        os.set_blocking(self.reading, False)
        data = b""
        while True:
            try:
                chunk = os.read(self.reading, 1 << 16)
            except BlockingIOError:
                return data.splitlines(keepends=True)
            if not chunk:
                return data.splitlines(keepends=True)
            data += chunk

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def written() -> Iterator[Written]:
    with closing(Written()) as pipe:
        yield pipe


def parsed(line: bytes) -> tuple[str, dict[str, str]]:
    """Read a line back, as a program of an operator would."""
    text, _, rest = line.decode("ascii").rstrip("\n").partition(" | ")
    found = re.findall(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)', rest)
    assert " ".join(f"{key}={value}" for key, value in found) == rest, rest
    return text, {key: json.loads(value) if value.startswith('"') else value for key, value in found}


def test_every_event_has_a_documented_line() -> None:
    assert set(LINES) == {*ev.EVENT_TYPES.values(), *ev.AGENT_EVENT_TYPES.values()}
    assert len({line.sentence for line in LINES.values()}) == len(LINES)
    assert {type(event) for event in (*lc.SAMPLES, *AGENT_SAMPLES)} == set(LINES), "the samples below leave none out"


@pytest.mark.parametrize("event", [*lc.SAMPLES, *AGENT_SAMPLES], ids=lambda event: type(event).__name__)
def test_a_line_has_the_fields_its_documentation_says_in_that_order(event: ev.Event | ev.AgentEvent) -> None:
    common = COMMON[:1] if isinstance(event, ev.AgentEvent) else COMMON

    assert tuple(said(committed(event))) == common + LINES[type(event)].fields


def test_a_delivery_reads_like_this(written: Written) -> None:
    written.journal.committed(committed(lc.delivered(), lc.after(lc.claimed(), lc.accepted(), lc.SEALED, lc.started(),
                                                                 lc.commit(), lc.delivered())))  # fmt: skip

    assert written.lines() == [
        b"delivered | event=LegDelivered submission=01m86ptpg00000000000000001 kind=adt file=thresholds.csv "
        b"state=delivered leg=main route=to-main attempt=1 transport=sftp proof=digest outcome=sent "
        b"location=sftp://relay/in/thresholds.pgp bytes=20 sha256=" + b"cd" * 32 + b"\n"
    ]


def test_a_deferral_says_until_when_and_why(written: Written) -> None:
    written.journal.committed(committed(lc.deferred(certain=False)))

    text, found = parsed(written.lines()[0])
    assert text == "deferred"
    assert found["not_before"] == "2026-11-24T12:01:00Z"
    assert (found["certain"], found["reason"]) == ("no", "connection lost")


def test_findings_appear_as_rule_names_without_their_excerpts(written: Written) -> None:
    secret = replace(lc.FINDING, excerpt="90-B3-D5-1F-30-01-00-00", message="row says 4711")
    written.journal.committed(committed(replace(lc.REJECTED, findings=(secret, secret))))

    line = written.lines()[0]
    assert b"findings=2 suppressed=2 rules=adt.example" in line
    assert b"90-B3" not in line
    assert b"4711" not in line


def test_a_notice_says_what_it_is_about(written: Written) -> None:
    written.journal.notice("incident", "the relay does not answer", urgent=True, subject="relay", minutes=5)

    assert written.lines() == [b"the relay does not answer | notice=incident subject=relay minutes=5\n"]


@pytest.mark.parametrize(
    "name",
    [
        "a\nforged | event=LegDelivered",
        'quote" event="LegDelivered',
        "back\\",
        "\x1b[31mred\x7f\r",
        "\udcff.csv",
        "\u202egpj.csv",
        "| event=LegDelivered",
        "",
        "\U0001f4a5" * 5000,
        "<0>emergency",
    ],
)
def test_no_name_or_reason_can_bend_a_line(written: Written, name: str) -> None:
    event = ev.NameLeftAlone(outbox="adt", file_name=name, reason=name)
    written.journal.committed(committed(event))
    written.journal.notice("incident", name, subject=name)

    event_line, *notice_lines = written.lines()
    for line in (event_line, *notice_lines):
        assert len(line) <= 4096
        assert all(0x20 <= byte < 0x7F for byte in line[:-1]), line
    assert parsed(event_line)[1]["event"] == "NameLeftAlone"
    assert notice_lines
    assert all("event" not in parsed(line)[1] for line in notice_lines)
    assert parsed(event_line)[1]["file"] == (name if len(name) <= 256 else name[:256] + "...")


def bent(value: Any, text: str) -> Any:  # noqa: ANN401 - any event, by its fields
    """Return a value of ours with every text in it replaced."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(bent(item, text) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: bent(getattr(value, field.name), text) for field in fields(value)}
        return replace(value, **{name: new for name, new in changed.items() if not isinstance(new, datetime)})
    return value


@given(event=st.sampled_from([*lc.SAMPLES, *AGENT_SAMPLES]), text=st.text(st.characters()))
def test_whatever_texts_an_event_carries_its_line_can_be_read_back(event: ev.Event | ev.AgentEvent, text: str) -> None:
    hostile = bent(event, text)
    record = replace(RECORD, legs=tuple(replace(leg, name=text, route=text, transport=text) for leg in RECORD.legs))
    with closing(Written()) as pipe:
        pipe.journal.committed(committed(hostile, bent_submission(record, text)))
        (line,) = pipe.lines()

    assert line.isascii()
    assert len(line) <= 4096
    text_part, found = parsed(line)
    assert text_part == sentence(committed(event))
    assert found["event"] == type(event).__name__


def bent_submission(record: Record, text: str) -> Record:
    return replace(record, submission=replace(record.submission, file_name=text, kind=text))


def test_a_line_too_long_says_that_it_was_cut(written: Written) -> None:
    event = replace(
        lc.SEALED, seal=replace(lc.SEAL, recipients=("\x00" * 256,), engine="\x00" * 256, signer="\x00" * 256)
    )
    written.journal.committed(committed(event))

    (line,) = written.lines()
    assert line.endswith(b" cut=yes\n")
    assert len(line) <= 4096


def test_a_long_notice_goes_on_over_lines_and_nothing_of_it_is_missing(written: Written) -> None:
    values = json.dumps({f"table {number}": "\u00e9|value" for number in range(300)}, ensure_ascii=False)
    written.journal.notice("configuration", values, urgent=True, settings_sha256="ab" * 32)

    lines = written.lines()
    assert 1 < len(lines) < 10
    assert all(len(line) <= 4096 for line in lines)
    found = [parsed(line) for line in lines]
    assert "".join(json.loads(f'"{text}"') for text, _ in found) == values
    for number, (_, fields_of_line) in enumerate(found, 1):
        part = f"{number}/{len(lines)}"
        assert fields_of_line == {"notice": "configuration", "part": part, "settings_sha256": "ab" * 32}


def test_a_notice_has_a_bound_and_says_that_it_was_ended(written: Written) -> None:
    written.journal.notice("incident", "\U0001f4a5" * 100_000, subject="\x00" * 1000)

    lines = written.lines()
    text = "".join(parsed(line)[0] for line in lines)
    assert MAX_NOTICE - 12 < len(text) <= MAX_NOTICE + len("...")
    assert text.endswith("...")
    assert all(len(line) <= 4096 for line in lines)


def test_the_text_of_an_event_never_goes_on(written: Written) -> None:
    written.journal.committed(committed(ev.NameLeftAlone(outbox="adt", file_name="x" * 9000, reason="y" * 9000)))

    (line,) = written.lines()
    assert len(line) < 1000


def notices(journal: LogJournal, count: int) -> None:
    for number in range(count):
        journal.notice("sweep", "x" * 200, number=number)


def test_a_reader_who_does_not_read_costs_lines_but_no_time(written: Written) -> None:
    writer = threading.Thread(target=notices, args=(written.journal, 2000))
    writer.start()
    writer.join(timeout=20)
    assert not writer.is_alive(), "a full pipe must not block"

    first = written.lines()
    written.journal.notice("sweep", "back")
    told, back = written.lines()
    assert parsed(told)[1] == {"notice": "lines-lost", "lines": str(2000 - len(first))}
    assert parsed(back)[0] == "back"


def test_a_reader_who_is_gone_costs_nothing_but_lines() -> None:
    reading, writing = os.pipe()
    journal = LogJournal(writing)
    os.close(reading)
    journal.notice("sweep", "nobody reads this")
    os.close(writing)
    LogJournal(999_999).notice("sweep", "nor this, where nothing is open")


def test_lines_of_many_threads_do_not_mix(written: Written) -> None:
    got: list[bytes] = []
    threads = [threading.Thread(target=notices, args=(written.journal, 50)) for _ in range(4)]
    for thread in threads:
        thread.start()

    def over() -> bool:
        got.extend(written.lines())
        return not any(thread.is_alive() for thread in threads)

    wait_until(over, what="the end of four threads")
    got.extend(written.lines())
    assert sum(line.startswith(b"x" * 200 + b" | notice=sweep number=") for line in got) == len(got) == 200


def test_journald_gets_priorities_and_a_terminal_does_not() -> None:
    with closing(Written(priorities=True)) as pipe:
        pipe.journal.committed(committed(lc.gave_up()))
        pipe.journal.committed(committed(lc.started()))
        pipe.journal.notice("stop", "late", urgent=True)
        pipe.journal.notice("sweep", "done")
        assert [line[:3] for line in pipe.lines()] == [b"<3>", b"<6>", b"<3>", b"<6>"]

        stat = os.fstat(pipe.writing)
        for stream, expected in ((f"{stat.st_dev}:{stat.st_ino}", b"<"), ("1:2", b"d"), ("", b"d")):
            LogJournal(pipe.writing, environment={"JOURNAL_STREAM": stream}).notice("sweep", "done")
            assert pipe.lines()[0][:1] == expected
