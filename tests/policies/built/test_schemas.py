"""Schemas, written and read: the same declarations, annotations and shared types."""

import marshal
import random

import pytest
from built_bundles import exactly
from fuzzing import rounds
from random_schemas import random_fragment

from pdp.cedar.errors import SchemaError
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.policies.built.policies import MARSHAL
from pdp.policies.built.schemas import pack_schema, unpack_schema

TEXT = """
@doc("a name") type Name = { first: String, @note last?: String };
type Both = { one: Name, two: Set<Name>, three: Long };
entity Group in [Group];
@doc("who") entity User in [Group] = { name: Name, both: Both, ip: ipaddr, since: datetime } tags Set<Name>;
entity Colour enum ["red", "gr\\u{fc}n"];
action all;
@doc action read, "write it" in [all] appliesTo { principal: [User, Group], resource: Colour, context: Both };
"""


def written_and_read(schema: Schema) -> Schema:
    return unpack_schema(marshal.loads(marshal.dumps(pack_schema(schema), MARSHAL)))


def test_a_schema_of_everything() -> None:
    schema = parse_schema(Source("schema", TEXT))
    read = written_and_read(schema)
    assert read == schema
    assert exactly(read) == exactly(schema)
    assert list(read.entity_types) == list(schema.entity_types)
    assert list(read.actions) == list(schema.actions)


def test_a_type_that_is_used_often_is_written_once() -> None:
    # Each level doubles what the type stands for; written out, it would fill the memory.
    levels = "".join(f"type T{n + 1} = {{ a: T{n}, b: T{n} }};\n" for n in range(17))
    schema = parse_schema(Source("schema", f"type T0 = Long;\n{levels}entity E = {{ a: T17, b: T17 }};"))
    assert len(marshal.dumps(pack_schema(schema), MARSHAL)) < 4_000
    attributes = written_and_read(schema).entity_types["E"].attributes.attributes
    assert attributes["a"].type is attributes["b"].type


def test_random_schemas() -> None:
    rng = random.Random(20261125)
    read = 0
    for _ in range(rounds(150)):
        try:
            schema = resolve(random_fragment(rng, json=True))
        except SchemaError:
            continue
        read += 1
        assert exactly(written_and_read(schema)) == exactly(schema)
    assert read > 50


@pytest.mark.parametrize(
    "packed",
    [
        (),
        ((("no", 1),), (), ()),
        ((("set", 4),), (), ()),
        ((("built in", "no"),), (), ()),
        ((("built in", "Long"),), (("standard", "A", 0, None, (), ()),), ()),
        ((), (("no",),), ()),
    ],
)
def test_what_nobody_has_written_is_refused(packed: tuple[object, ...]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        unpack_schema(packed)
