"""What goes over the control socket: one request and one answer, each a line of JSON, then the connection ends.

    request   {"verb": "retry", "arguments": {"submission": "01…", "reason": "the relay is back"}}
    answer    {"ok": true, "result": …}
              {"ok": false, "error": {"kind": "Refused", "what": …, "where": …, "hint": …}}

``kind`` is the name of an error of ``core.errors``; ``Fault`` means that our own code failed. Both directions are
bounded. Fails with ``Refused`` when a request is not one; with ``Unanswered`` when an answer is not one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sealdrop.adapters.control.peers import Peer
from sealdrop.core import errors
from sealdrop.core.codec import Plain
from sealdrop.core.errors import Refused, SealdropError, Unanswered

MAX_REQUEST = 64 * 1024  # bytes, its line end included
MAX_ANSWER = 16 * 1024 * 1024  # bytes, its line end included
DEADLINE = 5.0  # seconds for a whole request to arrive, and for a whole answer to be taken
FAULT = "Fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of somebody whom the kernel vouches for.

    Args:
        verb: what is asked. arguments: with what.
        caller: who asks, in words for ledger and journal. peer: the same in numbers.
    """

    verb: str
    arguments: dict[str, Plain]
    caller: str
    peer: Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What the agent does for a request.

    Args:
        admin: only administrators may ask for it (it changes something).
        handler: does it and returns the result; errors of ``core.errors`` are answered as such.
    """

    admin: bool
    handler: Callable[[Request], Plain]


Verbs = Mapping[str, Verb]


def request_line(verb: str, arguments: Mapping[str, Plain]) -> bytes:
    """Return a request as it is sent.

    Raises:
        Refused: it is too long.
    """
    line = _line({"verb": verb, "arguments": dict(arguments)})
    if len(line) > MAX_REQUEST:
        raise Refused(f"the request is longer than {MAX_REQUEST} bytes", where=verb, hint="Say it shorter")
    return line


def parse_request(line: bytes) -> tuple[str, dict[str, Plain]]:
    """Return verb and arguments.

    Raises:
        Refused: it is not a request.
    """
    match _parse(line):
        case {"verb": str(verb), "arguments": dict(arguments), **rest} if not rest:
            return verb, arguments
    raise Refused("this is not a request", where="control socket", hint="Use the sealdrop of the agent's own version")


def result_line(result: Plain) -> bytes:
    """Return the answer to a request that was done.

    Raises:
        Refused: the result is too long to be sent.
    """
    line = _line({"ok": True, "result": result})
    if len(line) > MAX_ANSWER:
        raise Refused(f"the answer is longer than {MAX_ANSWER} bytes", where="control socket", hint="Ask for less")
    return line


def error_line(kind: str, what: str, where: str = "", hint: str = "") -> bytes:
    """Return the answer to a request that was not done."""
    return _line({"ok": False, "error": {"kind": kind, "what": what, "where": where, "hint": hint}})


def parse_answer(line: bytes) -> Plain:
    """Return the result of an answer.

    Raises:
        SealdropError: the error that the agent answered, by its own kind.
        Unanswered: it is not an answer.
    """
    match _parse(line):
        case {"ok": True, "result": None | bool() | int() | float() | str() | list() | dict() as result}:
            return result
        case {"ok": False, "error": {"kind": str(kind), "what": str(what), "where": str(where), "hint": str(hint)}}:
            raise _KINDS.get(kind, SealdropError)(what, where=where, hint=hint)
    raise Unanswered("the agent's answer cannot be understood", where="control socket", hint="Look before asking again")


def _kinds(base: type[SealdropError]) -> dict[str, type[SealdropError]]:
    found = {base.__name__: base}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found


#: Errors that travel; the one that is built from a list of problems arrives as its base, with the same words.
_KINDS = {name: kind for name, kind in _kinds(SealdropError).items() if kind is not errors.ConfigurationError}


def _line(value: Plain) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _parse(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, a number of a million digits; nested without end
        return None


def _refuse_constant(name: str) -> None:
    message = f"{name} is not JSON"
    raise ValueError(message)
