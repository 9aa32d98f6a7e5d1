"""Near misses: the permits that nearly permitted, and the very part that kept each from it; and what is relevant."""

import pytest
from engine_worlds import (
    AGES,
    ANA,
    BOB,
    EVE,
    HOUR,
    NOW,
    PURGE,
    READ,
    SHARE,
    WRITE,
    a_grant,
    a_world,
    ask,
    by_token,
    uid,
)

from pdp.cedar.values import EntityUID
from pdp.context.facts import Facts
from pdp.engine.decider import CheckRequest
from pdp.engine.enrich import enrich
from pdp.engine.near_misses import miss_of, near_misses, relevant
from pdp.engine.snapshot import World
from pdp.evaluate.explain import PolicyTrace
from pdp.policies.bundle import Bundle


def misses(world: World, request: CheckRequest, now: int = NOW) -> tuple[PolicyTrace, ...]:
    return tuple(near_misses(world, enrich(request, world, now, AGES)))


def shown(trace: PolicyTrace) -> tuple[str, str, bool]:
    miss = miss_of(trace)
    assert miss is not None
    assert trace.policy.source is not None
    assert miss.part.span is not None
    return trace.policy.id, trace.policy.source.excerpt(miss.part.span), miss.value


def test_the_first_conjunct_that_is_false(world: World) -> None:
    weak = by_token(ANA, acr="password", authenticated_at=NOW)
    old = by_token(ANA, acr="phishing-resistant", authenticated_at=NOW - AGES.authentication)
    assert [shown(miss) for miss in misses(world, ask(BOB, WRITE))] == [
        ("files/owners-write", "resource.owner == principal", False)
    ]
    assert [shown(miss)[1] for miss in misses(world, ask(ANA, WRITE))] == ["context.auth has acr"]
    assert [shown(miss)[1] for miss in misses(world, ask(weak, WRITE))] == ['context.auth.acr == "phishing-resistant"']
    assert [shown(miss)[1] for miss in misses(world, ask(old, WRITE))] == ['context.auth.freshness == "fresh"']


REGION = {"region": "eu"}
"""`context.region == "eu"` is true; `has ip` is false."""


@pytest.mark.parametrize(
    ("conditions", "part", "value"),
    [
        ("when { false }", "false", False),
        ("unless { true }", "true", True),
        ("when { true } when { !(true) } when { false }", "true", True),
        ("when { true } unless { context has ip } unless { context has region }", "context has region", True),
        ("unless { context has ip || context has region }", "context has region", True),
        ("unless { context has region && true }", "context has region && true", True),
        ("when { context has ip || context.region == \"us\" }", 'context has ip || context.region == "us"', False),
        ("when { true && (true && context has ip) }", "context has ip", False),
        ("when { !(context has ip || context has region) }", "context has region", True),
        ("when { !(!(context has ip && true)) }", "context has ip", False),
        ("when { if context has region then context has ip else true }",
         "if context has region then context has ip else true", False),
        ("unless { !(context has ip) }", "context has ip", False),
    ],
)  # fmt: skip
def test_the_decisive_part(bundle: Bundle, facts: Facts, conditions: str, part: str, value: bool) -> None:
    world = a_world(bundle, facts, policies=f'@id("p") permit (principal, action, resource) {conditions};')
    (trace,) = misses(world, ask(action=PURGE, context=REGION))
    assert shown(trace) == ("p", part, value)
    miss = miss_of(trace)
    assert miss is not None
    assert miss.condition.span is not None
    assert trace.policy.source is not None
    clause = trace.policy.source.excerpt(miss.condition.span)
    assert clause.startswith(miss.condition.kind.value)
    assert part in clause


@pytest.mark.parametrize(
    "policy",
    [
        "permit (principal, action, resource)",
        "permit (principal, action, resource) when { true } unless { false }",
        'permit (principal == User::"bob", action, resource) when { false }',
        "permit (principal, action, resource) when { context.workload.attested }",
        "permit (principal, action, resource) when { true && context.workload.attested } when { false }",
        "forbid (principal, action, resource) when { false }",
        "permit (principal, action, resource) when { context.auth.method }",
    ],
    ids=["unconditional", "satisfied", "another principal", "fails", "fails first", "a forbid", "no Bool"],
)
def test_what_is_no_near_miss(bundle: Bundle, facts: Facts, policy: str) -> None:
    world = a_world(bundle, facts, policies=f'@id("p") {policy};')
    assert misses(world, ask(action=PURGE)) == ()


def test_a_grant_is_a_near_miss_only_while_in_force(bundle: Bundle, facts: Facts) -> None:
    template = """
        @id("entitlement/writer") permit (principal == ?principal, action, resource in ?resource)
        when { context has region };
    """
    grants = [a_grant(1, template_id="entitlement/writer", principal=ANA)]
    world = a_world(bundle, facts, policies=template, grants=grants)
    assert [shown(miss) for miss in misses(world, ask(action=PURGE))] == [("grant/1", "context has region", False)]
    assert misses(world, ask(action=PURGE), NOW + HOUR) == ()


def test_near_misses_come_by_id(bundle: Bundle, facts: Facts) -> None:
    texts = [f'@id("{id}") permit (principal, action, resource) when {{ false }};' for id in ("c", "a", "b")]
    found = misses(a_world(bundle, facts, policies="\n".join(texts)), ask(action=PURGE))
    assert [trace.policy.id for trace in found] == ["a", "b", "c"]


# What is relevant


def ids(world: World, request: CheckRequest, now: int = NOW) -> list[str]:
    return [trace.policy.id for trace in relevant(world, enrich(request, world, now, AGES))]


EVERYBODY = ["guardrail/secret-needs-encrypted-device", "guardrail/suspended"]
"""The guardrails for all actions on files."""


@pytest.mark.parametrize(
    ("who", "action", "more"),
    [
        (ANA, READ, ["files/readers-read"]),
        (BOB, READ, ["files/readers-read", "grant/bob-plans"]),
        (EVE, READ, ["files/readers-read"]),
        (ANA, WRITE, ["files/owners-write"]),
        (ANA, SHARE, ["files/owners-share", "guardrail/score"]),
        (ANA, PURGE, []),
    ],
)
def test_what_a_request_is_about(world: World, who: EntityUID, action: EntityUID, more: list[str]) -> None:
    assert ids(world, ask(who, action)) == sorted([*EVERYBODY, *more])


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("principal, action, resource", True),
        ('principal == User::"bob", action, resource', True),
        ('principal, action, resource == Files::File::"secret"', True),
        ('principal == User::"bob", action, resource == Files::File::"secret"', False),
        ('principal, action == Files::Action::"purge", resource', False),
        ('principal == User::"bob", action == Files::Action::"purge", resource', False),
    ],
)
def test_one_of_principal_and_resource_may_be_another(bundle: Bundle, facts: Facts, scope: str, expected: bool) -> None:
    for effect in ("permit", "forbid"):
        world = a_world(bundle, facts, policies=f'@id("p") {effect} ({scope});')
        assert ("p" in ids(world, ask())) is expected


def test_other_peoples_grants_are_not_relevant_and_ones_own_are(bundle: Bundle, facts: Facts) -> None:
    elsewhere = uid('Files::Folder::"drafts"')
    grants = [
        a_grant(1, principal=BOB),
        a_grant(2, principal=ANA, resource=elsewhere),
        a_grant(3, principal=ANA, expires_at=NOW),
        a_grant(4, principal=BOB, resource=elsewhere),
    ]
    world = a_world(bundle, facts, grants=grants)
    assert [id for id in ids(world, ask()) if id.startswith("grant/")] == ["grant/2"]


def test_traces_say_what_a_miss_does(world: World) -> None:
    found = {trace.policy.id: trace for trace in relevant(world, enrich(ask(BOB), world, NOW, AGES))}
    outside = found["files/readers-read"]
    assert (outside.in_scope, outside.outcome, miss_of(outside)) == (False, False, None)
    assert [test.outcome for test in outside.scope] == [False, True, True]
    granted = found["grant/bob-plans"]
    assert (granted.in_scope, granted.outcome, miss_of(granted)) == (True, True, None)
    assert shown(found["guardrail/suspended"]) == ("guardrail/suspended", "principal.suspended", False)
