"""For which requests a policy is checked: all kinds that its scope can match, and no two that it cannot tell apart."""

import random
from collections.abc import Sequence

import pytest
from fuzzing import rounds
from typed import PolicyMaker, random_schema, samples

from pdp.cedar.nodes import Var
from pdp.cedar.policy import Policy
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.schema.types import RecordType
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.validate import validator
from pdp.cedar.validate.environment import Environment, Environments
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.validate.validator import Validator
from pdp.evaluate.authorize import applies


def matching(policy: Policy, schema: Schema, reads: frozenset[Var] = frozenset(Var)) -> list[Environment]:
    return list(Environments(Hierarchy(schema)).matching(policy, reads))


def names(environments: Sequence[Environment]) -> list[tuple[str, str, str]]:
    return [(each.principal, str(each.action.uid), each.resource) for each in environments]


def test_what_a_request_matches_is_checked() -> None:
    matched = 0
    for sample in samples(seed=3, count=rounds(150)):
        for policy in sample.policies:
            found = names(matching(policy, sample.schema))
            assert len(set(found)) == len(found)
            for request in sample.requests:
                if applies(policy, request, sample.entities):
                    assert (request.principal.type, str(request.action), request.resource.type) in found
                    matched += 1
    assert matched > 1_000


@pytest.mark.parametrize(
    "scope, expected",
    [
        ("principal, action, resource", ["U a D", "U a E", "U b D", "V b D"]),
        ('principal, action == Action::"a", resource', ["U a D", "U a E"]),
        ('principal, action == Action::"g", resource', []),
        ('principal, action in Action::"g", resource', ["U a D", "U a E", "U b D", "V b D"]),
        (
            'principal, action in [Action::"b", Action::"a", Action::"b"], resource',
            ["U a D", "U a E", "U b D", "V b D"],
        ),
        ("principal, action in [], resource", []),
        ("principal is V, action, resource", ["V b D"]),
        ('principal == U::"x", action, resource', ["U a D", "U a E", "U b D"]),
        ('principal in T::"x", action, resource', ["U a D", "U a E", "U b D"]),
        ('principal in S::"x", action, resource', ["U a D", "U a E", "U b D"]),
        ('principal in V::"x", action, resource', ["V b D"]),
        ('principal is V in T::"x", action, resource', []),
        ('principal is U in T::"x", action, resource is E', ["U a E"]),
        ("principal == ?principal, action, resource in ?resource", ["U a D", "U a E", "U b D", "V b D"]),
        ("principal is V in ?principal, action, resource", ["V b D"]),
        ("principal, action, resource is U", []),
        ("principal, action, resource is Nope", []),
        ('principal, action == Action::"nope", resource', []),
    ],
)
def test_what_a_scope_can_match(scope: str, expected: list[str]) -> None:
    text = """
    entity S; entity T in [S]; entity U in [T]; entity V; entity D, E;
    action g; action h in [g];
    action a in [h] appliesTo { principal: U, resource: [E, D] };
    action b in [g] appliesTo { principal: [V, U], resource: D };
    """
    [policy] = parse_policies(Source("<test>", f"permit({scope});"))
    found = names(matching(policy, parse_schema(Source("<test>", text))))
    assert [f"{principal} {action[9:-1]} {resource}" for principal, action, resource in found] == expected


def test_the_first_stands_for_all_that_read_the_same() -> None:
    rng = random.Random(4)
    fewer = 0
    for _ in range(rounds(300)):
        schema, _ = random_schema(rng)
        policy = PolicyMaker(rng, schema).policy("policy0")
        everything = matching(policy, schema)
        contexts = [each.action.context for each in everything]
        for count in range(len(Var) + 1):
            reads = frozenset(rng.sample(list(Var), count))
            first: dict[tuple[object, ...], Environment] = {}
            for each in everything:
                first.setdefault(what_is_read(each, reads, contexts), each)
            chosen = matching(policy, schema, reads)
            assert names(chosen) == names(list(first.values()))
            fewer += len(chosen) < len(everything)
    assert fewer > 100


def what_is_read(environment: Environment, reads: frozenset[Var], contexts: Sequence[RecordType]) -> tuple[object, ...]:
    return (
        environment.principal if Var.PRINCIPAL in reads else None,
        environment.action.uid if Var.ACTION in reads else None,
        environment.resource if Var.RESOURCE in reads else None,
        contexts.index(environment.action.context) if Var.CONTEXT in reads else None,
    )


@pytest.mark.parametrize("level", [None, 1])
def test_what_is_not_checked_would_find_nothing_else(level: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    made = []
    for _ in range(rounds(300)):
        schema, _ = random_schema(rng)
        maker = PolicyMaker(rng, schema)
        checked = Validator(schema, level)
        made += [(checked, policy, said(checked, policy)) for policy in map(maker.policy, ("policy0", "policy1"))]
    monkeypatch.setattr(validator, "reads", lambda nodes, schema: frozenset(Var))
    for checked, policy, before in made:
        assert said(checked, policy) == before


def said(checked: Validator, policy: Policy) -> list[str]:
    return [each.render() for each in checked.policy_findings(policy)]
