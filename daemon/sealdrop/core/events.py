"""What can happen, as values. The ledger stores these and nothing else; every state is a fold of them.

An event is never changed once released: a new field gets a default, a changed meaning gets a new event. The
ledger writes ``VERSION`` beside each payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sealdrop.core.delivery import ProofLevel, Receipt
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.submission import LegPlan, Seal, Submission, SubmissionId
from sealdrop.core.verdict import Change, Finding

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The file is ours: private, immutable bytes exist and are hashed."""

    submission: Submission
    lease: bool  # a read lease proved that no writer had it open


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A claimed thing that can never be taken (a link, a device, too large); its content was not read."""

    outbox: str
    kind: str
    environment: str
    file_name: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateOf:
    """Equal bytes of the same kind are already in our care or sent, within the kind's window."""

    original: SubmissionId
    hold: bool  # True: a person decides; False: filed with a note


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The rules found nothing that forbids delivery. The legs are fixed here, whatever the configuration later says."""

    profile: str
    profile_version: str
    unverified: bool
    records: int
    ordering_keys: tuple[str, ...]
    supersedes: bool  # a newer one of this kind replaces an undelivered older one
    legs: tuple[LegPlan, ...]
    warnings: tuple[Finding, ...]
    suppressed: int
    reference: str | None = None
    holding: int = 0  # findings that ask for a person, suppressed ones included
    changes: tuple[Change, ...] = ()  # against earlier files, the largest increase first, capped
    changed: int = 0  # how many there are
    approvals: int = 0  # signed approvals that the profile wants where a guard holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The rules found what cannot be right."""

    profile: str
    profile_version: str
    findings: tuple[Finding, ...]
    suppressed: int
    records: int
    rejecting: int = 0  # findings that cannot be right, suppressed ones included
    holding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Signed and encrypted once; these bytes are what every attempt sends."""

    seal: Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """The network is about to be touched."""

    leg: str
    attempt: int
    transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStarted:
    """The remote temporary copy is proven; from here on the object may become visible."""

    leg: str
    attempt: int
    proof: ProofLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInterrupted:
    """The process died during an attempt (booked by recovery only)."""

    leg: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDelivered:
    """One leg is proven to have landed."""

    leg: str
    attempt: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The attempt failed for now; ``certain`` is False when the object may be visible all the same."""

    leg: str
    attempt: int
    reason: str
    not_before: datetime
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """The leg cannot succeed, or its time is over."""

    leg: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A newer submission of the same ordering keys replaces this undelivered one, which never lands."""

    by: SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Progress stops until somebody lifts the hold."""

    hold: Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One kind of hold was lifted by a person, who said why."""

    reason: HoldReason
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested:
    """A person wants another attempt now: due at once, and legs given up are owed again."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredByHand:
    """A person delivered a leg and gave evidence."""

    leg: str
    by: str
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceGiven:
    """A person gave the SMSR reference."""

    reference: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """A person gave the submission up and said why."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The process died while this submission was being worked on; counted, so that a poison file is held."""

    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """The evidence is in its final folder."""

    folder: str  # relative to the root
    late_write: bool = False  # the producer went on writing after the claim; both copies are kept


Event = (
    Claimed
    | SetAside
    | DuplicateOf
    | Accepted
    | Rejected
    | Sealed
    | AttemptStarted
    | CommitStarted
    | AttemptInterrupted
    | LegDelivered
    | Deferred
    | GaveUp
    | Superseded
    | Held
    | Released
    | RetryRequested
    | DeliveredByHand
    | ReferenceGiven
    | Abandoned
    | Recovered
    | Filed
)

# --- the agent's own stream ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStarted:
    """The agent began; ``settings_sha256`` names the configuration it runs on."""

    version: str
    environment: str
    settings_sha256: str
    open_submissions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStopped:
    """The agent ended cleanly."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReloaded:
    """A new configuration is in force."""

    settings_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStopped:
    """A route is unusable until a person acts (host key, login)."""

    route: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteResumed:
    """A route is tried again."""

    route: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLeftAlone:
    """A name in an outbox is not taken; said once."""

    outbox: str
    file_name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAdded:
    """A Quarantined Communications Report was imported; ``sha256`` names its copy."""

    sha256: str
    name: str
    rows: int
    by: str


AgentEvent = (
    AgentStarted | AgentStopped | ConfigurationReloaded | RouteStopped | RouteResumed | NameLeftAlone | ReportAdded
)

EVENT_TYPES: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}
AGENT_EVENT_TYPES: dict[str, type[AgentEvent]] = {kind.__name__: kind for kind in AgentEvent.__args__}
