"""Near misses: the permits that nearly permitted, and the very part that kept each from it."""

import pytest
from engine_worlds import AGES, ANA, BOB, HOUR, NOW, PURGE, WRITE, a_grant, a_world, ask, by_token

from pdp.context.store import Facts
from pdp.engine.decider import CheckRequest
from pdp.engine.enrich import enrich
from pdp.engine.near_misses import NearMiss, near_misses
from pdp.engine.snapshot import World
from pdp.policies.bundle import Bundle


def misses(world: World, request: CheckRequest, now: int = NOW) -> tuple[NearMiss, ...]:
    return near_misses(world, enrich(request, world, now, AGES))


def shown(miss: NearMiss) -> tuple[str, str, bool]:
    assert miss.policy.source is not None
    assert miss.part.span is not None
    return miss.policy.id, miss.policy.source.excerpt(miss.part.span), miss.value


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
    (miss,) = misses(world, ask(action=PURGE, context=REGION))
    assert shown(miss) == ("p", part, value)
    kind, _, body = miss.condition.kind.value, None, miss.condition.span
    assert body is not None
    assert miss.policy.source is not None
    clause = miss.policy.source.excerpt(body)
    assert clause.startswith(kind)
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
    ],
    ids=["unconditional", "satisfied", "another principal", "fails", "fails first", "a forbid"],
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
    assert [miss.policy.id for miss in found] == ["a", "b", "c"]
