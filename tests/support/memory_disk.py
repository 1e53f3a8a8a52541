"""A disk in memory that survives the death of a process, and the fuse that kills one between any two steps.

``MemoryDisk`` maps paths to bytes; folders exist as long as something is in them. Every change burns the fuse before
and after it, a write also half-way, so that a test which lights the fuse at each step in turn leaves behind what a
killed process leaves. Once burnt, every further step dies too: a dead process runs no ``finally``.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path


class Died(BaseException):
    """The process died here. Nothing in the product may catch it."""


class Fuse:
    """Counts steps; when lit, the process dies at the step it was lit for."""

    def __init__(self, most: int = 200_000) -> None:
        self.steps = 0
        self._most = most
        self._left: int | None = None
        self._lock = threading.Lock()

    def light(self, steps: int) -> None:
        """Let the process die after so many more steps."""
        self._left = steps

    def blow(self, where: str) -> None:
        """Let the process die here and now.

        Raises:
            Died: always.
        """
        self._left = 0
        self.burn(where)

    def put_out(self) -> None:
        """Start a new process: it does not die."""
        self._left = None

    def burn(self, where: str) -> None:
        """Take one step.

        Raises:
            Died: it was the last one. AssertionError: so many steps that the caller must be spinning.
        """
        with self._lock:
            self.steps += 1
            if self.steps > self._most:
                message = f"more than {self._most} steps; the flow spins at {where}"
                raise AssertionError(message)
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise Died(where)


class MemoryDisk:
    """Files by path. Reading costs no step."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.files: dict[Path, bytes] = {}
        self.fuse = fuse or Fuse()
        self._lock = threading.RLock()

    def read(self, path: Path) -> bytes:
        """Return a file's bytes.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._lock:
            if path not in self.files:
                raise FileNotFoundError(path)
            return self.files[path]

    def write(self, path: Path, data: bytes) -> None:
        """Write a file in place; a death in between leaves half of it."""
        self.fuse.burn(f"before writing {path}")
        self._set(path, data[: len(data) // 2])
        self.fuse.burn(f"while writing {path}")
        self._set(path, data)
        self.fuse.burn(f"after writing {path}")

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file so that it appears whole."""
        self.fuse.burn(f"before replacing {path}")
        self._set(path, data)
        self.fuse.burn(f"after replacing {path}")

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file, or a folder with everything in it, in one step."""
        self.fuse.burn(f"before renaming {old}")
        with self._lock:
            for path in [old] if old in self.files else self.under(old):
                self.files[new / path.relative_to(old)] = self.files.pop(path)
        self.fuse.burn(f"after renaming {old}")

    def remove(self, path: Path) -> None:
        """Remove a file; harmless when there is none."""
        if path in self.files:
            self.fuse.burn(f"before removing {path}")
            with self._lock:
                self.files.pop(path, None)
            self.fuse.burn(f"after removing {path}")

    def _set(self, path: Path, data: bytes) -> None:
        with self._lock:
            self.files[path] = data

    def under(self, folder: Path) -> list[Path]:
        """Return the files below a folder, sorted."""
        prefix = f"{folder}/"
        with self._lock:
            return sorted(path for path in self.files if str(path).startswith(prefix))

    def names(self, folder: Path) -> list[str]:
        """Return the names directly in a folder, sorted."""
        return sorted({path.relative_to(folder).parts[0] for path in self.under(folder)})


def digest(data: bytes) -> str:
    """Return the digest as our records have it."""
    return hashlib.sha256(data).hexdigest()
