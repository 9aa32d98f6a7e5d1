"""What the engine notes of a decision, where decisions are observed, and that it decides the same."""

from typing import Any

import pytest
from doors import FakeDecider, an_allow
from engine_worlds import AGES, NOW, ask, decide

from pdp.engine.caching import Caching
from pdp.engine.chain import build_chain
from pdp.engine.changes import EVERYTHING
from pdp.engine.decider import Decider, ReasonClass, Verdict
from pdp.engine.observing import Observing, outcome_of
from pdp.engine.snapshot import CurrentWorld, World
from pdp.telemetry.observing import Observation, Observer, concerned


def observed(decider: Decider, **rest: Any) -> tuple[Verdict, Observation]:
    """An answer, and what was noted of it."""
    observer = Observer(None, None, lambda place, error: pytest.fail(repr(error)))
    observation = observer.begin("check", ())
    verdict = decider.decide(ask(request_id="r-1", **rest))
    observer.end(observation, (outcome_of(verdict),))
    return verdict, observation


def chain_of(world: World, *, cached: bool) -> Decider:
    current = CurrentWorld()
    caching = Caching(current, AGES, lambda: NOW, 2**20) if cached else None
    chain = build_chain(
        current,
        AGES,
        lambda: NOW,
        lambda error: pytest.fail(repr(error)),
        caching,
        lambda d: Observing(d, principal=False),
    )
    current.publish(world, EVERYTHING)
    return chain


def test_an_evaluation_has_its_parts(world: World) -> None:
    verdict, noted = observed(chain_of(world, cached=False))
    assert verdict == decide(world, ask())
    assert [phase.name for phase in noted.phases] == ["enrich", "evaluate", "decide"]
    enriched, evaluated, decided = noted.phases
    assert decided.began <= enriched.began <= enriched.ended == evaluated.began <= evaluated.ended <= decided.ended
    assert (decided.outcome, decided.cached) == (outcome_of(verdict), False)
    assert (noted.request_id, noted.principal) == ("r-1", "")


def test_an_answer_from_the_cache_says_so(world: World) -> None:
    chain = chain_of(world, cached=True)
    first, made = observed(chain)
    second, found = observed(chain)
    assert first == second
    assert [(phase.name, phase.cached) for phase in found.phases] == [("decide", True)]
    assert [phase.cached for phase in made.phases if phase.name == "decide"] == [False]


def test_a_refusal_by_the_engine_is_not_from_the_cache(world: World) -> None:
    verdict, noted = observed(chain_of(world, cached=True), min_revision=world.context_revision + 1)
    assert verdict.reason is ReasonClass.CONTEXT_BEHIND
    assert [(phase.name, phase.cached) for phase in noted.phases] == [("decide", False)]


def test_the_principal_is_noted_where_that_is_wanted() -> None:
    verdict, noted = observed(Observing(FakeDecider(an_allow()), principal=True))
    assert (verdict, noted.principal) == (an_allow(), 'User::"ana"')


def test_where_nothing_is_observed_the_answer_is_the_inner_one() -> None:
    inner = FakeDecider(an_allow())
    assert Observing(inner, principal=True).decide(ask()) is inner.verdict


def test_a_failure_is_told_of_with_the_request_that_it_came_with() -> None:
    told: list[dict[str, str]] = []
    chain = build_chain(CurrentWorld(), AGES, _no_time, lambda error: told.append(concerned()))
    assert chain.decide(ask(request_id="r-7")).reason is ReasonClass.INTERNAL
    assert (told, concerned()) == ([{"request_id": "r-7"}], {})


def _no_time() -> int:
    raise OSError("no clock")


def test_an_outcome_says_nothing_but_what_it_must() -> None:
    assert outcome_of(an_allow(("mask", "iban"))) == ("allow", "allowed", "ab12", 7, ("p",))
