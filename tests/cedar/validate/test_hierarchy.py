"""What may be in what: asked of random schemas, and held against their declarations."""

import itertools
import random

from fuzzing import rounds
from typed import random_schema

from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.values import EntityUID


def test_types_and_actions_of_random_schemas() -> None:
    rng = random.Random(6)
    inside = 0
    for _ in range(rounds(300)):
        schema, _ = random_schema(rng)
        hierarchy = Hierarchy(schema)
        actions = list(schema.actions.values())
        assert [action.uid for action in hierarchy.actions] == sorted(schema.actions)
        for one, other in itertools.product(actions, repeat=2):
            is_in = one == other or other.uid in one.ancestors
            assert hierarchy.is_in(one.uid, [other.uid]) is is_in
            assert (one in hierarchy.members([other.uid])) is is_in
            inside += is_in and one != other
        types = {*schema.entity_types, *(uid.type for uid in schema.actions)}
        for below, above in itertools.product(types, repeat=2):
            allowed = below == above or (
                above in schema.entity_types[below].ancestors
                if below in schema.entity_types
                else any(above == group.type for each in actions if each.uid.type == below for group in each.ancestors)
            )
            assert hierarchy.may_be_in(below, above) is allowed
    assert inside > 100


def test_groups_of_several_and_names_that_nobody_declares() -> None:
    text = "action g; action h; action a in [g]; action b in [g, h]; action c in [h]; action d;"
    hierarchy = Hierarchy(parse_schema(Source("<test>", text)))
    a, b, g, h = (EntityUID("Action", id) for id in "abgh")
    assert [action.uid.id for action in hierarchy.members([h, g, a])] == ["a", "b", "c", "g", "h"]
    assert hierarchy.members([EntityUID("Action", "z")]) == []
    assert hierarchy.members([]) == []
    assert hierarchy.is_in(b, [a, h])
    assert not hierarchy.is_in(b, [a])
    assert not hierarchy.is_in(b, [])
    assert [action.uid for action in hierarchy.named(a)] == [a]
    assert list(hierarchy.named(EntityUID("Action", "z"))) == []
    assert hierarchy.may_be_in("Nope", "Nope")
    assert not hierarchy.may_be_in("Nope", "Action")
