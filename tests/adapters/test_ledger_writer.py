"""Group commit: who waits, who is answered with what, and that nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from sealdrop.adapters.ledger.rows import encode
from sealdrop.adapters.ledger.writer import GROUP, GroupWriter, Request
from sealdrop.core.errors import Refused, StaleTransition, StorageFailure
from sealdrop.ports.ledger import AGENT_STREAM, Committed, Entry
from support import lifecycles as lc
from support.ledgers import RESUMED
from support.waiting import wait_until

Answer = Sequence[Committed] | Refused


def request() -> Request:
    return Request(entries=(Entry(stream=AGENT_STREAM, event=RESUMED),), encoded=(encode(RESUMED),))


def committed(number: int) -> Committed:
    return Committed(sequence=number, stream=AGENT_STREAM, at=lc.NOON, event=RESUMED, record=None)


class Disk:
    """Commits groups when it is let, and keeps how large they were; or fails with what it is given."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.may_go_on = threading.Event()
        self.sizes: list[int] = []
        self.refuse_every = 0
        self._failure = failure

    def commit(self, requests: Sequence[Request]) -> Sequence[Answer]:
        self.sizes.append(len(requests))
        assert self.may_go_on.wait(10)
        if self._failure is not None:
            raise self._failure
        answers: list[Answer] = [[committed(place)] for place, _ in enumerate(requests)]
        if self.refuse_every:
            answers[:: self.refuse_every] = [StaleTransition("moved on") for _ in answers[:: self.refuse_every]]
        return answers


class Callers:
    """Threads that append once each and keep what became of it."""

    def __init__(self, writer: GroupWriter, count: int) -> None:
        self.outcomes: list[str] = []
        self._writer = writer
        self._threads = [threading.Thread(target=self._append) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _append(self) -> None:
        try:
            self._writer.append(request())
        except (Refused, StorageFailure) as error:
            self.outcomes.append(type(error).__name__)
        else:
            self.outcomes.append("durable")

    def finish(self) -> list[str]:
        for thread in self._threads:
            thread.join(timeout=10)
        assert not any(thread.is_alive() for thread in self._threads), "somebody is left waiting"
        return sorted(self.outcomes)


def test_who_comes_during_a_commit_shares_the_next_one() -> None:
    disk = Disk()
    writer = GroupWriter(disk.commit, "ledger")
    first = Callers(writer, 1)
    wait_until(lambda: disk.sizes, what="the first commit")
    others = Callers(writer, 20)
    wait_until(lambda: writer.waiting == 20, what="twenty others")
    disk.may_go_on.set()

    assert first.finish() + others.finish() == ["durable"] * 21
    assert disk.sizes == [1, 20]
    writer.close()


def test_nobody_is_answered_before_the_commit() -> None:
    disk = Disk()
    writer = GroupWriter(disk.commit, "ledger")
    callers = Callers(writer, 3)
    wait_until(lambda: disk.sizes, what="a commit under way")
    assert callers.outcomes == []
    disk.may_go_on.set()
    callers.finish()
    writer.close()


def test_a_refusal_reaches_only_its_own_caller() -> None:
    disk = Disk()
    disk.refuse_every = 2
    writer = GroupWriter(disk.commit, "ledger")
    blocker = Callers(writer, 1)
    wait_until(lambda: disk.sizes, what="the first commit")
    callers = Callers(writer, 4)
    wait_until(lambda: writer.waiting == 4, what="four others")
    disk.may_go_on.set()

    blocker.finish()
    assert callers.finish() == ["StaleTransition"] * 2 + ["durable"] * 2
    writer.close()


def test_a_failed_commit_fails_those_in_it_those_behind_it_and_all_who_come_later() -> None:
    disk = Disk(StorageFailure("the disk is full"))
    writer = GroupWriter(disk.commit, "ledger")
    first = Callers(writer, 1)
    wait_until(lambda: disk.sizes, what="the commit")
    behind = Callers(writer, 5)
    wait_until(lambda: writer.waiting == 5, what="five others")
    disk.may_go_on.set()

    assert first.finish() + behind.finish() == ["StorageFailure"] * 6
    with pytest.raises(StorageFailure, match="takes nothing more: the disk is full"):
        writer.append(request())
    assert disk.sizes == [1], "it is not tried again"
    writer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_leaves_nobody_waiting() -> None:
    disk = Disk(ZeroDivisionError())
    writer = GroupWriter(disk.commit, "ledger")
    first = Callers(writer, 1)
    wait_until(lambda: disk.sizes, what="the commit")
    behind = Callers(writer, 2)
    wait_until(lambda: writer.waiting == 2, what="two others")
    disk.may_go_on.set()

    assert first.finish() + behind.finish() == ["StorageFailure"] * 3
    with pytest.raises(StorageFailure, match="ended unexpectedly"):
        writer.append(request())
    writer.close()


def test_a_group_has_a_bound() -> None:
    disk = Disk()
    writer = GroupWriter(disk.commit, "ledger")
    first = Callers(writer, 1)
    wait_until(lambda: disk.sizes, what="the first commit")
    callers = Callers(writer, GROUP + 5)
    wait_until(lambda: writer.waiting == GROUP + 5, what="a crowd")
    disk.may_go_on.set()

    first.finish()
    assert callers.finish() == ["durable"] * (GROUP + 5)
    assert max(disk.sizes) == GROUP
    writer.close()


def test_closing_finishes_what_is_queued_and_refuses_what_comes_later() -> None:
    disk = Disk()
    writer = GroupWriter(disk.commit, "ledger")
    callers = Callers(writer, 3)
    wait_until(lambda: disk.sizes and writer.waiting + sum(disk.sizes) == 3, what="three callers")
    closing = threading.Thread(target=writer.close)
    closing.start()
    disk.may_go_on.set()
    closing.join()

    assert callers.finish() == ["durable"] * 3
    with pytest.raises(StorageFailure, match="closed"):
        writer.append(request())
    writer.close()
