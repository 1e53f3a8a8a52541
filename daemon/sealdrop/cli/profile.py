"""`sealdrop profile`: look at a profile, try it, compare two. Needs no agent, no configuration and no keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.options import JsonOption
from sealdrop.cli.output import print_json, print_table, safe, styled
from sealdrop.core.codec import to_plain
from sealdrop.core.errors import ConfigurationError

app = typer.Typer(
    help="Look at a profile, try it, compare two; without an agent.", no_args_is_help=True, rich_markup_mode=None
)

ProfileArgument = Annotated[
    str, typer.Argument(metavar="PROFILE", help="A shipped profile by its name, or a path that ends in .toml.")
]


@app.command()
def lint(profile: ProfileArgument, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """Check a profile with the SRV list and the calendar it names. Leaves with 78 when something is wrong."""
    from sealdrop.wiring import profiles  # noqa: PLC0415 - quick start, see main

    try:
        warnings = profiles.lint(profile)
    except ConfigurationError as error:
        if not as_json:
            raise
        print_json({"good": False, "warnings": [], "problems": to_plain(error.problems)})
        raise typer.Exit(Exit.CONFIGURATION) from error
    if as_json:
        print_json({"good": True, "warnings": to_plain(tuple(warnings)), "problems": []})
        return
    for warning in warnings:
        typer.echo(f"warning: {safe(warning)}")
    typer.echo(f"{safe(profile)} can be used")


@app.command()
def show(profile: ProfileArgument, as_json: JsonOption = False) -> None:  # noqa: FBT002 - a flag
    """Show what a profile demands: the file, each column, what follows, and whether anybody has confirmed it."""
    from sealdrop.wiring import profiles  # noqa: PLC0415 - quick start, see main

    view = profiles.show(profile)
    if as_json:
        print_json(view.machine)
        return
    width = max(len(label) for label, _ in view.facts)
    for label, sentence in view.facts:
        line = f"{label:{width}}  {safe(sentence)}"
        typer.echo(styled(line, "held") if label == "verified" and sentence.startswith("NO") else line)
    typer.echo()
    print_table("", profiles.COLUMN_HEADINGS, view.columns)


@app.command()
def sample(
    profile: ProfileArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it there; into a folder, under a name that fits.", metavar="PATH"),
    ] = None,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Write a correct file, which the profile itself accepts: to standard output, or to a path."""
    from sealdrop.wiring import profiles  # noqa: PLC0415 - quick start, see main

    made = profiles.sample(profile)
    path = profiles.write_sample(made, output) if output else None
    if as_json:
        print_json(profiles.described(made, path))
    elif path:
        typer.echo(safe(path))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(made.data)  # as the profile wants its line ends and its encoding


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The profile before, by name or path.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The profile after, by name or path.")],
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Say what changed in meaning from one profile to another. Leaves with 1 when anything did."""
    from sealdrop.wiring import profiles  # noqa: PLC0415 - quick start, see main

    found = profiles.diff(old, new)
    if as_json:
        print_json({"same": not found, "differences": profiles.plain(found)})
    elif found:
        rows = [(one.path, one.old or "-", one.new or "-", one.effect) for one in found]
        print_table("", ("key", "before", "after", "effect"), rows)
    else:
        typer.echo("both mean the same")
    if found:
        raise typer.Exit(Exit.NO)
