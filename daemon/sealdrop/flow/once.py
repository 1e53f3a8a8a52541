"""Once: the same pipeline in one thread, until nothing more can be done now.

For `sealdrop once`, for a timer instead of a service, and for tests that kill or cut it at every step: there is no
thread but the caller's, so every step happens in one order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealdrop import __version__
from sealdrop.core.events import AgentStarted, AgentStopped
from sealdrop.flow.line import Desk, Line, World, make_desk, make_line
from sealdrop.flow.setup import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What one run left: how many submissions are open, and how many files were not complete yet."""

    open_submissions: int
    not_complete: int


class Once:
    """One run over everything that is there."""

    def __init__(self, world: World, setup: Setup, *, pause: Callable[[float], None], patience: float) -> None:
        """Prepare a run.

        Args:
            world: what the run works with.
            setup: what it works by.
            pause: waits so many seconds (time is passed in).
            patience: seconds to wait in all for files to become complete and submissions due; work takes what it takes.
        """
        self._world = world
        self._pause = pause
        self._patience = patience
        self.desk: Desk = make_desk(world, setup, lambda: None)
        self.line: Line = make_line(world, self.desk, setup, lambda: False)

    def run(self) -> Tidied:
        """Recover, then sweep and work until nothing more can be done within the patience.

        Raises:
            StorageFailure: our own disk or the ledger failed.
        """
        setup = self.line.setup
        open_submissions = self.line.recovery.run()
        self.desk.books.tell(
            AgentStarted(
                version=__version__,
                environment=setup.environment,
                settings_sha256=setup.settings_sha256,
                open_submissions=open_submissions,
            )
        )
        left = self._patience
        while (wait := self._round()) is not None and wait <= left:
            self._pause(wait)
            left -= wait
        self.desk.books.tell(AgentStopped(reason="nothing more can be done now"))
        waiting = sum(self.line.intake.waiting().values())
        return Tidied(open_submissions=len(self.desk.board.records()), not_complete=waiting)

    def _round(self) -> float | None:
        """Claim what is complete and work it off; return the seconds until there may be more, None for never."""
        while True:
            look_again = self.line.intake.sweep()
            worked = False
            while (job := self.desk.board.take_any()) is not None:
                self.line.pipeline.work(job)
                worked = True
            if not worked:
                break
        waits = [seconds for seconds in (look_again, self.desk.board.tick()) if seconds is not None]
        return min(waits, default=None)
