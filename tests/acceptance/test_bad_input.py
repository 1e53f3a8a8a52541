"""What bad input gets: one clear reason, a place where it lies, and no effect on anything else."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support.house import LONG_PAUSES, House, adt_file, user_id
from support.openings import Openings

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]

SECRET = b"SECRET-MARKER-4711"
OFTEN = {"agent.sweep_seconds": 0.2}


def all_bytes_below(*folders: Path) -> bytes:
    """Return the bytes of every regular file below some folders, through no link."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return b"\0".join(path.read_bytes() for path in files)


def test_what_is_no_file_is_left_alone_with_one_reason_and_never_read(make_house: MakeHouse) -> None:
    house = make_house(OFTEN)
    outside = house.folder / "outside"
    outside.mkdir()
    secret = outside / "secret.csv"
    secret.write_bytes(adt_file(user_id(666)) + SECRET)
    linked = house.folder / "linked.csv"
    linked.write_bytes(adt_file(user_id(667)) + SECRET)
    outbox = house.outbox()
    (outbox / "link.csv").symlink_to(secret)
    (outbox / "dangling.csv").symlink_to(house.folder / "nowhere")
    (outbox / "link_to_folder.csv").symlink_to(outside)
    (outbox / "hard.csv").hardlink_to(linked)
    os.mkfifo(outbox / "fifo.csv")
    (outbox / "folder.csv").mkdir()
    (outbox / "folder.csv" / "inside.csv").write_bytes(SECRET)
    (outbox / "unreadable.csv").write_bytes(adt_file(user_id(668)) + SECRET)
    (outbox / "unreadable.csv").chmod(0)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(outbox / "socket.csv"))
    reasons = {
        "link.csv": "it is a symbolic link",
        "dangling.csv": "it is a symbolic link",
        "link_to_folder.csv": "it is a symbolic link",
        "hard.csv": "it has 2 names (hard links)",
        "fifo.csv": "it is a named pipe",
        "folder.csv": "it is a folder",
        "unreadable.csv": "we may not read it: it belongs to uid",
        "socket.csv": "it is a socket",
    }

    with Openings(secret) as openings:
        house.start(powerless=True)
        house.drop("adt", "good.csv", adt_file())
        house.wait_filed(1)
        for name in reasons:
            house.wait_line(event="NameLeftAlone", file=name)
        house.drop("adt", "again.csv", adt_file(user_id(1)))  # nothing is said or done at further looks
        house.wait_filed(2)
        assert openings.by_others() == 0

    house.assert_delivered_once({"good.csv": adt_file(), "again.csv": adt_file(user_id(1))})
    said = {line["file"]: line["reason"] for line in house.lines(event="NameLeftAlone")}
    assert len(house.lines(event="NameLeftAlone")) == len(reasons)
    assert {name: said[name].startswith(reason) for name, reason in reasons.items()} == dict.fromkeys(reasons, True)
    assert sorted(path.name for path in outbox.iterdir()) == sorted(reasons)
    ours = [house.root / name for name in ("work", "sent", "failed", "results", "ledger", "status")]
    assert SECRET not in all_bytes_below(*ours, house.far.inbox)
    assert SECRET.decode() not in house.said()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("clear\x1b[2Jscreen.csv", "U+001B", id="a control character"),
        pytest.param("two\nlines.csv", "U+000A", id="a line end"),
        pytest.param("gpj.\u202evsc", "U+202E", id="text that runs backwards"),
        pytest.param("not-utf8-\udcff.csv", "is not valid UTF-8", id="bytes that are no text"),
        pytest.param("-rf.csv", "begins with -", id="an option"),
    ],
)
def test_a_dangerous_name_is_left_alone_and_shown_escaped(make_house: MakeHouse, name: str, reason: str) -> None:
    house = make_house(OFTEN)
    (house.outbox() / name).write_bytes(adt_file())
    house.start()
    house.drop("adt", "good.csv", adt_file())
    house.wait_filed(1)

    (line,) = house.lines(event="NameLeftAlone")
    assert reason in line["reason"]
    assert "Drop it again under a plain name" in line["reason"]
    assert all(" " <= char <= "~" or char == "\n" for char in house.said())
    assert (house.outbox() / name).read_bytes() == adt_file()


def test_an_oversized_file_is_set_aside_uncopied(make_house: MakeHouse) -> None:
    house = make_house({"kinds.adt.max_bytes": 4096})
    house.start()
    house.drop("adt", "huge.csv", adt_file() + SECRET * 4096)
    house.drop("adt", "good.csv", adt_file())
    house.wait_filed(1, failed=1)

    house.assert_delivered_once({"good.csv": adt_file()})
    (line,) = house.lines(event="SetAside")
    assert "4096" in line["reason"]
    filed = house.filed_as("failed", "huge.csv")
    assert (filed / "dropped" / "huge.csv").read_bytes() == adt_file() + SECRET * 4096
    assert not (filed / "content").exists()
    report = (filed / "report.txt").read_text()
    assert report.startswith("SET-ASIDE: huge.csv\n")
    assert "What to do: " in report
    (result,) = [one for one in house.results() if one["file_name"] == "huge.csv"]
    assert (result["outcome"], result["sha256"]) == ("failed", "")


def test_what_is_half_written_waits_and_holds_up_nobody(make_house: MakeHouse) -> None:
    house = make_house({**OFTEN, "outboxes.adt.alarm_seconds": 1.0, "outboxes.adt.quiet_seconds": 3600.0})
    for name in ("half.csv.part", "half.csv.tmp", ".hidden.csv"):
        (house.outbox() / name).write_bytes(adt_file()[:30])
    (house.outbox() / "empty.csv").touch()
    house.start()
    house.drop("adt", "good.csv", adt_file())
    house.wait_filed(1)
    house.assert_delivered_once({"good.csv": adt_file()})
    # Forgotten ones are told of, once, and wait on.
    for name in ("half.csv.part", "half.csv.tmp", ".hidden.csv"):
        assert "has not changed for long" in house.wait_line(event="NameLeftAlone", file=name)["reason"]
    house.wait_line(notice="incident", subject="outbox adt: 'empty.csv'")
    left = sorted(path.name for path in house.outbox().iterdir())
    assert left == [".hidden.csv", "empty.csv", "half.csv.part", "half.csv.tmp"]

    (house.outbox() / "half.csv.part").write_bytes(adt_file(user_id(1)))
    (house.outbox() / "half.csv.part").rename(house.outbox() / "half.csv")
    house.wait_line(event="Filed", file="half.csv")


def test_wrong_content_is_rejected_with_a_report_that_says_where_and_what_to_do(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    bad = adt_file(warning=1000, quarantine=800) + f"{user_id(1)[:-1]},7.4,40,50\n".encode()
    house.drop("adt", "bad.csv", bad)
    house.drop("adt", "good.csv", adt_file())
    house.wait_filed(1, failed=1)

    house.assert_delivered_once({"good.csv": adt_file()})
    filed = house.filed_as("failed", "bad.csv")
    assert (filed / "bad.csv").read_bytes() == bad
    findings = json.loads((filed / "report.json").read_text())["findings"]
    rejecting = [(one["rule"], one["line"], one["column"]) for one in findings if one["severity"] == "reject"]
    assert rejecting == [
        ("adt.warning-above-quarantine", 2, "warning_threshold"),
        ("id.user-id", 3, "user_id"),
    ]
    text = (filed / "report.txt").read_text()
    assert text.startswith("REJECTED: bad.csv\n")
    for rule, line, column in rejecting:
        assert f"Line {line}, row {line - 1}, column {column}: " in text
        assert f"Rule {rule} " in text
    assert text.count("What to do: ") == len(findings)
    (told,) = (house.root / "results" / "adt").glob("bad.csv.*.report.txt")
    assert told.read_text() == text
    assert "sealed" not in {path.name for path in filed.iterdir()}
    shown = house.run("show", house.listed()["bad.csv"]["submission"]).stdout
    assert "adt.warning-above-quarantine" in shown


@pytest.mark.parametrize("policy", ["hold", "file", "send"])
def test_the_same_name_again_never_overwrites_whatever_it_holds(make_house: MakeHouse, policy: str) -> None:
    house = make_house({"kinds.adt.duplicates": policy})
    house.start()
    first, other = adt_file(warning=700), adt_file(warning=800)
    house.drop("adt", "ADT.csv", first)
    house.wait_line(event="Filed", count=1)
    house.drop("adt", "ADT.csv", first)
    expected = {"hold": "DuplicateOf", "file": "DuplicateOf", "send": "LegDelivered"}[policy]
    line = house.wait_line(event=expected, count=2 if policy == "send" else 1)
    house.drop("adt", "ADT.csv", other)
    house.wait_line(event="LegDelivered", count=3 if policy == "send" else 2)
    house.wait_line(event="Filed", count=2 if policy == "hold" else 3)

    contents = sorted(house.open_delivered(path).plaintext for path in house.delivered_as("ADT.csv"))
    assert contents == sorted([first, first, other] if policy == "send" else [first, other])
    kept = sorted((path / "ADT.csv").read_bytes() for path in house.filed("sent").values())
    assert kept == contents
    rows = house.ask("list")["submissions"]
    assert len(rows) == len({row["submission"] for row in rows}) == 3
    repeated = rows[1]
    if policy == "hold":
        assert repeated["held"] == ["duplicate"]
        assert line["original"] == rows[2]["submission"]
    if policy == "file":
        assert repeated["state"] == "failed"
        report = (house.filed_as("failed", "ADT.csv") / "report.txt").read_text()
        assert rows[2]["submission"] in report
        assert sorted(one["outcome"] for one in house.results()) == ["failed", "sent", "sent"]


def test_a_full_disk_stops_claims_until_there_is_room(make_house: MakeHouse) -> None:
    """Room is taken from the real disk by a file that has its blocks and no content."""
    house = make_house({**OFTEN, **LONG_PAUSES})
    free = os.statvfs(house.folder)
    room = free.f_bavail * free.f_frsize
    taken = min(4 << 30, room // 2)
    ballast = house.folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, taken)
    house.configure({"agent.free_space_reserve_bytes": room - taken // 2})
    house.start()
    house.drop("adt", "waits.csv", adt_file())
    line = house.wait_line(notice="incident", subject="free space for adt")

    assert "nothing is claimed" in line["said"]
    status = house.ask("status")
    assert status["outboxes"]["adt"] == 1
    (incident,) = status["incidents"]
    assert "'waits.csv'" in incident["text"]
    assert "Free some space under the root; claims resume alone" in incident["text"]
    assert (house.outbox() / "waits.csv").exists()
    assert not house.open()

    ballast.unlink()
    house.wait_filed(1)
    house.assert_delivered_once({"waits.csv": adt_file()})
    assert house.ask("status")["incidents"] == []
    assert house.lines(notice="incident-over", subject="free space for adt")
