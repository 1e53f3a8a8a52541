"""`sealdrop check`: is this configuration good, would this file be accepted? Nothing is started, nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from sealdrop.cli.output import print_json, safe, styled
from sealdrop.core.codec import to_plain
from sealdrop.core.errors import ConfigurationError

app = typer.Typer(help="Check a configuration or a file without an agent.", no_args_is_help=True, rich_markup_mode=None)


@app.command("config")
def config_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """Check a configuration with everything it refers to; report all problems at once. Leaves with 78 when bad."""
    from sealdrop.wiring import checking  # noqa: PLC0415 - quick start, see main

    try:
        warnings = checking.check_config(config)
    except ConfigurationError as error:
        if not as_json:
            raise
        print_json({"good": False, "warnings": [], "problems": to_plain(error.problems)})
        raise typer.Exit(Exit.CONFIGURATION) from error
    if as_json:
        print_json({"good": True, "warnings": [str(warning) for warning in warnings], "problems": []})
        return
    for warning in warnings:
        typer.echo(f"warning: {safe(warning)}")
    typer.echo(f"{safe(config)} is good")


@app.command("file")
def file_(
    file: Annotated[Path, typer.Argument(help="The file to check.", exists=True, dir_okay=False)],
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="Its kind; a kind of the configuration.", metavar="NAME")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="A shipped profile or a profile's path, instead of a kind.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Apply the rules to a file and print the report. Leaves with 1 when it would be rejected."""
    from sealdrop.wiring import checking  # noqa: PLC0415 - quick start, see main

    if (kind is None) == (profile is None):
        raise typer.BadParameter("give either --kind or --profile")
    answer = checking.check_file(config, file, kind=kind, profile=profile)
    if as_json:
        typer.echo(answer.machine, nl=False)
    for line in () if as_json else answer.lines:
        typer.echo(styled(line.text.rstrip(), line.role))
    if answer.rejected:
        raise typer.Exit(Exit.NO)
