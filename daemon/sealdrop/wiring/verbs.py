"""The verbs of the control socket: a request becomes a call of an operation, its value becomes plain JSON.

Reading verbs answer alike from a running agent and from the ledger alone (``read_only``), in one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sealdrop.adapters.control import Request, Verb
from sealdrop.adapters.journal import sentence
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import Refused
from sealdrop.core.submission import SubmissionId
from sealdrop.flow import views
from sealdrop.flow.operations import Detail, Operations, Status, detail
from sealdrop.ports.ledger import LedgerReader
from sealdrop.ports.sealing import KeyInfo

#: Verbs that the ledger alone can answer while no agent runs.
READING = frozenset({"status", "list", "show"})
MOST_LISTED = 1000


def verbs(operations: Operations, ledger: LedgerReader, keys: Callable[[], Sequence[KeyInfo]]) -> Mapping[str, Verb]:
    """Return what the running agent answers.

    Args:
        operations: what is possible.
        ledger: for listings.
        keys: tells the keys in use now.
    """
    return {
        "status": Verb(admin=False, handler=lambda _: to_plain(operations.status())),
        "list": Verb(admin=False, handler=lambda request: _list(ledger, request.arguments, operations.waits_for)),
        "show": Verb(admin=False, handler=lambda request: _detail(operations.show(_text(request, "submission")))),
        "keys": Verb(admin=False, handler=lambda _: to_plain(list(keys()))),
        "retry": Verb(admin=True, handler=lambda request: _retry(operations, request)),
        "retry-route": Verb(admin=True, handler=lambda request: _retry_route(operations, request)),
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
            outboxes={},
            transports={},
            incidents=(),
        )
        return to_plain(status)
    if verb == "list":
        return _list(ledger, arguments, lambda _: "")
    return _detail(detail(ledger, str(arguments["submission"])))


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


def _text(request: Request, name: str) -> str:
    value = request.arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"{name} is missing or empty", where=request.verb, hint=f"Say {name}")
    return value.strip()
