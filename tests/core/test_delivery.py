"""Proof levels: an order, strongest first."""

from __future__ import annotations

from itertools import pairwise

from sealdrop.core.delivery import ProofLevel


def test_proof_levels_are_listed_strongest_first() -> None:
    names = ["digest", "digest-xor", "size", "accepted", "by-hand"]

    assert [level.value for level in ProofLevel] == names
    assert all(stronger.rank > weaker.rank for stronger, weaker in pairwise(ProofLevel))


def test_a_level_meets_itself_and_every_weaker_one_and_no_stronger_one() -> None:
    levels = list(ProofLevel)
    for place, level in enumerate(levels):
        for other_place, minimum in enumerate(levels):
            assert level.meets(minimum) == (place <= other_place)
