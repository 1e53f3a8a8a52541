"""The order book: who waits for whom, and how little it costs to find out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Leg, Record
from sealdrop.core.order import OrderPolicy
from sealdrop.core.submission import SubmissionId, make_id
from sealdrop.flow.order_book import OrderBook, Passage
from support import lifecycles as lc

CLEAR = Passage()
SEALED = (lc.claimed(), lc.accepted(), lc.SEALED)
DEFERRED = (*SEALED, lc.started(), lc.deferred())
IN_DOUBT = (*SEALED, lc.started(), lc.commit(), lc.deferred(certain=False))


def number(n: int) -> SubmissionId:
    return make_id(lc.NOON, n)


def make(n: int, *history: ev.Event, keys: Iterable[str] = ("k",), kind: str = "adt") -> Record:
    """Return a record with the n-th id; ``SEALED`` unless told otherwise."""
    record = lc.after(*(history or SEALED))
    submission = replace(record.submission, id=number(n), kind=kind)
    known = () if record.state.value == "claimed" else tuple(keys)
    return replace(record, submission=submission, ordering_keys=known)


class Book:
    """An order book with the records it was given; those in ``going`` could go this instant."""

    def __init__(self, *records: Record, policy: OrderPolicy = OrderPolicy.SUPERSEDE) -> None:
        self.order = OrderBook()
        self.policy = policy
        self.records: dict[SubmissionId, Record] = {}
        self.going: set[SubmissionId] = set()
        self.asked = 0
        for record in records:
            self.enter(record)

    def enter(self, record: Record) -> None:
        self.records[record.submission.id] = record
        self.order.enter(record)

    def leave(self, n: int) -> None:
        self.order.leave(self.records.pop(number(n)))

    def passage(self, n: int, leg: Leg | None = None) -> Passage:
        record = self.records[number(n)]
        return self.order.passage(record, leg or record.legs[0], self.policy, self._look_up, self._can_go)

    def _look_up(self, one: SubmissionId) -> Record | None:
        self.asked += 1
        return self.records.get(one)

    def _can_go(self, record: Record) -> bool:
        return record.submission.id in self.going


def test_the_nearest_older_one_is_waited_for() -> None:
    book = Book(make(1), make(2), make(3), policy=OrderPolicy.CLAIM_ORDER)

    assert book.passage(3) == Passage(blocker=number(2))
    assert book.passage(2) == Passage(blocker=number(1))
    assert book.passage(1) == CLEAR


def test_what_cannot_go_is_superseded_all_at_once_and_each_once() -> None:
    both = ("k", "l")
    book = Book(make(1, *DEFERRED, keys=both), make(2, *DEFERRED, keys=both), make(3, keys=both))

    assert book.passage(3) == Passage(supersede=(number(1), number(2)))


def test_an_older_ready_one_goes_before_anything_is_superseded() -> None:
    book = Book(make(1), make(2, *DEFERRED), make(3))
    book.going = {number(1)}

    assert book.passage(3) == Passage(blocker=number(1))


def test_a_kind_without_order_asks_nobody() -> None:
    book = Book(make(1), make(2), policy=OrderPolicy.NONE)

    assert book.passage(2) == CLEAR
    assert book.asked == 0


def test_kinds_and_keys_do_not_meet() -> None:
    book = Book(make(1, kind="other"), make(2, keys=("l",)), make(3), policy=OrderPolicy.CLAIM_ORDER)

    assert book.passage(3) == CLEAR


def test_one_whose_keys_are_unknown_stops_its_kind() -> None:
    book = Book(make(1, lc.claimed()), make(2), make(3, kind="other"))

    assert book.passage(2) == Passage(blocker=number(1))
    assert book.passage(3) == CLEAR


def test_one_whose_bytes_are_being_read_stops_its_kind_until_that_is_over() -> None:
    book = Book(make(2))
    book.order.expect(number(1), "adt")

    assert book.passage(2) == Passage(blocker=number(1))
    book.order.expect_no_more(number(1), "adt")
    book.order.expect_no_more(number(1), "adt")
    assert book.passage(2) == CLEAR


def test_one_held_before_its_keys_are_known_is_passed() -> None:
    book = Book(make(1, lc.claimed(), lc.held()), make(2))

    assert book.passage(2) == CLEAR


def test_a_newer_one_under_way_is_waited_for() -> None:
    book = Book(make(1), make(2))
    book.order.start(book.records[number(2)])

    assert book.passage(1) == Passage(blocker=number(2))


def test_a_newer_one_in_doubt_is_waited_for_because_it_may_be_visible() -> None:
    book = Book(make(1), make(2, *IN_DOUBT))

    assert book.passage(1) == Passage(blocker=number(2))


def test_what_is_in_doubt_waits_for_nobody_because_settling_shows_nothing() -> None:
    book = Book(make(1), make(2, *IN_DOUBT), policy=OrderPolicy.CLAIM_ORDER)

    assert book.passage(2) == CLEAR


def test_another_leg_of_what_is_in_doubt_waits_all_the_same() -> None:
    book = Book(make(1), make(2, *IN_DOUBT), policy=OrderPolicy.CLAIM_ORDER)

    assert book.passage(2, Leg(name="second", route="to-second")) == Passage(blocker=number(1))


def test_once_it_has_left_it_is_in_nobodys_way() -> None:
    book = Book(make(1, *IN_DOUBT), make(2))
    assert book.passage(2) == Passage(blocker=number(1))

    book.leave(1)

    assert book.passage(2) == CLEAR


def test_what_was_superseded_is_in_nobodys_way() -> None:
    superseded = make(2, *IN_DOUBT, lc.held(HoldReason.UNKNOWN_OUTCOME), lc.SUPERSEDED)
    book = Book(make(1), superseded, make(3))
    book.going = {number(1)}

    assert book.passage(1) == CLEAR
    assert book.passage(3) == Passage(blocker=number(1))


def test_the_newest_before_another_is_found_by_key_whatever_came_after() -> None:
    book = Book(make(1), make(2, keys=("l",)), make(3), make(4), make(5, lc.claimed()))

    assert book.order.newest("adt", ("k",), number(4)) == number(3)
    assert book.order.newest("adt", ("k", "l"), number(3)) == number(2)
    assert book.order.newest("adt", ("k",), number(1)) is None
    assert book.order.newest("other", ("k",), number(9)) is None


def test_those_not_judged_yet_are_found_between_two_others() -> None:
    book = Book(*(make(n, lc.claimed()) for n in (1, 2, 3, 4)))

    assert book.order.unjudged("adt", number(1), number(4)) == [number(2), number(3)]
    assert book.order.unjudged("other", number(1), number(4)) == []


def test_what_landed_in_part_is_remembered_until_it_leaves() -> None:
    landed = (lc.started(), lc.commit(), lc.delivered())
    part = make(2, lc.claimed(), lc.accepted("main", "second"), lc.SEALED, *landed)
    book = Book(make(1), part)

    assert book.order.newest_landed("adt", ("k",)) == number(2)
    book.leave(2)
    assert book.order.newest_landed("adt", ("k",)) is None


def test_entering_and_leaving_leaves_nothing_behind() -> None:
    records = [make(n, *history) for n, history in enumerate((SEALED, DEFERRED, IN_DOUBT, (lc.claimed(),)), 1)]
    book = Book(*records)

    for n in range(1, 5):
        book.leave(n)

    assert vars(book.order) == {name: {} for name in ("_unjudged", "_decided", "_keyed", "_ahead", "_landed")}


@pytest.mark.parametrize("policy", [OrderPolicy.SUPERSEDE, OrderPolicy.CLAIM_ORDER])
def test_a_chain_of_a_thousand_with_one_key_costs_one_question_each(policy: OrderPolicy) -> None:
    book = Book(*(make(n) for n in range(1, 1001)), policy=policy)
    book.going = set(book.records)

    for n in range(1000, 0, -1):
        book.passage(n)

    assert book.asked == 999
