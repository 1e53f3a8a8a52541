"""`sealdrop demo`: the main job end to end, on real parts, in a temporary folder, without root."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("demo")(demo)


def demo() -> None:
    """Run the main job end to end on real parts (gpg, an SFTP server, the agent), in a temporary folder."""
    from sealdrop.demo import story  # noqa: PLC0415 - quick start, see main

    story.tell(typer.echo)
