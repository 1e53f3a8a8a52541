"""Commands that run something: `init`, `run`, `once`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.meter import uploads
from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from sealdrop.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(init)
    app.command("run")(run)
    app.command("once")(once)


def init(
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[Path, typer.Option(help="The one writable tree.")] = Path("/var/lib/sealdrop"),
    runtime: Annotated[Path, typer.Option(help="A folder in memory, with a short path.")] = Path("/run/sealdrop"),
    environment: Annotated[str, typer.Option(help="live, or the name of a DCC test environment.")] = "live",
    to: Annotated[str, typer.Option(help="How files leave: sftp or directory.")] = "sftp",
) -> None:
    """Write a first configuration and make its folders; nothing that exists is changed."""
    from sealdrop.wiring import starting  # noqa: PLC0415 - quick start, see main

    made = starting.initialise(config, root=root, runtime=runtime, environment=environment, to=to)
    for line in made:
        typer.echo(line)
    typer.echo(f"Fill in what is in capitals, then: sealdrop check config --config {config}")


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the agent until it is told to stop (SIGTERM, SIGINT); SIGHUP reads the configuration again."""
    from sealdrop.wiring import process  # noqa: PLC0415 - quick start, see main

    process.serve(config)


def once(
    config: ConfigOption = DEFAULT_CONFIG,
    patience: Annotated[
        float, typer.Option(help="Longest single wait for a file to become complete, in seconds.", min=0)
    ] = 60.0,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Take, check, seal and deliver what is there now, then leave. Leaves with 75 when something stays open."""
    from sealdrop.wiring import process  # noqa: PLC0415 - quick start, see main

    with uploads(shown=sys.stderr.isatty() and not as_json) as meter:
        left = process.run_once(config, patience, meter)
    if as_json:
        print_json({"open_submissions": left.open_submissions, "not_complete": left.not_complete})
    else:
        typer.echo(f"{left.open_submissions} submissions open, {left.not_complete} files not complete yet")
    if left.open_submissions or left.not_complete:
        raise typer.Exit(Exit.TEMPORARY)
