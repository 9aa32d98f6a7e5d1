"""The official corpus, all of it: 62,472 requests, each decided by the interpreter and by the compiled program, without
and with its schema.
"""

import pytest
from official_cases import corpus_case, corpus_names, failures

from pdp.compiler import plan

SHARDS = "0123456789abcdef"
"""Cases are named by a hash: its first digit makes sixteen tests of them, so that a failure says where it is."""


@pytest.mark.parametrize("digit", SHARDS)
def test_decides_as_expected(digit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "WORTH_TYPING", 0)  # types are used wherever there are any
    wrong = [failure for name in corpus_names() if name.startswith(digit) for failure in failures(corpus_case(name))]
    assert wrong == []


def test_this_is_all_of_it() -> None:
    names = corpus_names()
    assert len(names) == 7_809
    assert {name[0] for name in names} == set(SHARDS)
    requests = [request for name in names[:50] for request in corpus_case(name).requests]
    assert len(requests) == 400
    assert sum(1 for _, expected in requests if expected.decision == "allow") > 100
    assert sum(1 for _, expected in requests if expected.errors) > 5
