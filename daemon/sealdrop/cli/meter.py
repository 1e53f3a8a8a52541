"""A progress bar for long uploads in the foreground; nothing where nobody looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sealdrop.cli.output import console, safe

if TYPE_CHECKING:  # quick start, see main
    from rich.progress import Progress, TaskID

    from sealdrop.core.submission import SubmissionId

#: Smaller uploads are over before anybody has read the bar.
WORTH_SHOWING_BYTES = 4 << 20


class UploadBars:
    """One bar for each upload that is worth one. Implements ``ports.people.Meter``."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def moved(self, submission: SubmissionId, file_name: str, done: int, total: int) -> None:
        """See the port."""
        if total < WORTH_SHOWING_BYTES:
            return
        if submission not in self._bars:
            self._bars[submission] = self._progress.add_task(safe(file_name), total=total)
        self._progress.update(self._bars[submission], completed=done)


@contextmanager
def uploads(*, shown: bool) -> Iterator[UploadBars | None]:
    """Show bars while the block lasts; None when nothing is to be shown."""
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(error=True), transient=True) as progress:
        yield UploadBars(progress)
