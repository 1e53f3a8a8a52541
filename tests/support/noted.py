"""A journal that keeps what it is told, for tests that ask what an operator would read."""

from __future__ import annotations

from sealdrop.ports.ledger import Committed


class NotedJournal:
    """``ports.people.Journal`` into two lists."""

    def __init__(self) -> None:
        self.events: list[Committed] = []
        self.notices: list[tuple[str, str, bool, dict[str, str | int]]] = []

    def committed(self, committed: Committed) -> None:
        self.events.append(committed)

    def notice(self, kind: str, text: str, *, urgent: bool = False, **fields: str | int) -> None:
        self.notices.append((kind, text, urgent, fields))

    @property
    def kinds(self) -> list[str]:
        """The kinds of the notices, in order."""
        return [kind for kind, _, _, _ in self.notices]
