"""Answers of a far end, said to a person: status codes and texts become errors of ours, fit for one printed line."""

from __future__ import annotations

from sealdrop.adapters.transports.sftp.packets import Code, Reply, Status
from sealdrop.core.errors import TemporaryFailure

_MAX_TEXT = 120
_HINTS = {
    Code.PERMISSION_DENIED: "Ask the receiver for the permission",
    Code.FAILURE: "The server gives no reason; a full disk or quota is the usual one",
    Code.OP_UNSUPPORTED: "The server cannot do this; ask the receiver",
}


def said(text: str | bytes) -> str:
    """Return a name or text of the far end as printable ASCII of bounded length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 3] + "..."


def refused(reply: Reply, doing: str, where: str, *, certain: bool = False) -> TemporaryFailure:
    """Return the failure for a request that was answered, but not with success.

    Args:
        reply: the answer.
        doing: what was asked, to follow "refused to".
        where: the far end.
        certain: nothing became visible, although the commit had begun.
    """
    if not isinstance(reply, Status):
        return TemporaryFailure(f"the server gave no proper answer when asked to {doing}", where=where, certain=certain)
    try:
        code = Code(reply.code)
        name = code.name.lower().replace("_", " ")
    except ValueError:
        code, name = Code.FAILURE, f"status {reply.code}"
    text = said(reply.message)
    detail = name if not text or text.lower() == name else f"{name}: {text}"
    return TemporaryFailure(
        f"the server refused to {doing} ({detail})", where=where, hint=_HINTS.get(code, ""), certain=certain
    )
