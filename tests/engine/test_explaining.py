"""Explained decisions: the verdict is the engine's own, and every policy that a request is about has its outcome."""

import itertools
from typing import Any

import pytest
from engine_worlds import (
    AGES,
    ANA,
    BOB,
    EVE,
    GONE,
    HOUR,
    LAPTOP,
    NOW,
    PHONE,
    PURGE,
    READ,
    SECRET,
    SHARE,
    WRITE,
    a_grant,
    a_world,
    ask,
    by_token,
    decide,
)

from pdp.cedar.errors import ErrorKind
from pdp.cedar.nodes import Var
from pdp.cedar.values import EntityUID
from pdp.context.facts import Facts, GrantStatus
from pdp.engine.decider import CheckRequest, ReasonClass
from pdp.engine.explaining import Explained, Explaining, Explanation, Outcome
from pdp.engine.snapshot import CurrentWorld, World
from pdp.policies.bundle import Bundle


def explain(world: World | None, request: CheckRequest, now: int = NOW) -> Explanation:
    current = CurrentWorld()
    current.world = world
    return Explaining(current, AGES, lambda: now).explain(request)


def outcomes(explanation: Explanation) -> dict[str, Outcome]:
    return {item.policy.id: item.outcome for item in explanation.policies}


def only(explanation: Explanation, id: str) -> Explained:
    (found,) = (item for item in explanation.policies if item.policy.id == id)
    return found


def text(item: Explained) -> str:
    """The part's own text."""
    assert item.part is not None
    assert item.part.expr.span is not None
    assert item.policy.source is not None
    return item.policy.source.excerpt(item.part.expr.span)


WHO = (ANA, BOB, EVE, EntityUID("User", "nobody"), by_token(ANA, acr="phishing-resistant", authenticated_at=NOW))
WHAT = (READ, WRITE, SHARE, PURGE, EntityUID("Files::Action", "unknown"))
WHICH = (EntityUID("Files::File", "plan"), SECRET, GONE, EntityUID("Device", "laptop"))


@pytest.mark.parametrize("who", WHO, ids=str)
def test_the_verdict_is_the_engines_and_names_what_determined_it(world: World, who: EntityUID) -> None:
    for action, resource, device in itertools.product(WHAT, WHICH, (None, LAPTOP, PHONE)):
        request = ask(who, action, resource, device=device)
        explanation = explain(world, request)
        verdict = decide(world, request)
        assert explanation.verdict == verdict
        assert {item.policy.id for item in explanation.policies if item.determining} == {
            policy.id for policy in verdict.policies
        }
        assert {item.policy.id for item in explanation.policies if item.outcome is Outcome.ERROR} == {
            error.policy_id for error in verdict.errors
        }
        assert (explanation.enriched is None) == (verdict.reason is ReasonClass.INVALID_REQUEST)
        assert explanation.enriched is not None or explanation.policies == ()


def test_a_permit_that_nearly_permits(world: World) -> None:
    explanation = explain(world, ask(ANA, WRITE))
    assert outcomes(explanation) == {
        "files/owners-write": Outcome.NEAR_MISS,
        "guardrail/secret-needs-encrypted-device": Outcome.NOT_SATISFIED,
        "guardrail/suspended": Outcome.NOT_SATISFIED,
    }
    near = only(explanation, "files/owners-write")
    assert (text(near), near.part and near.part.value) == ("context.auth has acr", False)
    assert near.part is not None
    assert near.part.condition is near.policy.conditions[0]


def test_a_permit_below_a_forbid_is_satisfied_and_determines_nothing(world: World) -> None:
    explanation = explain(world, ask(EVE))
    assert outcomes(explanation)["files/readers-read"] is Outcome.SATISFIED
    assert [item.policy.id for item in explanation.policies if item.determining] == ["guardrail/suspended"]


def test_what_is_out_of_scope_says_by_what(bundle: Bundle, facts: Facts) -> None:
    policies = '@id("p") permit (principal, action, resource == Files::File::"secret");'
    explanation = explain(a_world(bundle, facts, policies=policies), ask(BOB))
    outside = {item.policy.id: item.outside for item in explanation.policies if item.outside}
    assert outside == {"files/readers-read": Var.PRINCIPAL, "p": Var.RESOURCE}
    assert {only(explanation, id).outcome for id in outside} == {Outcome.OUT_OF_SCOPE}
    assert {only(explanation, id).part for id in outside} == {None}


def test_an_error_is_placed_where_it_arose(world: World) -> None:
    explanation = explain(world, ask(ANA, READ, GONE))
    failed = only(explanation, "guardrail/secret-needs-encrypted-device")
    assert (failed.outcome, failed.determining) == (Outcome.ERROR, True)
    assert failed.error is not None
    assert failed.error.kind is ErrorKind.ENTITY_MISSING
    assert text(failed) == "resource.secret"
    assert failed.part is not None
    assert failed.part.value is None


@pytest.mark.parametrize(
    ("conditions", "part"),
    [
        ("when { 1 + context.auth.method == 2 }", "1 + context.auth.method"),
        ("when { true && (context has ip || context.ip.isLoopback()) }", "context.ip"),
        ("when { if context has region then context.ip.isLoopback() else true }", "context.ip"),
        ("when { context.auth.method }", "context.auth.method"),
        ("when { true } unless { context.region && true }", "context.region && true"),
        ("unless { {a: context.ip, b: 1} == {a: 1} }", "context.ip"),
    ],
)
def test_the_part_that_has_no_value(bundle: Bundle, facts: Facts, conditions: str, part: str) -> None:
    world = a_world(bundle, facts, policies=f'@id("p") forbid (principal, action, resource) {conditions};')
    explanation = explain(world, ask(ANA, PURGE, context={"region": "eu"}))
    assert explanation.verdict.reason is ReasonClass.POLICY_ERROR
    failed = only(explanation, "p")
    assert (text(failed), failed.outcome) == (part, Outcome.ERROR)
    assert failed.part is not None
    assert failed.part.value is None


@pytest.mark.parametrize(
    ("now", "outcome", "status"),
    [
        (NOW, Outcome.SATISFIED, GrantStatus.ACTIVE),
        (NOW + HOUR, Outcome.NOT_IN_FORCE, GrantStatus.EXPIRED),
        (NOW - HOUR - 1, Outcome.NOT_IN_FORCE, GrantStatus.PENDING),
    ],
)
def test_a_grant_says_where_it_stands(world: World, now: int, outcome: Outcome, status: GrantStatus) -> None:
    item = only(explain(world, ask(BOB), now), "grant/bob-plans")
    assert (item.outcome, item.grant, item.determining) == (outcome, status, outcome is Outcome.SATISFIED)
    assert item.policy.source is not None  # its template's


def test_grants_of_others_and_of_elsewhere(bundle: Bundle, facts: Facts) -> None:
    grants = [
        a_grant(1, principal=ANA),
        a_grant(2, principal=BOB, resource=EntityUID("Files::Folder", "drafts")),
        a_grant(3, principal=BOB, expires_at=NOW),
    ]
    explanation = explain(a_world(bundle, facts, grants=grants), ask(BOB))
    found = {id: outcome for id, outcome in outcomes(explanation).items() if id.startswith("grant/")}
    assert found == {"grant/3": Outcome.NOT_IN_FORCE, "grant/2": Outcome.OUT_OF_SCOPE}


def test_what_tells_most_comes_first(bundle: Bundle, facts: Facts) -> None:
    text = """
        @id("e") permit (principal, action, resource) when { context.ip.isLoopback() };
        @id("b") permit (principal, action, resource);
        @id("a") permit (principal, action, resource);
        @id("n") permit (principal, action, resource) when { false };
        @id("f") forbid (principal, action, resource) when { false };
        @id("o") permit (principal == User::"bob", action, resource);
    """
    world = a_world(bundle, facts, policies=text, grants=[a_grant(principal=ANA, expires_at=NOW)])
    found = outcomes(explain(world, ask(ANA, READ)))
    assert list(found.values()) == sorted(found.values(), key=list(Outcome).index)
    assert [id for id in found if len(id) == 1 or id.startswith("grant/")] == ["e", "a", "b", "n", "grant/1", "f", "o"]


def test_a_request_that_is_refused_unasked_has_no_policies(world: World) -> None:
    behind = explain(world, ask(min_revision=2))
    assert (behind.verdict.reason, behind.enriched, behind.policies) == (ReasonClass.CONTEXT_BEHIND, None, ())
    assert explain(world, ask(context={"auth": 1})).verdict.reason is ReasonClass.INVALID_REQUEST
    assert explain(None, ask()).verdict.reason is ReasonClass.NOT_READY


def test_the_facts_are_those_that_the_policies_saw(world: World) -> None:
    explanation = explain(world, ask(device=LAPTOP, context={"region": "eu"}))
    assert explanation.enriched is not None
    fields = explanation.enriched.request.context.fields
    assert set(fields) == {"auth", "device", "workload", "grant", "region"}


def test_one_world_and_one_instant_make_the_whole(bundle: Bundle, facts: Facts, world: World) -> None:
    class Reloading:
        """Has another world each time that it is looked at."""

        def __init__(self) -> None:
            self.worlds = [world, a_world(bundle, facts, grants=())]

        @property
        def world(self) -> World:
            return self.worlds.pop(0)

    current: Any = Reloading()
    ticks = itertools.count(NOW)
    explanation = Explaining(current, AGES, lambda: next(ticks)).explain(ask(BOB))
    assert explanation.verdict == decide(world, ask(BOB))
    assert only(explanation, "grant/bob-plans").determining
    assert len(current.worlds) == 1
    assert next(ticks) == NOW + 1
