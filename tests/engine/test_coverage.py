"""Coverage: what is counted of policies and of the operands of their conditions, and what is not."""

from collections.abc import Iterable
from itertools import product

import pytest
from engine_worlds import (
    AGES,
    ANA,
    BOB,
    EVE,
    GONE,
    HOUR,
    NOW,
    PLAN,
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
    policies_of,
)

from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import And
from pdp.cedar.policy import ConditionKind, Policy, PolicySet
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import EntityUID
from pdp.context.facts import Facts
from pdp.engine.coverage import Coverage, PolicyCoverage
from pdp.engine.decider import CheckRequest
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import applies, satisfied
from pdp.evaluate.interpreter import evaluate
from pdp.identity.subject import Subject
from pdp.policies.bundle import Bundle

EVERYTHING = "permit (principal, action, resource)"


def covered(world: World, requests: Iterable[CheckRequest], now: int = NOW) -> dict[str, PolicyCoverage]:
    coverage = Coverage(world.policies)
    for request in requests:
        coverage.add(world, enrich(request, world, now, AGES), decide(world, request, now))
    return {each.policy.id: each for each in coverage.policies}


def counts(coverage: PolicyCoverage) -> tuple[int, int, int]:
    return coverage.in_scope, coverage.satisfied, coverage.determining


def outcomes(coverage: PolicyCoverage) -> list[tuple[int, int, int]]:
    return [(conjunct.true, conjunct.false, conjunct.failed) for conjunct in coverage.conjuncts]


# What there is to cover


@pytest.mark.parametrize(
    ("conditions", "conjuncts"),
    [
        ("", []),
        ("when { context has ip }", ["when context has ip"]),
        ("when { 1 == 1 && 2 == 2 && 3 == 3 }", ["when 1 == 1", "when 2 == 2", "when 3 == 3"]),
        ("when { 1 == 1 && (2 == 2 && 3 == 3) }", ["when 1 == 1", "when 2 == 2", "when 3 == 3"]),
        ("unless { 1 == 1 && 2 == 2 } when { 3 == 3 }", ["unless 1 == 1", "unless 2 == 2", "when 3 == 3"]),
        ("when { 1 == 1 || 2 == 2 && 3 == 3 }", ["when 1 == 1 || 2 == 2 && 3 == 3"]),
        ("when { (1 == 1 || 2 == 2) && 3 == 3 }", ["when 1 == 1 || 2 == 2", "when 3 == 3"]),
        ("when { !(1 == 1 && 2 == 2) }", ["when !(1 == 1 && 2 == 2)"]),
        (
            "when { if 1 == 1 then 2 == 2 && 3 == 3 else 4 == 4 }",
            ["when if 1 == 1 then 2 == 2 && 3 == 3 else 4 == 4"],
        ),
    ],
)
def test_the_conjuncts_of_a_policy(conditions: str, conjuncts: list[str]) -> None:
    (only,) = Coverage(PolicySet(policies_of(f'@id("p") {EVERYTHING} {conditions};'))).policies
    assert [f"{each.kind.value} {print_expression(each.expr)}" for each in only.conjuncts] == conjuncts
    assert (counts(only), outcomes(only)) == ((0, 0, 0), [(0, 0, 0)] * len(conjuncts))


def test_policies_come_by_id_templates_among_them(world: World) -> None:
    ids = [each.policy.id for each in Coverage(world.policies).policies]
    assert ids == sorted(ids)
    assert "entitlement/reader" in ids
    assert "grant/bob-plans" not in ids


# What is counted


def one(bundle: Bundle, facts: Facts, policy: str, *requests: CheckRequest) -> PolicyCoverage:
    return covered(a_world(bundle, facts, policies=f'@id("p") {policy};'), requests)["p"]


def test_scope_satisfaction_and_determination_are_counted_apart(bundle: Bundle, facts: Facts) -> None:
    policy = """permit (principal, action == Files::Action::"purge", resource) when { context has region }"""
    region = {"region": "eu"}
    seen = one(
        bundle,
        facts,
        policy,
        ask(action=READ, context=region),  # out of scope
        ask(action=PURGE),  # in scope
        ask(EVE, PURGE, context=region),  # satisfied, and a forbid stands above it
        ask(action=PURGE, context=region),  # determining
        ask(BOB, PURGE, context=region),
    )
    assert counts(seen) == (4, 3, 2)
    assert outcomes(seen) == [(3, 1, 0)]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("when { context has region && context has ip && 1 == 1 }", [(1, 0, 0), (0, 1, 0), (0, 0, 0)]),
        ("when { context has region && (context has ip && 1 == 1) }", [(1, 0, 0), (0, 1, 0), (0, 0, 0)]),
        ("when { context has ip && (1 == 1 && 2 == 2) } when { 3 == 3 }", [(0, 1, 0), *[(0, 0, 0)] * 3]),
        ("unless { context has region && context has ip } when { 1 == 1 }", [(1, 0, 0), (0, 1, 0), (1, 0, 0)]),
        ("unless { context has region } when { 1 == 1 }", [(1, 0, 0), (0, 0, 0)]),
        ("when { context has region && context.workload.attested && 1 == 1 }", [(1, 0, 0), (0, 0, 1), (0, 0, 0)]),
        ("when { context.region } when { 1 == 1 }", [(0, 0, 1), (0, 0, 0)]),
        ("when { context.region && 1 == 1 }", [(0, 0, 1), (0, 0, 0)]),
        ('when { principal == User::"ana" }', [(1, 0, 0)]),
    ],
)
def test_a_conjunct_that_is_not_reached_or_fails_is_neither(
    bundle: Bundle, facts: Facts, conditions: str, expected: list[tuple[int, int, int]]
) -> None:
    seen = one(bundle, facts, f"{EVERYTHING} {conditions}", ask(action=PURGE, context={"region": "eu"}))
    assert outcomes(seen) == expected
    out = one(bundle, facts, f"permit (principal is Device, action, resource) {conditions}", ask(action=PURGE))
    assert outcomes(out) == [(0, 0, 0)] * len(expected)


def test_a_forbid_that_fails_determines_without_being_satisfied(world: World) -> None:
    seen = covered(world, [ask(resource=GONE)])["guardrail/secret-needs-encrypted-device"]
    assert counts(seen) == (1, 0, 1)
    assert outcomes(seen) == [(0, 0, 1), (0, 0, 0), (0, 0, 0)]
    assert seen.covered
    assert not any(conjunct.covered for conjunct in seen.conjuncts)


TEMPLATE = """
    @id("entitlement/other") permit (principal == ?principal, action, resource in ?resource)
    when { context has region };
"""


def test_a_template_is_covered_by_its_grants_and_a_case_counts_once(bundle: Bundle, facts: Facts) -> None:
    grants = [a_grant(number, template_id="entitlement/other") for number in (1, 2)]
    world = a_world(bundle, facts, policies=TEMPLATE, grants=grants)
    seen = covered(world, [ask(BOB, PURGE), ask(BOB, PURGE, context={"region": "eu"}), ask(ANA, PURGE)])
    assert counts(seen["entitlement/other"]) == (2, 1, 1)
    assert outcomes(seen["entitlement/other"]) == [(1, 1, 0)]
    assert counts(seen["entitlement/reader"]) == (0, 0, 0)


def test_a_grant_that_is_not_in_force_covers_nothing(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, policies=TEMPLATE, grants=[a_grant(1, template_id="entitlement/other")])
    request = ask(BOB, PURGE, context={"region": "eu"})
    assert counts(covered(world, [request])["entitlement/other"]) == (1, 1, 1)
    assert counts(covered(world, [request], NOW + HOUR)["entitlement/other"]) == (0, 0, 0)


def test_worlds_of_several_instants_add_up(bundle: Bundle, facts: Facts) -> None:
    coverage = Coverage(bundle.policies)
    for grants in ([a_grant(1)], [a_grant(2)], []):
        world = a_world(bundle, facts, grants=grants)
        coverage.add(world, enrich(ask(BOB), world, NOW, AGES), decide(world, ask(BOB)))
    (reader,) = (each for each in coverage.policies if each.policy.id == "entitlement/reader")
    assert counts(reader) == (2, 2, 2)


# Against a count by hand


def test_the_counts_of_a_whole_world(world: World) -> None:
    strong = by_token(ANA, acr="phishing-resistant", authenticated_at=NOW)
    who: tuple[Subject | EntityUID, ...] = (ANA, BOB, EVE, strong)
    requests = [ask(*question) for question in product(who, (READ, WRITE, SHARE, PURGE), (PLAN, SECRET, GONE))]
    asked = [(enrich(request, world, NOW, AGES), decide(world, request)) for request in requests]
    for policy_id, seen in covered(world, requests).items():
        links = [policy for policy in world.policies.linked() if policy_id in (policy.id, template_of(world, policy))]
        matching = [
            (enriched, verdict, [link for link in links if applies(link, enriched.request, enriched.entities)])
            for enriched, verdict in asked
        ]
        matching = [each for each in matching if each[2]]
        holding = [each for each in matching if any(holds(link, each[0]) for link in each[2])]
        named = [each for each in matching if {link.id for link in each[2]} & {p.id for p in each[1].policies}]
        assert counts(seen) == (len(matching), len(holding), len(named))
        expected = [tally(seen.policy, enriched) for enriched, _, _ in matching]
        assert outcomes(seen) == [tuple(map(sum, zip(*column, strict=True))) for column in zip(*expected, strict=True)]


def template_of(world: World, policy: Policy) -> str | None:
    link = world.policies.links.get(policy.id)
    return None if link is None else link.template_id


def holds(policy: Policy, enriched: Enriched) -> bool:
    try:
        return satisfied(policy, enriched.request, enriched.entities)
    except EvaluationError:
        return False


def tally(policy: Policy, enriched: Enriched) -> list[tuple[int, int, int]]:
    """What each conjunct is for one request, one after the other; the small world nests no `&&` in another."""
    counted: list[tuple[int, int, int]] = []
    going = True
    for condition in policy.conditions:
        body = condition.body
        holding = True
        for operand in body.operands if isinstance(body, And) else (body,):
            if not going or not holding:
                counted.append((0, 0, 0))
                continue
            try:
                holding = evaluate(operand, enriched.request, enriched.entities) is True
                counted.append((int(holding), int(not holding), 0))
            except EvaluationError:
                counted.append((0, 0, 1))
                going = False
        going = going and holding is (condition.kind is ConditionKind.WHEN)
    return counted


# The share


def test_the_share_is_of_policies_and_conjuncts_together() -> None:
    policies = PolicySet(
        policies_of(f'@id("a") {EVERYTHING} when {{ context has ip && 1 == 1 }}; @id("b") {EVERYTHING};')
    )
    coverage = Coverage(policies)
    assert (coverage.covered, coverage.total) == (0, 4)
    assert [coverage.reaches(percent) for percent in (0, 1)] == [True, False]
    first, second = coverage.policies
    second.determining = 1
    first.conjuncts[0].true = first.conjuncts[0].false = 1
    first.conjuncts[1].true = 5
    assert coverage.covered == 2
    assert [coverage.reaches(percent) for percent in (50, 51)] == [True, False]
    first.determining = first.conjuncts[1].false = 1
    assert coverage.reaches(100)


def test_a_share_is_not_rounded() -> None:
    texts = "".join(f'@id("p{number}") {EVERYTHING};' for number in range(1000))
    coverage = Coverage(PolicySet(policies_of(texts)))
    for each in coverage.policies[1:]:
        each.determining = 1
    assert not coverage.reaches(100)
    assert coverage.reaches(99)


def test_of_nothing_all_is_covered() -> None:
    assert Coverage(PolicySet()).reaches(100)
