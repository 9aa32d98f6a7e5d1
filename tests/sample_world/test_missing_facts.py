"""Nothing that is missing opens a door: whatever is taken from what is known, no deny of a case becomes an allow.

What is taken is a fact of the store (a report of posture or one thing in it, a grant, an entity, an attribute, a
parent) or a part of the request (a field of its context, its device, what its credential says). A request that was
refused as no question at all may become one when it loses what was wrong with it: of those, facts alone are taken.
"""

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

from consortium import Consortium, consortium
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record
from pdp.context.facts import Facts, Posture
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity.subject import Method, Subject
from pdp.policies.cases import Case

_SAMPLE: Final = 150
"""Facts that a default run takes away one by one; under the profile `nightly` it is each that there is."""

_SEVERAL: Final = 20_000
"""At most so many times several are taken together: each time costs milliseconds."""


class Fact(NamedTuple):
    """Something that is stored: what it is, of whom, and its name or the other entity."""

    kind: str
    of: EntityUID | str
    part: EntityUID | str = ""


class Part(NamedTuple):
    """Something that a request says: what it is, and its name."""

    kind: str
    name: EntityUID | str = ""


def facts_of(world: Consortium) -> Iterator[Fact]:
    """Everything that is stored. The actions are the schema's, and no facts."""
    for uid, report in world.facts.posture.items():
        yield Fact("report", uid)
        yield from (Fact("observed", uid, name) for name in report.facts)
    yield from (Fact("grant", id) for id in world.facts.grants)
    for entity in world.facts.entities:
        if entity.uid not in world.bundle.schema.actions:
            yield Fact("entity", entity.uid)
            yield from (Fact("attribute", entity.uid, name) for name in entity.attrs)
            yield from (Fact("parent", entity.uid, parent) for parent in sorted(entity.parents, key=str))


def without(facts: Facts, taken: Collection[Fact]) -> Facts:
    """The facts, and those that are taken are not among them."""

    def left(entity: Entity) -> Entity:
        uid = entity.uid
        attrs = {name: value for name, value in entity.attrs.items() if Fact("attribute", uid, name) not in taken}
        return Entity(uid, attrs, frozenset(each for each in entity.parents if Fact("parent", uid, each) not in taken))

    def seen(report: Posture) -> Posture:
        names = [name for name in report.facts if Fact("observed", report.subject, name) not in taken]
        return replace(report, facts={name: report.facts[name] for name in names})

    return Facts(
        Entities(left(entity) for entity in facts.entities if Fact("entity", entity.uid) not in taken),
        {uid: seen(report) for uid, report in facts.posture.items() if Fact("report", uid) not in taken},
        {id: grant for id, grant in facts.grants.items() if Fact("grant", id) not in taken},
    )


def parts_of(request: CheckRequest) -> Iterator[Part]:
    """Everything that a request says beyond who asks for what."""
    subject = request.subject
    yield from (Part("context", name) for name in request.context.fields)
    yield from (Part("claim", name) for name in subject.entity.attrs)
    yield from (Part("claimed group", group) for group in sorted(subject.entity.parents, key=str))
    if request.device is not None:
        yield Part("device")
    if subject.method is not Method.ASSERTED:
        yield from map(Part, ("acr", "amr", "time of sign-in", "credential"))


def saying_less(request: CheckRequest, taken: Collection[Part]) -> CheckRequest:
    """The request, and what is taken is not said."""
    subject, said = request.subject, request.subject.entity
    entity = Entity(
        said.uid,
        {name: value for name, value in said.attrs.items() if Part("claim", name) not in taken},
        frozenset(group for group in said.parents if Part("claimed group", group) not in taken),
    )
    subject = replace(
        subject,
        entity=entity,
        acr=None if Part("acr") in taken else subject.acr,
        amr=frozenset() if Part("amr") in taken else subject.amr,
        authenticated_at=None if Part("time of sign-in") in taken else subject.authenticated_at,
    )
    if Part("credential") in taken:
        subject = Subject(Entity(said.uid), Method.ASSERTED)
    fields = {name: value for name, value in request.context.fields.items() if Part("context", name) not in taken}
    device = None if Part("device") in taken else request.device
    return replace(request, subject=subject, context=Record(fields), device=device)


@dataclass(frozen=True)
class Denied:
    """A case that is denied, and its request; `parts` of it and the facts `near` to it are what may be taken.

    What the credential says `as_well` is not missing when it is taken from the store: the store would only have won.
    """

    case: Case
    request: CheckRequest
    parts: tuple[Part, ...]
    near: tuple[Fact, ...]
    as_well: frozenset[Fact]

    def ask(self, world: World, request: CheckRequest | None = None) -> Verdict:
        current = CurrentWorld()
        current.world = world
        ages = consortium().config.freshness
        return Evaluating(current, ages, lambda: self.case.instant).decide(request or self.request)


@cache
def all_facts() -> tuple[Fact, ...]:
    return tuple(facts_of(consortium()))


@cache
def denied() -> tuple[Denied, ...]:
    """The cases that are denied, as they were asked."""
    world = consortium()
    rehearsal = world.rehearsal(world.world())
    found = []
    for case in world.cases:
        if case.expect.decision is Decision.DENY:
            request = rehearsal.question(case)
            said = request.subject.entity
            as_well = frozenset(Fact("attribute", said.uid, name) for name in said.attrs)
            refused = case.expect.reason == ReasonClass.INVALID_REQUEST.value
            parts = () if refused else tuple(parts_of(request))
            facts = tuple(fact for fact in near(world, request) if fact not in as_well)
            found.append(Denied(case, request, parts, facts, as_well))
    return tuple(found)


def near(world: Consortium, request: CheckRequest) -> Iterator[Fact]:
    """Facts of what can be reached from the principal, the device and the resource, and the grants of all these."""
    reached: set[EntityUID] = set()
    pending = [uid for uid in (request.subject.uid, request.device, request.resource) if uid is not None]
    while pending:
        uid = pending.pop()
        entity = world.facts.entities.get(uid)
        if uid not in reached and entity is not None:
            pending += [*entity.parents, *(value for value in entity.attrs.values() if isinstance(value, EntityUID))]
        reached.add(uid)
    held = {grant.id for grant in world.facts.grants.values() if grant.principal in reached}
    return (fact for fact in all_facts() if fact.of in reached or fact.of in held)


@cache
def granted(left_out: frozenset[str]) -> World:
    """The world without some grants."""
    facts = consortium().facts
    return consortium().world(
        facts=replace(facts, grants={id: grant for id, grant in facts.grants.items() if id not in left_out})
    )


def poorer(taken: Iterable[Fact]) -> World:
    """The world without some facts. Grants are policies, too; all else is exchanged without compiling."""
    gone = frozenset(taken)
    base = granted(frozenset(str(fact.of) for fact in gone if fact.kind == "grant"))
    return replace(base, facts=without(consortium().facts, gone))


def sample() -> list[Fact]:
    if settings().max_examples > 1_000:
        return list(all_facts())
    return random.Random(20261124).sample(all_facts(), _SAMPLE)


def opened(world: World, missing: Fact | None = None) -> list[str]:
    """The denied cases that this world allows, but for those whose credential says itself what is missing."""
    asked = [each for each in denied() if missing not in each.as_well]
    return [each.case.name for each in asked if each.ask(world).decision is not Decision.DENY]


def test_with_nothing_missing_they_are_denied() -> None:
    assert len(denied()) >= 60
    assert opened(poorer([])) == []


def test_no_fact_that_is_missing_opens_a_door() -> None:
    assert [(fact, cases) for fact in sample() if (cases := opened(poorer([fact]), fact))] == []


def test_no_part_of_a_request_that_is_missing_opens_a_door() -> None:
    world = poorer([])
    allowed = [
        (part, each.case.name)
        for each in denied()
        for part in each.parts
        if each.ask(world, saying_less(each.request, [part])).decision is not Decision.DENY
    ]
    assert allowed == []


@settings(max_examples=min(settings().max_examples, _SEVERAL))
@given(st.data())
def test_nor_do_several(data: st.DataObject) -> None:
    each = data.draw(st.sampled_from(denied()))
    facts = data.draw(st.lists(st.sampled_from(each.near), max_size=5, unique=True))
    parts = data.draw(st.lists(st.sampled_from(each.parts), max_size=3, unique=True)) if each.parts else []
    verdict = each.ask(poorer(facts), saying_less(each.request, parts))
    assert verdict.decision is Decision.DENY, (each.case.name, verdict.message)


def test_a_guardrail_that_is_written_the_other_way_round_is_found_out() -> None:
    text = 'forbid (principal, action, resource) when { principal has status && principal.status == "suspended" };'
    (negative,) = parse_policies(Source("p", text))
    own = consortium().policies
    policies = [replace(negative, id=each.id) if each.id == "guardrail/inactive-principal" else each for each in own]
    fact = Fact("attribute", EntityUID("User", "ivan"), "status")
    assert opened(consortium().world(policies)) == []
    assert opened(consortium().world(policies, without(consortium().facts, [fact])), fact) != []
