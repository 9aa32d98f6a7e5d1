"""What a PEP states of the resource: attributes that are not stored, checked by the schema, for one decision."""

from typing import Any

import pytest
from engine_worlds import AGES, ANA, BOB, GONE, NOW, PLAN, PLANS, SECRET, SHARE, a_world, ask, by_token, decide

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ConformanceError
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.context.facts import Facts
from pdp.engine.decider import CheckRequest, ReasonClass
from pdp.engine.enrich import enrich, with_resource, with_subject
from pdp.engine.snapshot import World
from pdp.policies.bundle import Bundle

NEW = EntityUID("Files::File", "new")
OWNED_BY_BOB = Record({"owner": BOB, "secret": False})


def stating(facts: Record, resource: EntityUID = NEW, **rest: Any) -> CheckRequest:
    return ask(resource=resource, resource_facts=facts, **rest)


def resource_of(request: CheckRequest, world: World) -> Entity | None:
    return enrich(request, world, NOW, AGES).entities.get(request.resource)


def test_a_resource_that_is_not_stored_is_what_the_pep_says(world: World) -> None:
    found = resource_of(stating(OWNED_BY_BOB), world)
    assert found is not None
    assert (found.attrs, found.parents, found.ancestors) == (OWNED_BY_BOB.fields, frozenset(), frozenset())
    assert decide(world, stating(OWNED_BY_BOB, who=BOB, action=SHARE)).reason is ReasonClass.ALLOWED
    assert decide(world, stating(OWNED_BY_BOB, who=ANA, action=SHARE)).reason is ReasonClass.NOT_PERMITTED


def test_without_facts_nothing_is_stored(world: World) -> None:
    assert resource_of(ask(resource=NEW), world) is None
    assert enrich(ask(resource=GONE), world, NOW, AGES).entities is world.facts.entities


def test_a_stored_fact_wins_and_the_stored_parents_stay(world: World) -> None:
    lies = Record({"owner": BOB, "secret": False})
    found = resource_of(stating(lies, SECRET), world)
    assert found is not None
    assert found.attrs == {"owner": ANA, "secret": True}
    assert PLANS in found.ancestors
    assert decide(world, stating(lies, SECRET, who=BOB, action=SHARE)).reason is ReasonClass.FORBIDDEN


def test_facts_last_for_one_decision(world: World) -> None:
    assert decide(world, stating(OWNED_BY_BOB, who=BOB, action=SHARE)).reason is ReasonClass.ALLOWED
    assert decide(world, ask(resource=NEW, who=BOB, action=SHARE)).reason is ReasonClass.POLICY_ERROR
    assert world.facts.entities.get(NEW) is None


@pytest.mark.parametrize(
    "said",
    [
        {"owner": BOB},
        {"owner": BOB, "secret": "false"},
        {"owner": BOB, "secret": 0},
        {"owner": EntityUID("Group", "readers"), "secret": False},
        {"owner": BOB, "secret": False, "label": "x"},
        {"owner": BOB, "secret": False, "": True},
    ],
)
def test_what_does_not_fit_the_schema_is_refused(world: World, said: dict[str, Any]) -> None:
    with pytest.raises(ConformanceError):
        enrich(stating(Record(said)), world, NOW, AGES)
    assert decide(world, stating(Record(said))).reason is ReasonClass.INVALID_REQUEST


def test_of_a_stored_resource_the_rest_must_fit_too(world: World) -> None:
    assert decide(world, stating(Record({"label": "x"}), PLAN)).reason is ReasonClass.INVALID_REQUEST
    assert decide(world, stating(Record({"secret": "no"}), PLAN)).reason is ReasonClass.ALLOWED, "a stored fact wins"


def test_facts_of_an_entity_type_that_is_not_declared_are_refused(world: World) -> None:
    assert decide(world, stating(Record({"a": 1}), EntityUID("Nothing", "x"))).reason is ReasonClass.INVALID_REQUEST


def test_a_subject_that_asks_about_itself_keeps_what_both_say(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts)
    subject = by_token(BOB, {"level": 7}, [EntityUID("Group", "readers")])
    said = Record({"level": 1, "suspended": True})
    found = with_resource(BOB, said, with_subject(subject, world), world).get(BOB)
    assert found is not None
    assert found.attrs == {"level": 7, "suspended": False}
    assert EntityUID("Group", "staff") in found.ancestors


def test_the_default_is_nothing() -> None:
    assert ask().resource_facts is EMPTY_RECORD
