"""Names at the far end: deterministic, unique for ever, and readable.

The name is a function of the submission alone, so every attempt uses the same one and a look can find it. It
carries the submission's id, so the same file name dropped twice never meets itself.
"""

from __future__ import annotations

import string

from sealdrop.core.submission import Submission

FIELDS = ("file_name", "stem", "suffix", "id", "kind")
DEFAULT = "{stem}.{id}{suffix}.pgp"


def remote_name(template: str, submission: Submission) -> str:
    """Return the final name of a submission's sealed file.

    Args:
        template: text with fields from ``FIELDS``; ``{id}`` is among them (see ``template_problem``).
        submission: whose sealed file it is.
    """
    stem, dot, suffix = submission.file_name.rpartition(".")
    if not stem:
        stem, dot, suffix = submission.file_name, "", ""
    return template.format(
        file_name=submission.file_name, stem=stem, suffix=dot + suffix, id=submission.id, kind=submission.kind
    )


def template_problem(template: str) -> str | None:
    """Return what is wrong with a template, or None."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return f"it is not a template: {error}"
    fields = [name for _, name, _, _ in parts if name is not None]
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        return f"unknown field {{{unknown[0]}}}; known are {', '.join('{' + name + '}' for name in FIELDS)}"
    if any(spec or conversion for _, name, spec, conversion in parts if name is not None):
        return "fields take no format"
    if "id" not in fields:
        return "{id} is missing: without it two drops of one file name would meet at the far end"
    literal = "".join(text for text, _, _, _ in parts)
    if "/" in literal or "\\" in literal or template.startswith(".") or not literal.isprintable():
        return "it may not contain a slash or control characters, nor begin with a dot"
    return None
