"""Errors: each says what, where and what next, and the tree in the module's text is the tree there is."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest

from sealdrop.core import errors
from sealdrop.core.errors import ConfigurationError, Problem, SealdropError, TemporaryFailure

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, SealdropError)]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SealdropError("it broke"), "it broke"),
        (SealdropError("it broke", where="/etc/x"), "/etc/x: it broke"),
        (SealdropError("it broke", hint="Mend it."), "it broke. Mend it."),
        (SealdropError("it broke", where="/etc/x", hint="Mend it."), "/etc/x: it broke. Mend it."),
    ],
    ids=["what", "what and where", "what and what next", "all three"],
)
def test_an_error_says_what_it_knows(error: SealdropError, text: str) -> None:
    assert str(error) == text
    assert error.args == ("it broke",)


def test_a_problem_says_its_path_and_advice() -> None:
    assert str(Problem(path="root", what="is missing")) == "root: is missing"
    assert str(Problem(path="root", what="is missing", hint="Give it.")) == "root: is missing. Give it."


def test_a_configuration_error_says_every_problem_and_counts_them() -> None:
    one, other = Problem(path="root", what="is missing"), Problem(path="runtime", what="is missing")

    single, both = ConfigurationError([one], where="/etc/x"), ConfigurationError([one, other])

    assert str(single) == "/etc/x: 1 problem in the configuration: root: is missing"
    assert str(both) == "2 problems in the configuration: root: is missing; runtime: is missing"
    assert both.problems == (one, other)


def test_a_temporary_failure_is_uncertain_and_without_a_date_unless_told() -> None:
    plain = TemporaryFailure("no answer")
    told = TemporaryFailure("busy", where="relay", hint="Wait.", retry_after=timedelta(seconds=5), certain=True)

    assert (plain.retry_after, plain.certain) == (None, False)
    assert (told.retry_after, told.certain) == (timedelta(seconds=5), True)
    assert str(told) == "relay: busy. Wait."


def test_the_tree_in_the_text_is_the_tree_there_is() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"(?P<lead>[\s│├└─]+)(?P<name>[A-Z]\w+)", line)
        if found is None:
            continue
        depth = len(found["lead"])
        above = [(at, name) for at, name in above if at < depth]
        if above:
            drawn[found["name"]] = above[-1][1]
        above.append((depth, found["name"]))

    assert drawn == {one.__name__: one.__bases__[0].__name__ for one in CLASSES if one is not SealdropError}


@pytest.mark.parametrize("kind", CLASSES, ids=[one.__name__ for one in CLASSES])
def test_every_error_explains_itself(kind: type[SealdropError]) -> None:
    assert kind.__doc__
    assert kind.__doc__ != SealdropError.__doc__ or kind is SealdropError
