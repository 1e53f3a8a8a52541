"""`sealdrop reports`: what the DCC says it has quarantined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from sealdrop.cli.output import print_json

app = typer.Typer(help="Import Quarantined Communications Reports.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Import Quarantined Communications Reports."""


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="The report; the agent's user must be able to read it.")],
    profile: Annotated[
        str, typer.Option("--profile", help="A shipped profile or a profile's path.", show_default=True)
    ] = "quarantine-report",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Import a report, so that decisions about communications that nobody reported are noticed."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.add_report(config, file, profile)
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{answer['rows']} rows with {answer['communications']} communications are known now")
    typer.echo(f"kept as {answer['sha256']}")
    if answer["unverified"]:
        typer.echo(f"profile {answer['profile']} is unverified: nobody has confirmed it against SEC Appendix AA yet")
