"""The command `sealdrop`: parse, call, render. Decisions are made elsewhere.

Every error of ours becomes a sentence on standard error and the exit code of ``exits``; every listing has `--json`.
Modules that cost time are imported by the command that needs them, so that `--version` and completion stay quick.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from sealdrop import __version__
from sealdrop.cli import act, check, demo, ledger, look, profile, reports, service
from sealdrop.cli.exits import Exit, exit_of
from sealdrop.cli.output import print_error
from sealdrop.core.errors import SealdropError

app = typer.Typer(
    name="sealdrop",
    help="Take each dropped file once, check it, seal it, deliver it and prove that it landed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

service.register(app)
look.register(app)
act.register(app)
demo.register(app)
app.add_typer(check.app, name="check")
app.add_typer(profile.app, name="profile")
app.add_typer(ledger.app, name="ledger")
app.add_typer(reports.app, name="reports")


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback form
    if value:
        typer.echo(f"sealdrop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take each dropped file once, check it, seal it, deliver it and prove that it landed."""


def main() -> None:
    """Run the command and leave with its exit code."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a reader that has left is no error, and not when the interpreter ends
    except SealdropError as error:
        print_error(error)
        sys.exit(exit_of(error))
    except BrokenPipeError:  # `sealdrop list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)


if __name__ == "__main__":
    main()
