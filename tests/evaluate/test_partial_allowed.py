"""Lists of what would be allowed: they are those of a loop over `authorize`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, TypedDict

import pytest
from hypothesis import given
from partial_case import ANA, BOB, FOLDER, MEMO, PLAN, READ, SCHEMA, STORE, WRITE, policies
from partial_worlds import SCHEMA as UNIVERSE
from partial_worlds import conforming
from strategies import World, sampled_worlds, worlds

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ConformanceError
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID, IPAddr, Record
from pdp.evaluate.authorize import authorize
from pdp.evaluate.partial import allowed_actions, allowed_principals, allowed_resources

_SAMPLED: Final = 50
CONTEXT: Final = Record({"region": "eu", "mfa": True, "net": IPAddr(4, 0, 32), "device": Record({"managed": True})})


class Options(TypedDict):
    """What the lists take by name."""

    context: Record
    schema: Schema | None


def check(world: World, schema: Schema | None) -> None:
    """All three lists of every request of a world."""
    policies, entities = world.policies, world.entities
    for asked in world.requests:
        principal, action, resource = asked.principal, asked.action, asked.resource
        options: Options = {"context": asked.context, "schema": schema}
        found = {
            "principal": allowed_principals(principal.type, action, resource, policies, entities, **options),
            "action": allowed_actions(principal, action.type, resource, policies, entities, **options),
            "resource": allowed_resources(principal, action, resource.type, policies, entities, **options),
        }
        for variable, uids in found.items():
            assert list(uids) == list(loop(world, schema, asked, variable)), variable


def loop(world: World, schema: Schema | None, asked: Request, variable: str) -> Iterator[EntityUID]:
    """The list, one whole request after the other."""
    entity_type = getattr(asked, variable).type
    for entity in world.entities:
        change: dict[str, Any] = {variable: entity.uid}
        request = replace(asked, **change)
        if entity.uid.type != entity_type or (schema is not None and not schema.accepts_request(request)):
            continue
        if authorize(request, world.policies, world.entities).decision is Decision.ALLOW:
            yield entity.uid


@given(worlds())
def test_lists_are_those_of_a_loop(world: World) -> None:
    check(world, None)


def test_and_so_in_evenly_drawn_worlds() -> None:
    for world in sampled_worlds()[:_SAMPLED]:
        check(world, None)
        check(conforming(world), UNIVERSE)


OWNED: Final = policies("permit(principal, action, resource) when { resource.owner == principal };")


def test_on_what() -> None:
    assert list(allowed_resources(ANA, READ, "Doc", OWNED, STORE)) == [PLAN]
    assert list(allowed_resources(ANA, READ, "Doc", OWNED, STORE, context=CONTEXT, schema=SCHEMA)) == [PLAN]
    assert list(allowed_resources(ANA, READ, "Folder", OWNED, STORE)) == [FOLDER]
    assert list(allowed_resources(ANA, READ, "Group", OWNED, STORE)) == []


def test_who_may() -> None:
    assert list(allowed_principals("User", READ, PLAN, OWNED, STORE)) == [ANA]
    assert list(allowed_principals("User", READ, MEMO, OWNED, STORE)) == [BOB]
    assert list(allowed_principals("Group", READ, MEMO, OWNED, STORE)) == []


def test_what_somebody_may_do() -> None:
    some = policies('permit(principal, action in [Action::"read", Action::"write"], resource);')
    assert set(allowed_actions(ANA, "Action", PLAN, some, STORE)) == {READ, WRITE}
    # Of the two, only one is declared with such a context; a group is declared for nothing.
    assert list(allowed_actions(ANA, "Action", PLAN, some, STORE, context=CONTEXT, schema=SCHEMA)) == [READ]
    everything = policies("permit(principal, action, resource);")
    assert EntityUID("Action", "all") in set(allowed_actions(ANA, "Action", PLAN, everything, STORE))
    assert list(allowed_actions(ANA, "Action", PLAN, everything, STORE, context=CONTEXT, schema=SCHEMA)) == [READ]


def test_a_forbid_that_fails_is_skipped() -> None:
    mixed = policies(
        "permit(principal, action, resource);",
        'forbid(principal, action, resource) when { resource.label == "draft" };',
    )
    # The plan is a draft, and the memo has no label: there, the forbid fails.
    assert list(allowed_resources(ANA, READ, "Doc", mixed, STORE)) == [MEMO]


def test_only_what_the_store_has_is_listed() -> None:
    everything = policies("permit(principal, action, resource);")
    assert list(allowed_resources(ANA, READ, "Doc", everything, STORE)) == [PLAN, MEMO]
    assert list(allowed_resources(ANA, READ, "Doc", everything, Entities())) == []


def test_a_list_is_an_iterator() -> None:
    docs = Entities([Entity(EntityUID("Doc", str(number))) for number in range(10)])
    listed = allowed_resources(ANA, READ, "Doc", policies("permit(principal, action, resource);"), docs)
    assert next(listed) == EntityUID("Doc", "0")
    assert len(list(listed)) == 9


def test_a_list_that_the_schema_refuses_is_refused_at_once() -> None:
    with pytest.raises(ConformanceError, match="does not apply to a resource of type `Group`"):
        allowed_resources(ANA, READ, "Group", OWNED, STORE, context=CONTEXT, schema=SCHEMA)
    with pytest.raises(ConformanceError, match="no action of the schema"):
        allowed_actions(ANA, "Action", PLAN, OWNED, STORE, schema=SCHEMA)
