"""The chain: whatever fails inside is a deny and is told of; whatever does not fail passes unchanged."""

import pytest
from doors import FakeDecider, an_allow
from engine_worlds import AGES, NOW, ask, decide

from pdp.cedar.response import Decision
from pdp.engine.chain import FailClosed, build_chain
from pdp.engine.decider import ReasonClass
from pdp.engine.snapshot import CurrentWorld, World


@pytest.mark.parametrize(
    "failure", [RuntimeError("secret"), KeyError("policy"), RecursionError(), MemoryError(), AssertionError()]
)
def test_every_exception_becomes_a_deny_and_is_told(failure: Exception) -> None:
    told: list[Exception] = []
    verdict = FailClosed(FakeDecider(an_allow(), failure=failure), told.append).decide(ask())
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.INTERNAL)
    assert told == [failure]
    assert "secret" not in verdict.message


def test_the_process_may_still_be_ended() -> None:
    class Leaving:
        def decide(self, request: object) -> object:
            raise SystemExit

    with pytest.raises(SystemExit):
        FailClosed(Leaving(), lambda _: None).decide(ask())  # type: ignore[arg-type]  # a Decider that answers nothing


def test_a_verdict_passes_as_it_is() -> None:
    told: list[Exception] = []
    inner = FakeDecider(an_allow())
    request = ask()
    assert FailClosed(inner, told.append).decide(request) is inner.verdict
    assert inner.asked == [request]
    assert told == []


def test_the_whole_chain_answers_as_its_innermost(world: World) -> None:
    told: list[Exception] = []
    current = CurrentWorld()
    chain = build_chain(current, AGES, lambda: NOW, told.append)
    assert chain.decide(ask()).reason is ReasonClass.NOT_READY
    current.world = world
    assert chain.decide(ask()) == decide(world, ask())
    assert told == []


def test_the_whole_chain_fails_closed(world: World) -> None:
    def no_time() -> int:
        raise OSError("no clock")

    told: list[Exception] = []
    current = CurrentWorld()
    current.world = world
    assert build_chain(current, AGES, no_time, told.append).decide(ask()).reason is ReasonClass.INTERNAL
    assert [type(error) for error in told] == [OSError]
