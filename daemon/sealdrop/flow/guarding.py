"""Guarding: what a judged submission is compared with, and what a person is asked for when a guard holds it.

Compared with are, for each ordering key, the newest submission of the kind that has landed, and every open one that was
claimed earlier and may still land. The board lets a kind that compares be judged in claim order alone, so that the
earlier ones are known by then: two files in flight cannot slip past each other. Two are not waited for, as in
delivery: a claimed file that somebody still writes to, and one that is held before it was judged; each is compared
when its own turn comes.

What the hold asks for is bound to the submission's digest and the profile's version by the record that it is part of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from sealdrop.core.errors import NotYet
from sealdrop.core.events import Held
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Record
from sealdrop.core.order import undelivered
from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Finding, Severity, Verdict
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.setup import KindSetup
from sealdrop.ports.rules import Earlier, EarlierFile
from sealdrop.ports.spool import Spool
from sealdrop.rules.findings import GUARD

#: Earlier submissions that one is compared with; if there are more, a person compares.
MOST_EARLIER = 50
#: Looks for files that were just being filed; each moves at most twice.
LOOKS = 5


class Guarding:
    """Puts together what guards need. Callable from several threads."""

    def __init__(self, *, books: Books, board: Board, spool: Spool) -> None:
        self._books = books
        self._board = board
        self._spool = spool

    def guarded(self, record: Record, kind: KindSetup, verdict: Verdict) -> Verdict:
        """Return the verdict with what the guards of the kind add.

        Raises:
            StorageFailure: our own disk or the ledger failed.
            NotYet: earlier files were moved again and again.
        """
        submission = record.submission
        content = self._spool.content(submission.id, submission.outbox)
        looks = LOOKS
        while True:
            looks -= 1
            earlier = Earlier()
            if kind.validator.compares:
                earlier = self._earlier(submission.id, kind, verdict.ordering_keys)
            try:
                return kind.validator.guard(content, verdict, earlier)
            except NotYet:
                if not looks:
                    raise

    def _earlier(self, me: SubmissionId, kind: KindSetup, keys: Sequence[str]) -> Earlier:
        found: defaultdict[SubmissionId, set[str]] = defaultdict(set)
        fresh = 0
        for key in keys:
            ids = set(self._board.ahead(kind.name, key, me))  # first: what lands after this look is in the ledger
            delivered = self._books.ledger.newest_delivered(kind.name, (key,))
            if delivered is not None:
                ids.add(delivered)
            fresh += not ids
            for one in ids:
                found[one].add(key)
            if len(found) > MOST_EARLIER:
                return Earlier(too_many=True)
        files: list[EarlierFile] = []
        lost: list[SubmissionId] = []
        for one in sorted(found):
            other = self._books.ledger.record(one)
            if other is None or not (undelivered(other) or any(leg.receipt is not None for leg in other.legs)):
                continue  # superseded or given up meanwhile
            named = other.submission
            path = self._spool.kept(one, named.outbox, named.file_name, other.filed)
            if path is None:
                lost.append(one)
            else:
                files.append(EarlierFile(submission=one, path=path, sha256=named.sha256, keys=found[one]))
        return Earlier(files=tuple(files), lost=tuple(lost), fresh=fresh)


def holds_of(verdict: Verdict) -> tuple[Held, ...]:
    """Return the holds of a verdict that is not rejected: what guards want approved, and what an operator decides."""
    by_guards = [one for one in verdict.findings if one.severity is Severity.HOLD and one.rule.startswith(GUARD)]
    by_rules = [one for one in verdict.findings if one.severity is Severity.HOLD and one not in by_guards]
    if not verdict.approvals:
        return _held(HoldReason.FINDING, (*by_guards, *by_rules), verdict.holding, "ask for a decision")
    wanted = "an approval" if verdict.approvals == 1 else f"{verdict.approvals} approvals"
    return (
        *_held(HoldReason.APPROVAL, by_guards, verdict.guarding, f"ask for {wanted}"),
        *_held(HoldReason.FINDING, by_rules, verdict.holding - verdict.guarding, "ask for a decision"),
    )


def _held(reason: HoldReason, findings: Sequence[Finding], count: int, ask: str) -> tuple[Held, ...]:
    if not count:
        return ()
    guards = Counter(one.rule for one in findings if one.rule.startswith(GUARD))
    named = f"{', '.join(guards)}: " if guards else ""
    first = findings[0].message if findings else "see the report"
    return (Held(hold=Hold(reason=reason, text=f"{named}{first}; {count} findings {ask}")),)
