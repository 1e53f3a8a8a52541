"""The service manager's side of sd_notify: an address to give to an agent, and what the agent said there.

A thread reads all the time, so that an agent that talks a lot is never made to wait.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_MAX_MESSAGE = 4096
_END = b"END"


class Supervisor:
    """Listens at ``path``, which must be short."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, name="supervisor", daemon=True)

    @property
    def words(self) -> list[str]:
        """What was said in order, such as ``READY=1``; the texts of the status are left out."""
        return [f"{name}={value}" for message in self.messages for name, value in message.items() if name != "STATUS"]

    def heard(self, word: str) -> int:
        """Count how often something such as ``READY=1`` was said."""
        return self.words.count(word)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.sendto(_END, str(self.path))
        self._thread.join()
        self._socket.close()
        self.path.unlink()

    def _listen(self) -> None:
        while (data := self._socket.recv(_MAX_MESSAGE)) != _END:
            self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))
