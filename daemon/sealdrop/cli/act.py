"""Commands that change something: `retry`, `release`, `abandon`. They go to the agent, with who asks and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, IdArgument, JsonOption, ReasonOption
from sealdrop.cli.output import print_json, safe


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("retry")(retry)
    app.command("release")(release)
    app.command("abandon")(abandon)


def retry(
    reason: ReasonOption,
    submission: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A submission's id; its first letters will do.")
    ] = None,
    route: Annotated[
        str | None, typer.Option("--route", help="Open a stopped route, and try all that waits on it.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Try one submission again now, or everything that waits on a route."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    if (submission is None) == (route is None):
        raise typer.BadParameter("give either a submission's id or --route NAME")
    if submission is not None:
        answer: Any = asking.ask(config, "retry", submission=submission, reason=reason)
    else:
        answer = asking.ask(config, "retry-route", route=route or "", reason=reason)
    if as_json:
        print_json(answer)
    elif submission is not None:
        typer.echo(f"{answer['submission']} is tried again")
    else:
        typer.echo(f"route {safe(route)} is open; {answer['submissions']} submissions are due now")


def release(
    submission: IdArgument,
    reason: ReasonOption,
    hold: Annotated[
        str | None, typer.Option("--hold", help="Which hold, when there are several.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Lift a hold, so that the submission goes on to be delivered."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    which = {} if hold is None else {"hold": hold}
    answer: Any = asking.ask(config, "release", submission=submission, reason=reason, **which)
    if as_json:
        print_json(answer)
        return
    still = f"; it is still held: {', '.join(answer['held'])}" if answer["held"] else " and goes on"
    typer.echo(f"{answer['submission']} is released{still}")


def abandon(
    submission: IdArgument,
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Give a submission up: it is filed under failed/, and its producer is told."""
    from sealdrop.wiring import asking  # noqa: PLC0415 - quick start, see main

    answer: Any = asking.ask(config, "abandon", submission=submission, reason=reason)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{answer['submission']} is given up")
