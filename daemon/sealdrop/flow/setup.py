"""What one configuration amounts to: the outboxes, kinds and routes that the flow works with.

Made by the composition root from the settings and never changed; a reload makes a new one. Everything here is a
port or a decision, so the flow knows neither files of configuration nor concrete adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from sealdrop.core.order import OrderPolicy
from sealdrop.core.readiness import ReadinessPolicy
from sealdrop.core.retry import RetryPolicy
from sealdrop.core.submission import LegPlan
from sealdrop.ports.intake import Hints, Outbox
from sealdrop.ports.rules import Validator
from sealdrop.ports.sealing import Sealer
from sealdrop.ports.transport import Transport


class DuplicatePolicy(Enum):
    """What happens to equal bytes of the same kind within the window."""

    HOLD = "hold"  # a person decides
    FILE = "file"  # filed under failed/ with a note
    SEND = "send"  # delivered again


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSetup:
    """One outbox and how a producer says that a file in it is complete."""

    outbox: Outbox
    kind: str
    readiness: ReadinessPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSetup:
    """How files of one kind are treated.

    Args:
        name: for example ``adt``. priority: higher goes first.
        legs: the deliveries owed. validator, sealer: its rules and its keys. key_set: name of the keys.
        order: see ``core.order``. max_bytes: largest file taken.
        max_active_files, max_active_bytes: bound on what is being worked on (neither deferred nor held).
        duplicates, duplicate_window: see ``DuplicatePolicy``. patience: from the claim until it is given up.
        keep: what stays in ``sent/``: ``content``, ``sealed`` or ``digest``.
        output_name: template of the remote name.
    """

    name: str
    priority: int
    legs: tuple[LegPlan, ...]
    validator: Validator
    sealer: Sealer
    key_set: str
    order: OrderPolicy
    max_bytes: int
    max_active_files: int
    max_active_bytes: int
    duplicates: DuplicatePolicy
    duplicate_window: timedelta
    patience: timedelta
    keep: str
    output_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSetup:
    """One route: an ordered choice of transports.

    Args:
        retry: how pauses grow. max_parallel: attempts at once.
        max_waiting_files: bound on what is deferred or held on it; above it, kinds that use it claim no more.
    """

    name: str
    transports: tuple[Transport, ...]
    retry: RetryPolicy
    max_parallel: int
    max_waiting_files: int

    def transport(self, name: str) -> Transport | None:
        """Return the transport of that name, or None when the configuration no longer has it."""
        return next((one for one in self.transports if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that a configuration decides.

    Args:
        environment: ``live`` or the name of a DCC test environment. settings_sha256: names the configuration.
        reserve_bytes: free space that is never used up by new claims.
        sweep_seconds: longest time between looks. stuck_seconds: a worker without progress for that long is stuck.
        check_workers, seal_workers: sizes of the pools.
    """

    environment: str
    settings_sha256: str
    outboxes: tuple[OutboxSetup, ...]
    kinds: dict[str, KindSetup]
    routes: dict[str, RouteSetup]
    reserve_bytes: int
    sweep_seconds: float
    stuck_seconds: float
    check_workers: int
    seal_workers: int
    hints: tuple[Hints, ...] = field(default=())

    def close(self) -> None:
        """Close what the configuration opened: transports and sealers; each may be closed twice."""
        for route in self.routes.values():
            for transport in route.transports:
                transport.close()
        for kind in self.kinds.values():
            kind.sealer.close()
