"""Commands that look: `status`, `list`, `show`, `keys`. They change nothing; the agent answers, or else the disk."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, IdArgument, JsonOption
from sealdrop.cli.output import print_json, print_table, safe, size, when

NOT_RUNNING = "No agent runs; this is from the ledger alone."


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("status")(status)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("keys")(keys)


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """Say how the agent is: what is open, what waits, what is wrong. Leaves with 3 when no agent runs."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.ask(config, "status")
    if as_json:
        print_json(answer)
    else:
        _print_status(answer)
    if not answer["running"]:
        raise typer.Exit(Exit.NOT_RUNNING)


def _print_status(answer: Any) -> None:  # noqa: ANN401 - JSON
    typer.echo(f"environment {answer['environment']}" if answer["running"] else NOT_RUNNING)
    rows = [(state, number) for state, number in answer["counts"].items() if number]
    print_table("Submissions", ("state", "number"), rows or [("none", 0)])
    if answer["outboxes"]:
        print_table("Outboxes", ("outbox", "files waiting"), list(answer["outboxes"].items()))
    if answer["transports"]:
        print_table("Transports", ("transport", "state"), list(answer["transports"].items()))
    held = answer["held"]
    if held:
        typer.echo(f"{held} {'submission is' if held == 1 else 'submissions are'} held: sealdrop list --open")
    if answer["incidents"]:
        rows = [(when(one["since"]), one["text"]) for one in answer["incidents"]]
        print_table("Wrong now", ("since (UTC)", "what"), rows)
    elif answer["running"] and not held:
        typer.echo("Nothing is wrong.")


def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many, newest first.", min=1, max=1000)] = 20,
    only_open: Annotated[bool, typer.Option("--open", help="Only what is not filed yet.")] = False,  # noqa: FBT002
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """List submissions, newest first."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.ask(config, "list", limit=limit, open=only_open)
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            one["submission"],
            one["file_name"],
            ", ".join(("held", *one["held"])) if one["held"] else one["state"],
            when(one["changed_at"]),
            one["proof"] or "",
            one["reason"],
        )
        for one in answer["submissions"]
    ]
    print_table("", ("submission", "file", "state", "since (UTC)", "proof", "why"), rows)


def show(
    submission: IdArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Show one submission: what happened to it and when, its findings, and the proof of its delivery."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.ask(config, "show", submission=submission)
    if as_json:
        print_json(answer)
    else:
        _print_detail(answer)


def _print_detail(answer: Any) -> None:  # noqa: ANN401 - JSON
    one, record = answer["row"], answer["record"]
    typer.echo(f"{safe(one['file_name'])}  {one['submission']}")
    typer.echo(f"  {one['kind']} from outbox {one['outbox']}, {size(one['size'])}, SHA-256 {_digest(record)}")
    reason = f": {safe(one['reason'])}" if one["reason"] else ""
    typer.echo(f"  {one['state']}{' (held)' if one['held'] else ''}{reason}")
    if record["filed"]:
        typer.echo(f"  filed in {safe(record['filed'])}")
    print_table("", ("time (UTC)", "event", ""), [(when(m["at"]), m["event"], _told(m)) for m in answer["timeline"]])
    if record["findings"]:
        rows = [
            (f["severity"], f["rule"], f["line"] or "", f["column"] or "", f["message"], f["hint"])
            for f in record["findings"]
        ]
        print_table("Findings", ("severity", "rule", "line", "column", "what", "what to do"), rows)
    if record["changed"]:
        _print_changes(record)
    for leg in record["legs"]:
        if leg["receipt"]:
            receipt = leg["receipt"]
            facts: list[tuple[object, object]] = [
                ("proof level", receipt["proof"]),
                ("location", receipt["location"]),
                ("sealed SHA-256", receipt["sha256"]),
                ("sealed size", size(receipt["size"])),
                *receipt["facts"].items(),
            ]
            print_table(f"Receipt of leg {leg['name']}", ("fact", "value"), facts)


def _print_changes(record: Any) -> None:  # noqa: ANN401 - JSON
    from sealdrop.core.codec import from_plain  # noqa: PLC0415 - quick start, see main
    from sealdrop.core.verdict import Change  # noqa: PLC0415
    from sealdrop.rules.report import CHANGE_HEADINGS, change_cells  # noqa: PLC0415

    changes = [from_plain(Change, change) for change in record["changes"]]
    title = f"Changed against earlier files: {record['changed']}, the largest increase first"
    rows = [change_cells(change) for change in changes]
    print_table(title, CHANGE_HEADINGS, rows)
    if record["changed"] > len(rows):
        typer.echo(f"{record['changed'] - len(rows)} further changes are not listed.")


#: Facts of an event that its line in a timeline tells; all of them are in `--json`.
_TOLD = {
    "Accepted": ("profile", "profile_version", "records"),
    "Rejected": ("profile", "profile_version", "records"),
    "DuplicateOf": ("original",),
    "SetAside": ("reason",),
    "AttemptStarted": ("attempt", "transport"),
    "CommitStarted": ("proof",),
    "Deferred": ("reason", "not_before"),
    "GaveUp": ("reason",),
    "Superseded": ("by",),
    "Released": ("reason", "by", "why"),
    "RetryRequested": ("by", "why"),
    "DeliveredByHand": ("by",),
    "ReferenceGiven": ("reference", "by"),
    "Abandoned": ("by", "why"),
    "Recovered": ("doing",),
    "Filed": ("folder",),
}


def _told(moment: Any) -> str:  # noqa: ANN401 - JSON
    facts = moment["facts"]
    told = [f"{name.replace('_', ' ')} {facts[name]}" for name in _TOLD.get(moment["event"], ())]
    if moment["event"] == "Held":
        told.append(f"{facts['hold']['reason']}, {facts['hold']['text']}")
    if moment["event"] == "LegDelivered":
        told.append(f"proof {facts['receipt']['proof']}, {facts['receipt']['outcome']}")
    return f"{moment['text']}: {', '.join(told)}" if told else str(moment["text"])


def _digest(record: Any) -> str:  # noqa: ANN401 - JSON
    return str(record["submission"]["sha256"]) or "not read"


def keys(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """List the keys in use and when they end. Leaves with 1 when one may not be used."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.keys(config)
    if as_json:
        print_json(answer)
    else:
        rows = [
            (
                one["name"],
                one["use"],
                one["fingerprint"],
                one["algorithm"],
                when(one["expires"])[:10] if one["expires"] else "never",
                one["problem"] or one["warning"] or "good",
                one["user_id"],
            )
            for one in answer
        ]
        print_table("", ("keys", "use", "fingerprint", "algorithm", "ends", "state", "user id"), rows)
    if any(one["problem"] for one in answer):
        raise typer.Exit(Exit.NO)
