"""The lifecycle by example: each step, each refusal, and the words an operator reads when one happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.delivery import Outcome, ProofLevel
from sealdrop.core.errors import StaleTransition
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import TERMINAL, TRANSITIONS, Leg, Record, State, apply, fold
from support import lifecycles as lc

TO_SEALED = (lc.claimed(), lc.accepted(), lc.SEALED)
TWO_SEALED = (lc.claimed(), lc.accepted("main", "second"), lc.SEALED)
LANDED = (lc.started(), lc.commit(), lc.delivered())
PARTLY = (*TWO_SEALED, *LANDED, lc.gave_up(0, "second"))

#: A shortest history into each state.
HISTORIES: dict[State, tuple[ev.Event, ...]] = {
    State.CLAIMED: (lc.claimed(),),
    State.ACCEPTED: (lc.claimed(), lc.accepted()),
    State.REJECTED: (lc.claimed(), lc.REJECTED),
    State.DUPLICATE: (lc.claimed(), lc.DUPLICATE),
    State.SET_ASIDE: (lc.SET_ASIDE,),
    State.SEALED: TO_SEALED,
    State.DEFERRED: (*TO_SEALED, lc.started(), lc.deferred()),
    State.SUPERSEDED: (*TO_SEALED, lc.SUPERSEDED),
    State.PARTLY_DELIVERED: PARTLY,
    State.DELIVERED: (*TO_SEALED, *LANDED),
    State.UNDELIVERABLE: (*TO_SEALED, lc.gave_up(0)),
    State.SENT: (*TO_SEALED, *LANDED, lc.FILED),
    State.FAILED: (lc.claimed(), lc.REJECTED, lc.FILED),
}


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_history(state: State) -> None:
    assert lc.after(*HISTORIES[state]).state is state


@pytest.mark.parametrize(
    ("event", "state"),
    [
        pytest.param(event, state, id=f"{type(event).__name__} when {state.value}")
        for event in lc.SAMPLES
        for state in State
        if state not in TRANSITIONS[type(event)]
    ],
)
def test_a_step_outside_the_table_is_refused(event: ev.Event, state: State) -> None:
    before = lc.after(*HISTORIES[state])

    with pytest.raises(StaleTransition, match=f"is not possible in state {state.value}") as refusal:
        apply(before, lc.ID, event, lc.NOON)

    assert refusal.value.where == lc.ID
    assert before == lc.after(*HISTORIES[state])


@pytest.mark.parametrize(
    "event", [event for event in lc.SAMPLES if None not in TRANSITIONS[type(event)]], ids=lambda one: type(one).__name__
)
def test_nothing_but_a_claim_can_come_first(event: ev.Event) -> None:
    with pytest.raises(StaleTransition, match=r"not possible in state \(none\)"):
        apply(None, lc.ID, event, lc.NOON)


def test_an_empty_history_has_no_record() -> None:
    assert fold(lc.ID, []) is None


def test_a_claim_in_a_foreign_stream_is_refused() -> None:
    with pytest.raises(StaleTransition, match="another id than its stream"):
        apply(None, lc.OTHER, lc.claimed(), lc.NOON)


def test_a_thing_set_aside_is_remembered_without_having_been_read() -> None:
    record = lc.after(lc.SET_ASIDE)

    assert record.reason == "a symbolic link"
    assert record.submission.id == lc.ID
    assert (record.submission.size, record.submission.sha256) == (0, "")
    assert record.submission.file_name == "link.csv"
    assert record.submission.claimed_at == lc.SET_ASIDE.at


def test_the_fold_remembers_when_and_how_often_something_happened() -> None:
    record = lc.after(lc.claimed(), lc.accepted(), lc.REFERENCE)

    assert record.events == 3
    assert (record.changed_at - lc.NOON).total_seconds() == 2
    assert record.lease


def test_acceptance_fixes_the_legs_and_keeps_the_warnings() -> None:
    record = lc.after(lc.claimed(), lc.accepted("main", "second"))

    assert record.legs == (Leg(name="main", route="to-main"), Leg(name="second", route="to-second"))
    assert record.findings == (lc.FINDING,)
    assert (record.profile, record.profile_version, record.records, record.suppressed) == ("adt", "1.0", 4, 1)
    assert record.ordering_keys == ("00-11",)
    assert record.holding == 2
    assert record.supersedes
    assert not record.unverified


def test_a_rejection_keeps_what_was_found() -> None:
    record = lc.after(lc.claimed(), lc.held(), lc.REJECTED)

    assert record.findings == (lc.FINDING,)
    assert (record.profile, record.profile_version, record.records, record.suppressed) == ("adt", "1.0", 4, 2)
    assert (record.rejecting, record.holding) == (3, 1)
    assert record.reason == "rejected by the rules"
    assert record.holds == ()


def test_a_reference_given_before_the_check_survives_a_file_without_one() -> None:
    assert lc.after(lc.claimed(), lc.REFERENCE, lc.accepted()).reference == "INC000001234567"


def test_a_reference_in_the_file_replaces_one_given_before() -> None:
    found = replace(lc.accepted(), reference="INC000007654321")

    assert lc.after(lc.claimed(), lc.REFERENCE, found).reference == "INC000007654321"


def test_a_seal_is_kept() -> None:
    assert lc.after(*TO_SEALED).seal == lc.SEAL


def test_filing_says_where_and_whether_the_producer_went_on_writing() -> None:
    record = lc.after(*HISTORIES[State.SENT])

    assert record.filed == "sent/2026-11-24/thresholds.csv"
    assert record.late_write
    assert record.terminal
    assert not lc.after(*HISTORIES[State.DELIVERED]).terminal


@pytest.mark.parametrize("state", [s for s in State if State.FAILED in TRANSITIONS[ev.Filed].get(s, ())])
def test_what_was_not_delivered_is_filed_as_failed(state: State) -> None:
    assert lc.after(*HISTORIES[state], lc.FILED).state is State.FAILED


@pytest.mark.parametrize("state", TERMINAL)
def test_a_filed_submission_never_moves_again(state: State) -> None:
    assert not any(state in table for table in TRANSITIONS.values())


def test_a_duplicate_is_either_filed_with_a_note_or_held_for_a_person() -> None:
    filed = lc.after(lc.claimed(), lc.held(), lc.DUPLICATE)
    waiting = lc.after(lc.claimed(), lc.held(), lc.DUPLICATE_HELD)

    assert (filed.state, filed.holds) == (State.DUPLICATE, ())
    assert filed.reason == f"equal bytes to submission {lc.OTHER}"
    assert waiting.state is State.CLAIMED
    assert [hold.reason for hold in waiting.holds] == [HoldReason.OPERATOR, HoldReason.DUPLICATE]
    assert waiting.holds[-1].text == f"equal bytes to submission {lc.OTHER}"
    assert filed.duplicate_of == waiting.duplicate_of == lc.OTHER


REFUSALS: dict[str, tuple[tuple[ev.Event, ...], ev.Event, str]] = {
    "accepting without a single leg": (
        (lc.claimed(),),
        ev.Accepted(
            profile="adt", profile_version="1", unverified=True, records=0, ordering_keys=(), supersedes=False,
            legs=(), warnings=(), suppressed=0,
        ),
        "owes at least one leg",
    ),
    "a duplicate of two originals": ((lc.claimed(), lc.DUPLICATE_HELD), lc.DUPLICATE, "already known as a duplicate"),
    "sealing what is held": ((lc.claimed(), lc.accepted(), lc.held()), lc.SEALED, "held; nothing is sealed"),
    "an attempt at what is held": ((*TO_SEALED, lc.held()), lc.started(), "held; no attempt may start"),
    "an attempt at a leg that is not owed": (TO_SEALED, lc.started(1, "other"), "owes no leg 'other'"),
    "two attempts at once": ((*TO_SEALED, lc.started()), lc.started(2), "an attempt is under way"),
    "leaving an attempt out": (TO_SEALED, lc.started(2), "the attempt is not the next one"),
    "repeating an attempt": ((*TO_SEALED, lc.started(), lc.deferred()), lc.started(1), "the attempt is not the next"),
    "a commit before its attempt": (TO_SEALED, lc.commit(), "attempt 1 of leg 'main' is not under way"),
    "a commit of an earlier attempt": (
        (*TO_SEALED, lc.started(), lc.deferred(), lc.started(2)), lc.commit(1), "attempt 1 of leg 'main' is not under",
    ),
    "a commit while an earlier one is in doubt": (
        (*TO_SEALED, lc.started(), lc.commit(), lc.interrupted(), lc.started(2)),
        lc.commit(2),
        "the outcome of an earlier commit is not known",
    ),
    "a second commit of one attempt": (
        (*TO_SEALED, lc.started(), lc.commit()),
        lc.commit(),
        "the outcome of an earlier commit is not known",
    ),
    "giving up what may have landed": (
        (*TO_SEALED, lc.started(), lc.commit(), lc.deferred(certain=False)),
        lc.gave_up(),
        "the outcome of a commit is not known",
    ),
    "an interruption without an attempt": (TO_SEALED, lc.interrupted(), "attempt 1 of leg 'main' is not under way"),
    "a delivery that nobody attempted": (TO_SEALED, lc.delivered(0), "no attempt was ever started"),
    "a delivery by an old attempt": (
        (*TO_SEALED, lc.started(), lc.deferred(), lc.started(2)), lc.delivered(1), "the attempt is not the newest",
    ),
    "deferring an old attempt": (
        (*TO_SEALED, lc.started(), lc.deferred(), lc.started(2)), lc.deferred(1), "the attempt is not the newest",
    ),
    "giving up an old attempt": (
        (*TO_SEALED, lc.started(), lc.deferred(), lc.started(2)), lc.gave_up(1), "the attempt is not the newest",
    ),
    "an attempt at a delivered leg": ((*TWO_SEALED, *LANDED), lc.started(2), "leg 'main' is settled"),
    "an attempt at a leg given up": ((*TWO_SEALED, lc.gave_up(0)), lc.started(1), "leg 'main' is settled"),
    "a delivery by hand during an attempt": ((*TO_SEALED, lc.started()), lc.by_hand(), "an attempt is under way"),
    "a delivery by hand of a delivered leg": ((*TWO_SEALED, *LANDED), lc.by_hand(), "'main' is delivered already"),
    "superseding during an attempt": ((*TO_SEALED, lc.started()), lc.SUPERSEDED, "an attempt is under way"),
    "superseding twice": ((*TO_SEALED, lc.SUPERSEDED), lc.SUPERSEDED, "not possible in state superseded"),
    "abandoning during an attempt": ((*TO_SEALED, lc.started()), lc.ABANDONED, "an attempt is under way"),
    "a part delivery by a mere hold": (
        TO_SEALED, lc.held(HoldReason.PARTLY_DELIVERED), "such a hold comes with its own event",
    ),
    "releasing what is not held": (TO_SEALED, lc.released(), "there is no hold 'operator'"),
    "releasing another hold": ((*TO_SEALED, lc.held(HoldReason.KEY)), lc.released(), "there is no hold 'operator'"),
    "an operator lifting an approval hold": (
        (*TO_SEALED, lc.held(HoldReason.APPROVAL)), lc.released(HoldReason.APPROVAL), "an operator may not lift",
    ),
    "retrying what is superseded": ((*TO_SEALED, lc.SUPERSEDED), lc.RETRY, "not possible in state superseded"),
    "releasing a part delivery without an answer": (
        PARTLY, lc.released(HoldReason.PARTLY_DELIVERED), "an operator may not lift",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("history", "event", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refused(history: tuple[ev.Event, ...], event: ev.Event, message: str) -> None:
    before = lc.after(*history)

    with pytest.raises(StaleTransition, match=message):
        apply(before, lc.ID, event, lc.NOON)

    assert before == lc.after(*history)


def test_one_attempt_from_intent_to_proof() -> None:
    trying = lc.after(*TO_SEALED, lc.started()).leg("main")
    committing = lc.after(*TO_SEALED, lc.started(), lc.commit()).leg("main")
    landed = lc.after(*TO_SEALED, *LANDED).leg("main")

    assert (trying.attempts, trying.trying, trying.transport, trying.uncertain) == (1, 1, "sftp", False)
    assert (committing.committing, committing.uncertain, committing.settled) == (ProofLevel.DIGEST, True, False)
    assert committing.commit_attempt == 1
    assert (landed.attempts, landed.trying, landed.committing) == (1, None, None)
    assert landed.receipt == lc.receipt()
    assert (landed.settled, landed.uncertain) == (True, False)


def test_a_certain_failure_waits_for_its_time_and_leaves_no_doubt() -> None:
    record = lc.after(*TO_SEALED, lc.started(), lc.commit(), lc.deferred())
    leg = record.leg("main")

    assert record.state is State.DEFERRED
    assert (leg.trying, leg.committing, leg.interrupted) == (None, None, False)
    assert (leg.not_before, leg.reason) == (lc.deferred().not_before, "connection lost")


def test_a_later_failure_without_doubt_ends_the_wish_to_look() -> None:
    leg = lc.after(*TO_SEALED, lc.started(), lc.interrupted(), lc.started(2), lc.deferred(2)).leg("main")

    assert not leg.interrupted


def test_the_state_stays_deferred_until_everything_is_settled() -> None:
    deferred = (*TWO_SEALED, lc.started(), lc.deferred())

    assert lc.after(*deferred, lc.started(2)).state is State.DEFERRED
    assert lc.after(*deferred, *(lc.started(2), lc.delivered(2))).state is State.DEFERRED


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param((lc.started(), lc.commit(), lc.interrupted()), id="the process died"),
        pytest.param((lc.started(), lc.commit(), lc.deferred(certain=False)), id="the connection was lost"),
    ],
)
@pytest.mark.parametrize(
    "meanwhile",
    [(), (lc.held(), lc.released()), (lc.RETRY,), (lc.RECOVERED,), (lc.REFERENCE,)],
    ids=["nothing", "held and released", "a retry asked for", "a recovery", "a reference"],
)
def test_doubt_lasts_until_somebody_settles_it(cut: tuple[ev.Event, ...], meanwhile: tuple[ev.Event, ...]) -> None:
    doubtful = (*TO_SEALED, *cut, *meanwhile)

    assert lc.after(*doubtful).leg("main").uncertain
    assert lc.after(*doubtful).leg("main").interrupted
    assert not lc.after(*doubtful, lc.delivered()).leg("main").uncertain
    assert not lc.after(*doubtful, lc.deferred()).leg("main").uncertain
    assert not lc.after(*doubtful, lc.by_hand()).leg("main").uncertain
    asked = (lc.held(HoldReason.UNKNOWN_OUTCOME), lc.released(HoldReason.UNKNOWN_OUTCOME))
    assert not lc.after(*doubtful, *asked).leg("main").uncertain


def test_an_interruption_before_the_commit_leaves_no_doubt_but_wants_a_look() -> None:
    leg = lc.after(*TO_SEALED, lc.started(), lc.interrupted()).leg("main")

    assert (leg.uncertain, leg.interrupted, leg.trying) == (False, True, None)


def test_a_person_who_found_out_settles_only_what_was_in_doubt() -> None:
    record = lc.after(
        *TWO_SEALED,
        *(lc.started(), lc.commit(), lc.interrupted()),
        *(lc.started(1, "second"), lc.commit(1, "second")),
        *(lc.held(HoldReason.UNKNOWN_OUTCOME), lc.released(HoldReason.UNKNOWN_OUTCOME)),
    )

    assert (record.leg("main").uncertain, record.leg("main").interrupted) == (False, True)
    assert record.leg("second").uncertain  # it is under way and the answer was not about it


def test_a_person_who_was_asked_about_one_leg_settles_no_other() -> None:
    asked = ev.Held(hold=Hold(reason=HoldReason.UNKNOWN_OUTCOME, text="look", leg="second"))
    doubts = [(lc.started(leg=leg), lc.commit(leg=leg), lc.interrupted(leg=leg)) for leg in ("main", "second")]

    record = lc.after(*TWO_SEALED, *doubts[0], *doubts[1], asked, lc.released(HoldReason.UNKNOWN_OUTCOME))

    assert record.leg("main").uncertain
    assert not record.leg("second").uncertain


def test_releasing_another_hold_settles_no_doubt() -> None:
    record = lc.after(*TO_SEALED, lc.started(), lc.commit(), lc.interrupted(), lc.held(), lc.released())

    assert record.leg("main").uncertain


def test_a_look_that_found_nothing_earlier_is_still_wanted_after_a_release() -> None:
    record = lc.after(
        *TO_SEALED,
        *(lc.started(), lc.interrupted()),
        *(lc.held(HoldReason.UNKNOWN_OUTCOME), lc.released(HoldReason.UNKNOWN_OUTCOME)),
    )

    assert record.leg("main").interrupted


def test_a_hold_is_one_of_its_kind_and_the_newest_sentence_counts() -> None:
    again = ev.Held(hold=Hold(reason=HoldReason.KEY, text="the key has ended"))
    record = lc.after(*TO_SEALED, lc.held(HoldReason.KEY), lc.held(), again)

    assert [hold.reason for hold in record.holds] == [HoldReason.OPERATOR, HoldReason.KEY]
    assert record.holds[-1].text == "the key has ended"


def test_a_release_lifts_one_kind_of_hold_and_is_remembered() -> None:
    record = lc.after(*TO_SEALED, lc.held(HoldReason.KEY), lc.held(), lc.released())

    assert [hold.reason for hold in record.holds] == [HoldReason.KEY]
    assert record.released == (HoldReason.OPERATOR,)


def test_what_is_superseded_says_by_what() -> None:
    record = lc.after(*TO_SEALED, lc.SUPERSEDED)

    assert record.superseded_by == lc.OTHER
    assert (record.state, record.holds) == (State.SUPERSEDED, ())
    assert record.reason == f"submission {lc.OTHER} is newer and replaces it"


def test_superseding_in_doubt_says_so() -> None:
    record = lc.after(*TO_SEALED, lc.started(), lc.commit(), lc.deferred(certain=False), lc.SUPERSEDED)

    assert record.state is State.SUPERSEDED
    assert "may have landed" in (record.reason or "")


def test_superseding_what_landed_in_part_leaves_it_to_a_person() -> None:
    record = lc.after(*TWO_SEALED, *LANDED, lc.SUPERSEDED)

    assert record.state is State.PARTLY_DELIVERED
    assert [hold.reason for hold in record.holds] == [HoldReason.PARTLY_DELIVERED]
    assert record.superseded_by == lc.OTHER


def test_one_leg_given_up_and_one_delivered_is_held_for_a_person() -> None:
    record = lc.after(*PARTLY)

    assert record.state is State.PARTLY_DELIVERED
    assert [hold.reason for hold in record.holds] == [HoldReason.PARTLY_DELIVERED]
    assert record.reason == record.holds[0].text == "second: too large for the route"


def test_the_other_way_round_too() -> None:
    record = lc.after(*TWO_SEALED, lc.held(), lc.gave_up(0, "second"), lc.released(), *LANDED)

    assert record.state is State.PARTLY_DELIVERED


def test_a_part_delivery_keeps_other_holds() -> None:
    record = lc.after(*TWO_SEALED, *LANDED, lc.held(), lc.gave_up(0, "second"))

    assert [hold.reason for hold in record.holds] == [HoldReason.OPERATOR, HoldReason.PARTLY_DELIVERED]


def test_three_legs_stay_partly_delivered_until_the_last_is() -> None:
    three = (lc.claimed(), lc.accepted("main", "second", "third"), lc.SEALED, *LANDED)
    partly = (*three, lc.gave_up(0, "second"), lc.gave_up(0, "third"))
    once = lc.after(*partly, lc.by_hand("second"))

    assert once.state is State.PARTLY_DELIVERED
    assert [hold.reason for hold in once.holds] == [HoldReason.PARTLY_DELIVERED]
    assert once.reason == "third: too large for the route"
    assert lc.after(*partly, lc.by_hand("second"), lc.by_hand("third")).state is State.DELIVERED


def test_a_retry_owes_the_legs_given_up_again_and_nothing_that_landed() -> None:
    record = lc.after(*PARTLY, lc.held(), lc.RETRY)

    assert record.state is State.DEFERRED
    assert [hold.reason for hold in record.holds] == [HoldReason.OPERATOR]
    assert record.leg("main").receipt == lc.receipt()
    assert not record.leg("second").settled


def test_a_retry_makes_a_deferred_leg_due_now() -> None:
    record = lc.after(*TO_SEALED, lc.started(), lc.deferred(), lc.RETRY)

    assert record.state is State.DEFERRED
    assert record.leg("main").not_before is None


def test_delivery_clears_holds_and_reasons() -> None:
    record = lc.after(*PARTLY, lc.held(), lc.by_hand("second"))

    assert (record.state, record.holds, record.reason) == (State.DELIVERED, (), None)
    assert not record.leg("second").given_up


def test_a_delivery_by_hand_ends_every_doubt() -> None:
    leg = lc.after(*TO_SEALED, lc.started(), lc.commit(), lc.interrupted(), lc.by_hand()).leg("main")

    assert (leg.committing, leg.interrupted, leg.given_up) == (None, False, False)
    assert leg.receipt == lc.receipt()


def test_every_leg_given_up_is_undeliverable_with_all_reasons() -> None:
    record = lc.after(*TWO_SEALED, lc.held(), lc.gave_up(0, "second"), lc.gave_up(0))

    assert (record.state, record.holds) == (State.UNDELIVERABLE, ())
    assert record.reason == "main: too large for the route; second: too large for the route"


def test_giving_up_ends_the_attempt() -> None:
    leg = lc.after(*TO_SEALED, lc.started(), lc.gave_up()).leg("main")

    assert (leg.trying, leg.given_up, leg.reason) == (None, True, "too large for the route")


def test_a_leg_given_up_after_its_commit_is_looked_for_before_it_is_sent_again() -> None:
    history = (*TWO_SEALED, *LANDED, lc.started(1, "second"), lc.commit(1, "second"), lc.gave_up(1, "second"))
    leg = lc.after(*history, lc.RETRY).leg("second")

    assert (leg.settled, leg.uncertain, leg.interrupted) == (False, True, True)


def test_an_interruption_is_not_forgotten_by_giving_up() -> None:
    history = (*TWO_SEALED, *LANDED, lc.started(1, "second"), lc.interrupted(1, "second"), lc.gave_up(1, "second"))

    assert lc.after(*history, lc.RETRY).leg("second").interrupted


def test_an_abandoned_submission_says_who_and_why() -> None:
    record = lc.after(*TO_SEALED, lc.held(HoldReason.APPROVAL), lc.ABANDONED)

    assert (record.state, record.holds) == (State.UNDELIVERABLE, ())
    assert record.reason == "abandoned by uid 1000: withdrawn by the business"


RECOVERIES: dict[str, tuple[tuple[ev.Event, ...], int]] = {
    "deaths are counted": ((lc.claimed(), lc.RECOVERED, lc.RECOVERED), 2),
    "acceptance is progress": ((lc.claimed(), lc.RECOVERED, lc.RECOVERED, lc.accepted()), 0),
    "a rejection is progress": ((lc.claimed(), lc.RECOVERED, lc.RECOVERED, lc.REJECTED), 0),
    "a seal is progress": ((lc.claimed(), lc.accepted(), lc.RECOVERED, lc.SEALED), 0),
    "a delivery is progress": ((*TO_SEALED, lc.RECOVERED, *LANDED), 0),
    "a failed attempt is none": ((*TO_SEALED, lc.RECOVERED, lc.started(), lc.deferred()), 1),
    "part of a delivery is none": ((*TWO_SEALED, lc.RECOVERED, *LANDED), 1),
    "giving up a part is none": ((*TWO_SEALED, *LANDED, lc.RECOVERED, lc.gave_up(0, "second")), 1),
    "they count anew at the next stage": ((lc.claimed(), lc.RECOVERED, lc.accepted(), lc.RECOVERED), 1),
    "holding is none": ((lc.claimed(), lc.RECOVERED, lc.held(), lc.released()), 1),
    "releasing a poison file starts anew": (
        (lc.claimed(), lc.RECOVERED, lc.held(HoldReason.POISON), lc.released(HoldReason.POISON)), 0,
    ),
    "filing keeps the count of filing": ((*TO_SEALED, *LANDED, lc.RECOVERED, lc.FILED), 1),
}  # fmt: skip


@pytest.mark.parametrize(("history", "recoveries"), RECOVERIES.values(), ids=RECOVERIES)
def test_poison_is_what_kills_the_process_in_a_row_at_one_stage(history: tuple[ev.Event, ...], recoveries: int) -> None:
    assert lc.after(*history).recoveries == recoveries


def test_an_unknown_leg_is_named() -> None:
    with pytest.raises(StaleTransition, match=f"submission {lc.ID} owes no leg 'other'"):
        lc.after(*TO_SEALED).leg("other")


def test_an_object_found_at_the_far_end_settles_an_interrupted_attempt() -> None:
    found = ev.LegDelivered(leg="main", attempt=1, receipt=lc.receipt(Outcome.FOUND))
    record: Record = lc.after(*TO_SEALED, lc.started(), lc.commit(), lc.interrupted(), found)

    assert record.state is State.DELIVERED
    assert record.legs[0].receipt == lc.receipt(Outcome.FOUND)
    assert not record.legs[0].interrupted


def test_a_delivery_ends_the_story_of_earlier_failures() -> None:
    record = lc.after(*TO_SEALED, lc.started(), lc.deferred(), lc.started(2), lc.delivered(2))

    assert record.leg("main").reason is None


@pytest.mark.parametrize(
    ("history", "event", "wider", "message"),
    [
        pytest.param((), lc.SEALED, {None: {State.SEALED}}, "cannot be the first event", id="a first step too many"),
        pytest.param(
            TO_SEALED,
            lc.SET_ASIDE,
            {State.SEALED: {State.SET_ASIDE}},
            "can only be the first",
            id="a later too many",
        ),
        pytest.param(
            TO_SEALED, lc.ABANDONED, {State.SEALED: {State.SENT}}, "may not lead from", id="a step to somewhere else"
        ),
    ],
)
def test_a_table_edited_by_mistake_does_not_open_a_way(
    monkeypatch: pytest.MonkeyPatch,
    history: tuple[ev.Event, ...],
    event: ev.Event,
    wider: dict[State | None, set[State]],
    message: str,
) -> None:
    before = lc.after(*history) if history else None
    row = {state: frozenset(targets) for state, targets in wider.items()}
    monkeypatch.setitem(TRANSITIONS, type(event), row)

    with pytest.raises(StaleTransition, match=message) as refusal:
        apply(before, lc.ID, event, lc.NOON)

    assert refusal.value.where == lc.ID
