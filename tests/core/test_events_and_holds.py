"""Events and holds: closed sets that are complete everywhere they are used."""

from __future__ import annotations

import dataclasses

import pytest

from sealdrop.core import events as ev
from sealdrop.core.codec import canonical, from_plain, to_plain
from sealdrop.core.holds import Hold, HoldReason, Lifter
from sealdrop.core.lifecycle import TRANSITIONS
from support import lifecycles as lc

AGENT_SAMPLES: tuple[ev.AgentEvent, ...] = (
    ev.AgentStarted(version="0.1.0", environment="live", settings_sha256="ab" * 32, open_submissions=3),
    ev.AgentStopped(reason="SIGTERM"),
    ev.ConfigurationReloaded(settings_sha256="cd" * 32),
    ev.RouteStopped(route="relay", reason="the host key is not the pinned one"),
    ev.RouteResumed(route="relay", by="uid 1000"),
    ev.ReportAdded(sha256="ef" * 32, name="report.csv", rows=3, by="uid 1000"),
    ev.NameLeftAlone(outbox="adt", file_name="a\udcff.csv", reason="not valid UTF-8"),
)


def test_every_event_is_known_by_its_name_and_has_its_row_in_the_table() -> None:
    assert set(ev.EVENT_TYPES.values()) == set(TRANSITIONS) == {type(sample) for sample in lc.SAMPLES}
    assert set(ev.AGENT_EVENT_TYPES.values()) == {type(sample) for sample in AGENT_SAMPLES}
    assert all(name == kind.__name__ for name, kind in {**ev.EVENT_TYPES, **ev.AGENT_EVENT_TYPES}.items())
    assert not set(ev.EVENT_TYPES) & set(ev.AGENT_EVENT_TYPES)


@pytest.mark.parametrize("event", [*lc.SAMPLES, *AGENT_SAMPLES], ids=lambda one: type(one).__name__)
def test_an_event_is_immutable_and_survives_the_ledger(event: ev.Event | ev.AgentEvent) -> None:
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        event.extra = 1  # type: ignore[union-attr]  # the point of the test

    back = from_plain(type(event), to_plain(event))

    assert back == event
    assert canonical(back) == canonical(event)


@pytest.mark.parametrize(
    ("reason", "lifter"),
    [
        (HoldReason.APPROVAL, Lifter.APPROVERS),
        (HoldReason.PARTLY_DELIVERED, Lifter.NOBODY),
        *[
            (reason, Lifter.OPERATOR)
            for reason in HoldReason
            if reason not in {HoldReason.APPROVAL, HoldReason.PARTLY_DELIVERED}
        ],
    ],
)
def test_who_may_lift_a_hold_depends_on_its_reason_alone(reason: HoldReason, lifter: Lifter) -> None:
    assert Hold(reason=reason, text="why").lifter is lifter
