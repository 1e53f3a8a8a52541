"""`sealdrop ledger`: is the ledger what it was, and does what is derived follow from it?"""

from __future__ import annotations

from typing import Annotated

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from sealdrop.cli.output import print_json, safe
from sealdrop.core.codec import Plain, to_plain

app = typer.Typer(
    help="Verify the ledger, and mend what is derived from it.", no_args_is_help=True, rich_markup_mode=None
)


def _fields(report: object) -> dict[str, Plain]:
    plain = to_plain(report)
    return plain if isinstance(plain, dict) else {}


@app.command("verify")
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    head: Annotated[
        str | None,
        typer.Option("--head", help="A head printed earlier (kept elsewhere): also finds a cut tail.", metavar="TEXT"),
    ] = None,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Recompute the whole chain and every state. Leaves with 1 and names the first bad row when it does not verify."""
    from sealdrop.wiring import checking  # noqa: PLC0415 - quick start, see main

    report = checking.verify_ledger(config, head)
    if as_json:
        head_text = checking.head_text(report.head) if report.head is not None else None
        print_json({"ok": report.ok, "head_text": head_text, **_fields(report)})
    else:
        typer.echo(f"{report.rows} events of {report.submissions} submissions checked")
        for problem in report.problems:
            row = f"row {problem.row}: " if problem.row is not None else ""
            typer.echo(safe(f"{row}{problem.flaw.value}: {problem.what}"))
        if any(problem.flaw.value == "derived" for problem in report.problems):
            typer.echo("What is derived can be made anew: stop the agent and run sealdrop ledger rebuild.")
        if report.suppressed:
            typer.echo(f"and {report.suppressed} more problems")
        if report.head is not None:
            typer.echo(f"head: {checking.head_text(report.head)}")
        if report.ok and not report.head_checked:
            typer.echo("Keep the head elsewhere and give it with --head: only so does a cut tail show.")
        typer.echo("The ledger verifies." if report.ok else "The ledger does NOT verify.")
    if not report.ok:
        raise typer.Exit(Exit.NO)


@app.command("rebuild")
def rebuild(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """Make the derived tables anew from the events, which stay as they are; the agent must not run."""
    from sealdrop.wiring import mending  # noqa: PLC0415 - quick start, see main

    mending.rebuild_ledger(config)
    if as_json:
        print_json({"rebuilt": True})
    else:
        typer.echo("The derived tables follow from the events again.")
