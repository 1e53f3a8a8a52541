"""The error tree: few leaves, each named by what the caller should do.

    SealdropError
    ├── ConfigurationError    nothing was started; mend the configuration
    ├── Refused               this request is not allowed, and nothing changed
    │   └── StaleTransition   the submission moved on meanwhile; look again
    ├── NotYet                a dropped file is not complete; look again at the next sweep
    ├── Unacceptable          a dropped thing can never be taken; set it aside with the reason
    ├── KeyUnusable           a key may not be used; stop its kind before anything is claimed
    ├── SealFailed            sealing did not succeed; nothing half-made remains; may be tried again
    ├── TemporaryFailure      a transport may succeed later; defer
    │   ├── Unreachable       the far end cannot be reached at all; rest the whole route for a while
    │   └── RouteUnusable     the route itself is wrong (host key, login); stop it until a person acts
    ├── PermanentFailure      this submission cannot succeed on this transport
    ├── StorageFailure        our own disk cannot be trusted; stop the agent and re-derive at start
    │   └── NoSpace           the reserve would be used up; claim nothing, resume alone
    ├── Stuck                 work in hand does not end; the process must be started again
    ├── LedgerBroken          the ledger does not verify; refuse to start
    ├── NotRunning            no agent answers on its control socket; start it, or read from the ledger
    └── Unanswered            the agent did not answer; whether it acted is unknown, look before asking again

Each error says *what* happened, *where* (a file, key, route or setting) and *what next*. None carries
payload or a secret: whoever raises one passes names and numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class SealdropError(Exception):
    """Something went wrong, said so that a person can act on it.

    Args:
        what: one sentence without a full stop.
        where: the file, key, route or setting concerned.
        hint: what to do next, as an imperative sentence.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a configuration: its dotted path, what is wrong, what to do."""

    path: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        advice = f". {self.hint}" if self.hint else ""
        return f"{self.path}: {self.what}{advice}"


class ConfigurationError(SealdropError):
    """The configuration is wrong; all problems are reported at once and nothing was started."""

    def __init__(self, problems: Sequence[Problem], *, where: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        plural = "problem" if count == 1 else "problems"
        super().__init__(
            f"{count} {plural} in the configuration: " + "; ".join(str(p) for p in self.problems),
            where=where,
        )


class Refused(SealdropError):
    """The request is not allowed, and nothing changed."""


class StaleTransition(Refused):
    """The lifecycle has no such step from the present state; somebody else moved the submission."""


class NotYet(SealdropError):
    """The dropped file is not complete: a writer is still there. Look again at the next sweep."""


class Unacceptable(SealdropError):
    """The dropped thing can never be taken (link, device, too large). It is set aside, its target never read."""


class KeyUnusable(SealdropError):
    """A key is missing, expired, revoked, weak or ambiguous; nothing is sealed with it."""


class SealFailed(SealdropError):
    """Sealing did not succeed; no sealed file exists under its final name."""


class TemporaryFailure(SealdropError):
    """A transport could not deliver now but may later.

    Args:
        retry_after: how long the far end asked us to wait, when it said so.
        certain: the transport knows that nothing became visible, although ``commit`` had been called.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        retry_after: timedelta | None = None,
        certain: bool = False,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after
        self.certain = certain


class Unreachable(TemporaryFailure):
    """The far end cannot be reached at all (refused, no route, no answer): it is nothing about this submission."""


class RouteUnusable(TemporaryFailure):
    """The route itself is wrong (host key, login, certificate): no submission is at fault and none may be sent.

    The route stops at once, without a retry storm, until a person retries it or reloads the configuration.
    """


class PermanentFailure(SealdropError):
    """This submission cannot succeed on this transport, whenever it is tried."""


class StorageFailure(SealdropError):
    """A local write, sync or rename failed; what the disk holds is unknown until the next start re-derives it."""


class NoSpace(StorageFailure):
    """The free-space reserve would be used up. Nothing was begun; claims resume when space returns."""


class Stuck(SealdropError):
    """Work in hand did not end in its time; only a new process settles it."""


class LedgerBroken(SealdropError):
    """The ledger does not verify: changed, deleted, reordered or inserted rows, or a fold that disagrees."""


class NotRunning(SealdropError):
    """No agent answers on its control socket."""


class Unanswered(SealdropError):
    """The agent took a request and did not answer it; whether it acted is unknown."""
