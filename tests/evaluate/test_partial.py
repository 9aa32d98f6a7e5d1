"""Partial evaluation in random worlds, the interpreter being the judge.

For every completion of a partial request, what is left of the policies decides as the policies do: decision, reasons,
which policies fail, and how. The worlds are those of `strategies`, for the schema repaired to conform.
"""

import random
from collections import Counter
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partial_worlds import SCHEMA, Question, conforming, question
from strategies import World, sampled_worlds, worlds

from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import PolicySet
from pdp.cedar.response import Decision, Response
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policies
from pdp.evaluate.authorize import authorize
from pdp.evaluate.partial import Outcome, PartialRequest, PartialResponse, partial_authorize, refine

PARTIAL_REQUESTS: Final = max(2_000, settings.default.max_examples if settings.default else 0)
_ENTROPY: Final = 64
_SAMPLED: Final = 150
NOTHING: Final[frozenset[str]] = frozenset()

Answer = tuple[Decision, frozenset[str], frozenset[tuple[str, ErrorKind]]]


def answer(response: Response) -> Answer:
    """A response without its messages: those of a residual may be about a part of the expression."""
    assert len(response.erroring) == len(response.errors), "a policy is reported twice"
    return response.decision, response.reasons, frozenset((error.policy_id, error.kind) for error in response.errors)


def check(asked: Question, schema: Schema | None) -> None:
    """All that must hold of one partial request."""
    world = asked.world
    response = partial_authorize(asked.partial, world.policies, world.entities, schema)
    check_places(response, world.policies)
    printed = replace(response, residuals=reread(response.residuals))
    for request in asked.completions:
        whole = authorize(request, world.policies, world.entities)
        assert answer(response.complete(request, world.entities)) == answer(whole)
        assert answer(printed.complete(request, world.entities)) == answer(whole)
        assert response.outcome in (Outcome.UNDECIDED, Outcome(whole.decision.value))
        if whole.decision is Decision.DENY or response.outcome is Outcome.ALLOW:
            assert response.forbids <= whole.reasons
        assert not response.hopeless & whole.reasons
    again = partial_authorize(asked.partial, response.residuals, world.entities, schema)
    assert again == replace(response, permits=NOTHING, forbids=NOTHING, unsatisfied=NOTHING, errors=())
    at_once = partial_authorize(asked.finer, world.policies, world.entities, schema)
    by_steps = refine(response, asked.finer, world.entities)
    assert without_messages(by_steps) == without_messages(at_once)


def check_places(response: PartialResponse, policies: PolicySet) -> None:
    """Every policy is in one place; what is left of one has its id, effect and annotations."""
    originals = {policy.id: policy for policy in policies.linked()}
    ids = [*response.permits, *response.forbids, *response.unsatisfied, *(error.policy_id for error in response.errors)]
    ids += response.residuals.static
    assert sorted(ids) == sorted(originals)
    assert response.hopeless <= response.residuals.static.keys()
    for policy in response.residuals.static.values():
        original = originals[policy.id]
        assert (policy.effect, policy.annotations) == (original.effect, original.annotations)


def reread(policies: PolicySet) -> PolicySet:
    """The policies printed and parsed."""
    parsed = parse_policies(Source("printed", print_policies(policies.static.values())))
    return PolicySet(replace(policy, id=id) for policy, id in zip(parsed, policies.static, strict=True))


def without_messages(response: PartialResponse) -> tuple[object, ...]:
    """What two ways to one response have in common; messages may tell them apart."""
    errors = frozenset((error.policy_id, error.kind) for error in response.errors)
    settled = response.permits, response.forbids, response.unsatisfied, errors
    return *settled, response.residuals, response.hopeless, response.request


@settings(max_examples=PARTIAL_REQUESTS)
@given(worlds(), st.binary(min_size=_ENTROPY, max_size=_ENTROPY), st.booleans())
def test_what_is_left_decides_as_the_policies_do(world: World, entropy: bytes, typed: bool) -> None:
    check(question(world, entropy, typed=typed), SCHEMA if typed else None)


def test_and_so_in_evenly_drawn_worlds() -> None:
    rng = random.Random(20_261_124)
    for world in sampled_worlds()[:_SAMPLED]:
        check(question(world, rng.randbytes(_ENTROPY), typed=False), None)
        check(question(world, rng.randbytes(_ENTROPY), typed=True), SCHEMA)


def test_these_worlds_have_something_to_decide() -> None:
    """What the tests above are about occurs: every outcome, everything that may be left; and types settle more."""
    rng = random.Random(20_261_124)
    seen: Counter[str] = Counter()
    for world in sampled_worlds()[:_SAMPLED]:
        asked = question(world, rng.randbytes(_ENTROPY), typed=True)
        response = partial_authorize(asked.partial, asked.world.policies, asked.world.entities, SCHEMA)
        untyped = partial_authorize(asked.partial, asked.world.policies, asked.world.entities)
        left = response.residuals.static.keys()
        assert left <= untyped.residuals.static.keys()
        assert left & untyped.hopeless <= response.hopeless
        seen += Counter([response.outcome.value])
        seen += Counter(
            left=len(left),
            hopeless=len(response.hopeless),
            failing=len(response.errors),
            untyped=len(untyped.residuals.static),
            completions=len(asked.completions),
        )
    assert min(seen["allow"], seen["deny"], seen["undecided"]) > _SAMPLED / 20
    assert min(seen["left"] - seen["hopeless"], seen["hopeless"], seen["failing"]) > _SAMPLED / 4
    assert seen["untyped"] > seen["left"] * 1.2
    assert seen["completions"] > _SAMPLED * 3


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["untyped", "typed"])
def test_of_a_known_request_everything_is_certain(schema: Schema | None) -> None:
    for world in sampled_worlds()[:_SAMPLED]:
        known = world if schema is None else conforming(world)
        for request in known.requests:
            response = partial_authorize(PartialRequest.of(request), known.policies, known.entities, schema)
            assert not response.residuals.static
            whole = authorize(request, known.policies, known.entities)
            completed = response.complete(request, known.entities)
            assert completed == replace(whole, errors=completed.errors)
            assert frozenset(completed.errors) == frozenset(whole.errors)
            assert response.outcome.value == whole.decision.value


@settings(max_examples=PARTIAL_REQUESTS // 10)
@given(worlds())
def test_with_nothing_known_the_policies_decide(world: World) -> None:
    response = partial_authorize(PartialRequest(), world.policies, world.entities)
    for request in world.requests:
        whole = authorize(request, world.policies, world.entities)
        assert answer(response.complete(request, world.entities)) == answer(whole)
