"""The schedule: APScheduler, set so that no time is ever dropped.

Its defaults would drop a call that is a second late (``misfire_grace_time``) without anybody noticing. Here a late
call is made however late it is, and several missed ones are made as one (``coalesce``). The jobs live in memory
only: what must survive a restart is in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

#: A sweep of a slow far end must not hold up the notice that it is time to look into the outboxes.
THREADS = 4


class AppSchedule:
    """Implements ``ports.schedule.Schedule``."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """See the port."""
        self._scheduler.add_job(call, "interval", seconds=seconds, id=name, replace_existing=True)

    def start(self) -> None:
        """See the port."""
        self._scheduler.start()

    def stop(self) -> None:
        """See the port."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
