"""Results that cannot be misread."""

import pytest

from pdp.cedar.errors import ErrorKind
from pdp.cedar.response import Decision, PolicyError, Response


@pytest.mark.parametrize("decision", Decision)
def test_a_decision_has_no_truth_value(decision: Decision) -> None:
    with pytest.raises(TypeError, match="compare it"):
        bool(decision)
    with pytest.raises(TypeError):
        assert not decision


def test_decisions_are_compared() -> None:
    assert Decision("allow") is Decision.ALLOW
    assert [decision.value for decision in Decision] == ["allow", "deny"]


def test_the_policies_that_failed() -> None:
    errors = (PolicyError("a", ErrorKind.TYPE, "x"), PolicyError("b", ErrorKind.OVERFLOW, "y"))
    assert Response(Decision.ALLOW, frozenset(("c",)), errors).erroring == {"a", "b"}
    assert Response(Decision.DENY, frozenset()).erroring == frozenset()


def test_a_response_is_a_value() -> None:
    assert Response(Decision.DENY, frozenset()) == Response(Decision.DENY, frozenset(), ())
    assert Response(Decision.DENY, frozenset()) != Response(Decision.ALLOW, frozenset())
    assert len({Response(Decision.DENY, frozenset()), Response(Decision.DENY, frozenset(), ())}) == 1
