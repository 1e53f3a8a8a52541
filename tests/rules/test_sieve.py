"""The sieve misses no second key, suspects few first ones, and stays within its memory; the verdict is then exact."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Verdict
from sealdrop.rules import sieve as module
from sealdrop.rules.engine import check
from sealdrop.rules.identifiers import OwnIds, own_ids
from sealdrop.rules.sieve import LEAST_SLOTS, MOST_DOUBTFUL, MOST_SLOTS, Sieve
from support.rule_cases import OWN, REQUEST, U1, U2, Sample, adt, eq, profile, srvs

_HASHES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=300)


@settings(max_examples=200)
@given(_HASHES, st.data())
def test_every_hash_that_came_before_is_doubtful(hashes: list[int], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(hashes), unique=True)) if hashes else []
    sieve = Sieve(0)
    sieve.sift(hashes)
    sieve.sift(again)

    assert set(again) <= sieve.doubtful


def test_few_are_doubted_that_came_once() -> None:
    chance = random.Random(7)
    sieve = Sieve(4_000_000)
    sieve.sift(chance.getrandbits(64) - 2**63 for _ in range(100_000))  # forty bytes for each row, as an ADT File has

    assert len(sieve.doubtful) < 5
    assert not sieve.overflowed


def test_a_full_sieve_says_so_and_grows_no_further() -> None:
    chance = random.Random(7)
    sieve = Sieve(0)
    sieve.sift(chance.getrandbits(64) - 2**63 for _ in range(MOST_DOUBTFUL * 3))

    assert sieve.overflowed
    assert len(sieve.doubtful) == MOST_DOUBTFUL + 1


@pytest.mark.parametrize(
    ("size", "share", "slots"),
    [(0, 1, LEAST_SLOTS), (1_000_000, 1, 1 << 19), (1 << 40, 1, MOST_SLOTS), (1 << 40, 2, MOST_SLOTS // 2)],
)
def test_the_table_is_as_large_as_the_file_within_bounds(size: int, share: int, slots: int) -> None:
    assert len(Sieve(size, share)._table) == slots  # noqa: SLF001 - its memory is the promise


# --- what follows for a verdict -----------------------------------------------------------------------------------


class Readings:
    """Counts how often a file is read."""

    def __init__(self, data: bytes) -> None:
        self.count = 0
        self._data = data

    def __call__(self) -> Iterable[bytes]:
        self.count += 1
        return [self._data]

    def judge(self, kind: str = "adt") -> Verdict:
        return check(
            profile=profile(kind), srvs=srvs(), own=own_ids(OWN), chunks=self, file_name="a.csv",
            size=len(self._data), block_bytes=64,
        )  # fmt: skip


def test_a_file_without_a_second_key_is_read_once() -> None:
    for sample, kind in (
        (adt(*(f"{U1},{srv},1,2" for srv in sorted(srvs().variants))), "adt"),
        (eq(*(f"{number},{REQUEST},DELETE" for number in range(200))), "exit-quarantine"),
    ):
        readings = Readings(sample.data)

        assert readings.judge(kind).findings == ()
        assert readings.count == 1


def test_a_file_with_a_second_key_is_read_twice_and_says_where() -> None:
    rows = [f"{U1},{srv},1,2" for srv in sorted(srvs().variants)]
    readings = Readings(adt(*rows, rows[3].replace("1,2", "5,6")).data)
    verdict = readings.judge()

    assert [(item.rule, item.line) for item in verdict.findings] == [("row.duplicate-key", len(rows) + 2)]
    assert "as line 5" in verdict.findings[0].message
    assert readings.count == 2


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([U1, U2]), st.sampled_from(["7.1", "7.10", "1.5"])), max_size=12))
def test_what_two_readings_find_is_what_a_plain_walk_finds(keys: list[tuple[str, str]]) -> None:
    expected = []
    for place, (user, srv) in enumerate(keys):
        before = keys[:place]
        if (user, srv) in before:
            lost = srv == "7.1" and (user, "7.10") not in before
            expected.append(("sheet.doubled-srv" if lost else "row.duplicate-key", place + 2))
    verdict = Readings(adt(*(f"{user},{srv},1,2" for user, srv in keys)).data).judge()

    assert expected == [(item.rule, item.line) for item in verdict.findings if item.rule != "row.too-few"]


def test_a_key_that_cannot_be_read_is_compared_with_none() -> None:
    decided = eq(f"x,{REQUEST},DELETE", f"x,{REQUEST},DELETE", f"1,{REQUEST},DELETE", f"1,{REQUEST},DELETE")
    rows = [f"nobody,{srv},1,2" for srv in ("7.1", "7.1", "1.5")]

    assert [(item.rule, item.line) for item in decided.judged().findings] == [
        ("id.event-reference", 2), ("id.event-reference", 3), ("eq.duplicate", 5),
    ]  # fmt: skip
    assert [(item.rule, item.line) for item in adt(*rows, f"{U1},7.1,1,2", f"{U1},7.1,1,2").judged().findings] == [
        ("id.user-id", 2), ("id.user-id", 3), ("id.user-id", 4), ("sheet.doubled-srv", 6),
    ]  # fmt: skip


def test_a_key_and_the_decisions_of_one_file_are_both_compared() -> None:
    changes = {"columns/reference/key": True, "reference/source": "none"}
    header = "quarantine_event_ref,request_id,action,reference"
    sample = eq(f"1,{REQUEST},DELETE,a", f"2,{REQUEST},DELETE,a", f"1,{REQUEST},DELETE,b", header=header)
    verdict = Sample(data=sample.data, kind=sample.kind, changes=changes).judged()

    assert [(item.rule, item.line) for item in verdict.findings] == [("row.duplicate-key", 3), ("eq.duplicate", 4)]


def test_keys_that_cannot_all_be_compared_are_never_taken_for_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DOUBTFUL", 1)
    rows = [f"{U1},{srv},1,2" for srv in ("1.5", "1.6", "7.1")]

    def chunks() -> Iterator[bytes]:
        yield adt(*rows, *rows).data

    verdict = check(
        profile=profile(), srvs=srvs(), own=OwnIds(), chunks=chunks, file_name="a.csv", size=1, block_bytes=64
    )

    assert verdict.rejected
    assert "row.too-many" in {item.rule for item in verdict.findings}
