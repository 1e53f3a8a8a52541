"""The verbs of the control socket: a request becomes a call of an operation, its value becomes plain JSON.

Reading verbs answer alike from a running agent and from the ledger alone (``read_only``), in one shape. They answer as
soon as the process is there; whoever wants to change something waits until it has recovered, because recovery would
book over it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sealdrop.adapters.control import Request, Verb
from sealdrop.adapters.journal import sentence
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import Refused, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.flow import views
from sealdrop.flow.incidents import Incident
from sealdrop.flow.operations import Detail, Operations, Status, detail
from sealdrop.ports.ledger import LedgerReader
from sealdrop.ports.sealing import KeyInfo

#: Verbs that the ledger alone can answer while no agent runs.
READING = frozenset({"status", "list", "show"})
MOST_LISTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The start of the agent: since when, and whether what was left open is taken up again."""

    since: datetime
    recovered: threading.Event = field(default_factory=threading.Event)


def verbs(
    operations: Operations,
    ledger: LedgerReader,
    *,
    keys: Callable[[], Sequence[KeyInfo]],
    start: Start,
    add_report: Callable[[Path, Path, str], Plain],
) -> Mapping[str, Verb]:
    """Return what the running agent answers.

    Args:
        operations: what is possible.
        ledger: for listings.
        keys: tells the keys in use now.
        start: of the agent.
        add_report: imports a report: its path, its profile's, and who asks.
    """

    def change(handler: Callable[[Request], Plain]) -> Verb:
        return Verb(admin=True, handler=lambda request: _once_recovered(start, handler, request))

    return {
        "status": Verb(admin=False, handler=lambda _: to_plain(_status(operations, start))),
        "list": Verb(admin=False, handler=lambda request: _list(ledger, request.arguments, operations.waits_for)),
        "show": Verb(admin=False, handler=lambda request: _detail(operations.show(_text(request, "submission")))),
        "keys": Verb(admin=False, handler=lambda _: to_plain(list(keys()))),
        "retry": change(lambda request: _retry(operations, request)),
        "retry-route": change(lambda request: _retry_route(operations, request)),
        "release": change(lambda request: _release(operations, request)),
        "abandon": change(lambda request: _abandon(operations, request)),
        "report-add": change(
            lambda request: add_report(Path(_text(request, "path")), Path(_text(request, "profile")), request.caller)
        ),
    }


def read_only(ledger: LedgerReader, environment: str, verb: str, arguments: Mapping[str, Plain]) -> Plain:
    """Answer a reading verb from the ledger alone.

    Raises:
        Refused: there is no such submission.
    """
    if verb == "status":
        status = Status(
            running=False,
            environment=environment,
            counts=ledger.counts(),
            held=sum(1 for record in ledger.open_records() if record.holds),
            outboxes={},
            transports={},
            incidents=(),
        )
        return to_plain(status)
    if verb == "list":
        return _list(ledger, arguments, lambda _: "")
    return _detail(detail(ledger, str(arguments["submission"])))


def _once_recovered(start: Start, handler: Callable[[Request], Plain], request: Request) -> Plain:
    if not start.recovered.is_set():
        hint = "Ask again when it is ready; `sealdrop status` says so"
        raise TemporaryFailure("the agent is still starting", where=request.verb, hint=hint)
    return handler(request)


def _status(operations: Operations, start: Start) -> Status:
    recovering = not start.recovered.is_set()
    status = operations.status()
    if not recovering:
        return status
    text = "the agent is starting: what was left open is not all taken up again"
    return replace(status, incidents=(Incident(subject="start", text=text, since=start.since), *status.incidents))


def _list(ledger: LedgerReader, arguments: Mapping[str, Plain], waits_for: Callable[[SubmissionId], str]) -> Plain:
    limit = arguments.get("limit", 20)
    if not isinstance(limit, int) or not 1 <= limit <= MOST_LISTED:
        raise Refused(f"a listing has 1 to {MOST_LISTED} lines", where="limit", hint="Ask for fewer")
    if arguments.get("open"):
        records = sorted(ledger.open_records(), key=lambda record: record.submission.id, reverse=True)[:limit]
    else:
        records = list(ledger.recent(limit))
    rows = [views.row(record, waits_for(record.submission.id)) for record in records]
    return {"submissions": to_plain(rows)}


def _detail(found: Detail) -> Plain:
    moments = views.timeline(found.history)
    told: list[Plain] = [
        {**shown, "text": sentence(committed)}
        for moment, committed in zip(moments, found.history, strict=True)
        if isinstance(shown := to_plain(moment), dict)
    ]
    return {
        "row": to_plain(views.row(found.record, found.waits_for)),
        "record": to_plain(found.record),
        "timeline": told,
    }


def _retry(operations: Operations, request: Request) -> Plain:
    record = operations.retry(_text(request, "submission"), by=request.caller, why=_text(request, "reason"))
    return {"submission": record.submission.id, "state": record.state.value}


def _retry_route(operations: Operations, request: Request) -> Plain:
    due = operations.retry_route(_text(request, "route"), by=request.caller, why=_text(request, "reason"))
    return {"submissions": due}


def _release(operations: Operations, request: Request) -> Plain:
    reason = _text(request, "hold") if "hold" in request.arguments else None
    record = operations.release(
        _text(request, "submission"), by=request.caller, why=_text(request, "reason"), reason=reason
    )
    held = [hold.reason.value for hold in record.holds]
    return {"submission": record.submission.id, "state": record.state.value, "held": to_plain(held)}


def _abandon(operations: Operations, request: Request) -> Plain:
    record = operations.abandon(_text(request, "submission"), by=request.caller, why=_text(request, "reason"))
    return {"submission": record.submission.id, "state": record.state.value}


def _text(request: Request, name: str) -> str:
    value = request.arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"{name} is missing or empty", where=request.verb, hint=f"Say {name}")
    return value.strip()
