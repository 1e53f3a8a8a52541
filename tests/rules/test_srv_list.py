"""The list of Service Reference Variants is data that says what is wrong with it."""

from __future__ import annotations

import pytest

from sealdrop.core.errors import ConfigurationError
from sealdrop.rules.srv_list import PROBLEMS, parse_srv_list
from support.rule_cases import srvs

_HEADER = b"srv,name,critical,user_roles,non_device\n"
_LINE = b"7.1,Enable Supply,yes,IS,no\n"


def test_the_shipped_list_is_that_of_duis_5_4() -> None:
    shipped = srvs()
    supply = shipped.get("7.1")

    assert len(shipped.variants) == 129
    assert sum(variant.critical for variant in shipped.variants.values()) == 37
    assert supply is not None
    assert supply.critical
    assert supply.user_roles == {"IS"}
    assert {srv for srv, variant in shipped.variants.items() if not variant.user_roles} == {"7.16", "8.5", "8.6"}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"", "line 1"),
        (_HEADER, "line 1"),
        (b"srv,name\n" + _LINE, "line 1"),
        (_HEADER + b"7.1,Enable Supply,yes,IS\n", "line 2"),
        (_HEADER + b"7,Enable Supply,yes,IS,no\n", "line 2"),
        (_HEADER + _LINE + _LINE, "line 3"),
        (_HEADER + b"7.1,Enable Supply,true,IS,no\n", "line 2"),
        (_HEADER + b"7.1,Enable Supply,yes,XX,no\n", "line 2"),
        (_HEADER + b'7.1,"Enable Supply,yes,IS,no\n', "line 2"),
        (b"\xff\xfe", "line 1"),
    ],
)
def test_what_is_wrong_is_reported_by_line(data: bytes, path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_srv_list([data], "srv.csv")

    assert [problem.path for problem in caught.value.problems] == [path]
    assert caught.value.where == "srv.csv"


def test_problems_are_reported_together_and_bounded() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_srv_list([_HEADER + b"x\n" * 1000])

    assert len(caught.value.problems) == PROBLEMS
