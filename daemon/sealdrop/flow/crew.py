"""The crew: worker threads, a few for each lane of the board.

A worker takes a job, does it, takes the next. What the pipeline lets through, a failure of our own storage, is handed
to ``on_failure`` and ends the worker. Workers leave when the board closes; each finishes the job in its hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sealdrop.flow.board import Board
from sealdrop.flow.jobs import CHECK, SEAL, route_lane
from sealdrop.flow.pipeline import Pipeline
from sealdrop.flow.setup import Setup


class Crew:
    """The workers of one line."""

    def __init__(
        self,
        setup: Setup,
        board: Board,
        pipeline: Pipeline,
        *,
        on_done: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._board = board
        self._pipeline = pipeline
        self._on_done = on_done
        self._on_failure = on_failure
        lanes = {CHECK: setup.check_workers, SEAL: setup.seal_workers}
        lanes.update({route_lane(route.name): route.max_parallel for route in setup.routes.values()})
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"{lane}-{number}", daemon=True)
            for lane, size in lanes.items()
            for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Send everybody home; tell whether all were home in time."""
        self._board.close()
        pause = threading.Event()
        left = [thread for thread in self._threads if thread.ident is not None]
        step = 0.02
        for _ in range(max(int(seconds / step), 1)):
            left = [thread for thread in left if thread.is_alive()]
            if not left:
                return True
            pause.wait(step)
        return False

    def _serve(self, lane: str) -> None:
        while (job := self._board.take(lane)) is not None:
            try:
                self._pipeline.work(job)
            except Exception as error:  # noqa: BLE001 - a worker that dies silently would stall its lane for ever
                self._on_failure(error)
                return
            self._on_done()
