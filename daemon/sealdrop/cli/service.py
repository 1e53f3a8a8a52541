"""Commands that run something: `init`, `run`, `once`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sealdrop.cli.exits import Exit
from sealdrop.cli.meter import uploads
from sealdrop.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from sealdrop.cli.output import print_json, safe


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(init)
    app.command("run")(run)
    app.command("once")(once)


def init(  # noqa: PLR0913, PLR0917 - one parameter for each option; typer wants them so
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[Path, typer.Option(help="The one writable tree.")] = Path("/var/lib/sealdrop"),
    runtime: Annotated[Path, typer.Option(help="A folder in memory, with a short path.")] = Path("/run/sealdrop"),
    environment: Annotated[str, typer.Option(help="live, or the name of a DCC test environment.")] = "live",
    signer_key: Annotated[Path | None, typer.Option(help="File of the secret key that signs.")] = None,
    recipient_key: Annotated[
        list[Path] | None, typer.Option(help="File of a public key that may read; may be given again.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="SFTP: the server.")] = None,
    port: Annotated[int, typer.Option(help="SFTP: its port.", min=1, max=65535)] = 22,
    user: Annotated[str | None, typer.Option(help="SFTP: the login name.")] = None,
    host_key: Annotated[
        list[str] | None, typer.Option(help='SFTP: the server\'s public key, "type base64"; may be given again.')
    ] = None,
    login_key: Annotated[Path | None, typer.Option(help="SFTP: file of the key to log in with.")] = None,
    folder: Annotated[str, typer.Option(help="SFTP: the folder that files go to.")] = ".",
    directory: Annotated[Path | None, typer.Option(help="Deliver into this folder instead of SFTP.")] = None,
) -> None:
    """Write a first configuration and make its folders; nothing that exists is changed.

    What you do not say becomes a word in capitals, to be filled in.
    """
    from sealdrop.settings import DirectoryFacts, SftpFacts  # noqa: PLC0415 - quick start, see main
    from sealdrop.wiring import starting  # noqa: PLC0415 - quick start, see main

    sftp = SftpFacts(
        host=host, port=port, user=user, host_keys=tuple(host_key or ()), private_key=login_key, folder=folder
    )
    wishes = starting.Wishes(
        root=root,
        runtime=runtime,
        environment=environment,
        signer_key=signer_key,
        recipient_keys=tuple(recipient_key or ()),
        far_end=DirectoryFacts(path=directory) if directory is not None else sftp,
    )
    for line in starting.initialise(config, wishes):
        typer.echo(safe(line))
    typer.echo(f"Check it: sealdrop check config --config {safe(config)}")


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the agent until it is told to stop (SIGTERM, SIGINT); SIGHUP reads the configuration again."""
    from sealdrop.wiring import process  # noqa: PLC0415 - quick start, see main

    process.serve(config)


def once(
    config: ConfigOption = DEFAULT_CONFIG,
    patience: Annotated[
        float, typer.Option(help="How long to wait, in all, for files to become complete, in seconds.", min=0)
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
