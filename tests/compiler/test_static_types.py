"""Static types: code that leaves out what cannot fail answers as the interpreter does, for whatever conforms.

Schemas, policies, stores and requests are generated; a part of the entities is taken out again, for an entity that does
not exist is what validation cannot rule out.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from typed.samples import samples

from pdp.cedar import ext
from pdp.cedar.api import parse_schema
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.compiler import plan
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.situation import Situation
from pdp.compiler.static_types import StaticTypes
from pdp.compiler.terms import Type
from pdp.evaluate.authorize import authorize

SCHEMA: Final = parse_schema(
    """
    entity Org { active: Bool };
    entity User in [Org] { org: Org, age: Long, tags_of: Set<String>, boss?: User, home: { city: String, zip?: Long } }
        tags String;
    entity Doc { owner: User, readers: Set<User>, made: datetime, public: Bool };
    action all;
    action read in [all] appliesTo { principal: User, resource: Doc, context: { ok: Bool, ip: ipaddr, n?: Long } };
    """
)
READ, ORG, ANA, BEN, DOC = (
    EntityUID(*parts) for parts in (("Action", "read"), ("Org", "o"), ("User", "ana"), ("User", "ben"), ("Doc", "d"))
)
MADE, ADDRESS = ext.call("datetime", ["2024-01-01"]), ext.call("ip", ["10.1.2.3"])
SITUATION: Final = Situation(READ, frozenset([EntityUID("Action", "all")]), "User", "Doc")


@pytest.fixture(autouse=True)
def types_for_every_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "WORTH_TYPING", 0)


@pytest.mark.parametrize("seed", range(4))
def test_generated_policies_and_worlds(seed: int) -> None:
    rng = random.Random(seed)
    errors: Counter[ErrorKind] = Counter()
    for sample in samples(seed, 25):
        policies = PolicySet(sample.policies)
        gaps = [each for each in sample.entities if each.uid in sample.schema.actions or rng.random() < 0.7]
        for store in (sample.entities, Entities(gaps)):
            program = Program(Rulebook(policies, schema=sample.schema, fuse_after=1))
            for request in sample.requests * 2:
                expected, answered = authorize(request, policies, store), program.authorize(request, store)
                assert (answered.decision, answered.reasons) == (expected.decision, expected.reasons)
                assert sorted(answered.errors, key=str) == sorted(expected.errors, key=str)
                errors.update(error.kind for error in expected.errors)
    assert errors[ErrorKind.ENTITY_MISSING] > 20
    assert errors[ErrorKind.OVERFLOW] + errors[ErrorKind.EXTENSION] > 0


def conditions(text: str) -> PolicySet:
    return PolicySet(parse_policies(Source("test", f"permit(principal, action, resource) when {{ {text} }};")))


def types(text: str, situation: Situation = SITUATION) -> Mapping[int, Type]:
    (policy,) = conditions(text).static.values()
    return StaticTypes(SCHEMA).of(policy.conditions, situation)


VALID = (
    "principal.org.active",
    "principal.age + 1 > 18 && context has n && context.n < principal.age",
    'principal.tags_of.contains("a") || principal.tags_of.containsAny(["b"])',
    "principal has boss && principal.boss.org == principal.org",
    "principal has boss && principal.boss has boss && principal.boss.boss == resource.owner",
    "principal in resource.owner.org || principal in resource.readers || resource.readers.contains(principal)",
    'principal.home.city == "x" && principal.home has zip && principal.home.zip == 1',
    'principal.hasTag("t") && principal.getTag("t") like "a*"',
    'context.ip.isInRange(ip("10.0.0.0/8")) && resource.made < datetime("2030-01-01")',
    "if resource.public then context.ok else resource.owner has boss && resource.owner.boss == principal",
    "resource.public == context.ok && !(resource.owner.org.active != true)",
)


def stores() -> Iterator[Entities]:
    home = Record({"city": "x", "zip": 1})
    bosses: tuple[dict[str, Value], ...] = ({}, {"boss": BEN})
    for boss in bosses:
        user: dict[str, Value] = {"org": ORG, "age": 20, "tags_of": Set(["a"]), "home": home, **boss}
        entities = [
            Entity(ORG, {"active": True}),
            Entity(ANA, user, frozenset([ORG]), {"t": "abc"}),
            Entity(BEN, {**user, "age": 2**63 - 1, "home": Record({"city": "y"})}),
            Entity(DOC, {"owner": BEN, "readers": Set([ANA]), "made": MADE, "public": True}),
            *SCHEMA.action_entities(),
        ]
        assert all(map(SCHEMA.accepts_entity, entities))
        for left_out in (None, ORG, ANA, BEN, DOC):
            yield Entities(entity for entity in entities if entity.uid != left_out)


@pytest.mark.parametrize("text", VALID)
def test_valid_conditions_in_stores_with_gaps(text: str) -> None:
    assert types(text)
    policies = conditions(text)
    for store in stores():
        program = Program(Rulebook(policies, schema=SCHEMA, fuse_after=1))
        for principal in (ANA, BEN):
            n: dict[str, Value] = {"n": 5} if principal is ANA else {}
            context = Record({"ok": True, "ip": ADDRESS, **n})
            request = Request(principal, READ, DOC, context)
            assert SCHEMA.accepts_request(request)
            expected = authorize(request, policies, store)
            assert program.authorize(request, store) == expected
            assert program.authorize(request, store) == expected


@pytest.mark.parametrize(
    "text",
    [
        "principal.boss == principal",
        "context.n == 1",
        "principal.age",
        'principal.org == "o"',
        "principal.nothing == 1",
    ],
)
def test_an_invalid_policy_has_no_types(text: str) -> None:
    assert not types(text)


def test_there_are_types_only_for_requests_that_the_schema_declares() -> None:
    groups = SITUATION.groups
    for situation in (
        Situation(READ, groups, "Doc", "Doc"),
        Situation(READ, groups, "User", None),
        Situation(READ, groups, None, "Doc"),
        Situation(EntityUID("Action", "all"), frozenset(), "User", "Doc"),
        Situation(EntityUID("Action", "none"), frozenset(), "User", "Doc"),
    ):
        assert not types("principal.org.active", situation)


def test_what_no_schema_declares_is_decided_all_the_same() -> None:
    policies = conditions("principal.age == 1 && resource.public")
    program = Program(Rulebook(policies, schema=SCHEMA, fuse_after=1))
    for request in (
        Request(DOC, READ, ANA),
        Request(ANA, EntityUID("Action", "none"), DOC),
        Request(EntityUID("Ghost", "g"), READ, DOC),
    ):
        for store in stores():
            for _ in range(3):
                assert program.authorize(request, store) == authorize(request, policies, store)


def test_a_store_that_does_not_conform_shows_as_a_defect_of_nobodys_policy() -> None:
    # An attribute that the schema requires is missing: the fused code fails, and the rules are evaluated one by one.
    policies = conditions("principal.org.active && principal.home.city == principal.home.city")
    program = Program(Rulebook(policies, schema=SCHEMA, fuse_after=1))
    request = Request(ANA, READ, DOC, Record({"ok": True, "ip": ADDRESS}))
    for store in (Entities([Entity(ANA)]), Entities([Entity(ANA, {"org": 7})])):
        for _ in range(3):
            assert program.authorize(request, store) == authorize(request, policies, store)


def test_code_is_prepared_for_what_the_schema_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = conditions("principal.org.active")
    store = next(stores())
    program = Program(Rulebook(policies, schema=SCHEMA))
    program.prepare(SCHEMA, store)
    prepared = program._plans.open(READ, store.lookup).variant("User", "Doc")
    assert prepared.decide is not None
    monkeypatch.setattr(plan, "MOST_PREPARED", 0)
    unprepared = Program(Rulebook(policies, schema=SCHEMA))
    unprepared.prepare(SCHEMA, store)
    assert unprepared._plans.open(READ, store.lookup).variant("User", "Doc").decide is None
