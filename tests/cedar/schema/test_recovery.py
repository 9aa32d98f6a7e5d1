"""Several faults of one schema text, reported together."""

import random

import pytest
from texts import mutants

from pdp.cedar.errors import SchemaError
from pdp.cedar.limits import MAX_REPORTED_FAULTS
from pdp.cedar.schema.text import parse_fragment, parse_fragment_reporting
from pdp.cedar.source import Source

GOOD = """
entity Group;
entity User in [Group] { name: String, manager?: User } tags Long;
namespace Files {
  type Label = { level: Long };
  entity File { label: Label };
  action read, write appliesTo { principal: User, resource: File, context: { ip?: ipaddr } };
}
"""
CASES = {
    "every declaration has its own": (
        "entty A;\nentity B { x: };\nentity C;\naction v appliesTo { principal: C };",
        [(1, 1), (2, 15), (4, 10)],
    ),
    "a missing semicolon spoils one declaration": ("entity A { x: Long }\nentity B;\nentity C {;", [(1, 21), (3, 11)]),
    "inside a namespace": (
        "namespace N {\n  entity A { x: };\n  entity B;\n  typ X = Long;\n}\nentity ;",
        [(2, 17), (4, 3), (6, 8)],
    ),
    "a missing end is not blamed besides": ("namespace N {\n  entity A { x: };\n", [(2, 17)]),
    "nothing is read behind what is no token": ("entity A { x: };\nentity 'B;\nentity C { y: };", [(1, 15), (2, 8)]),
    "what is no token stands first": ("'", [(1, 1)]),
    "a string without an end": ('entity A {;\nentity B;\nentity C "', [(1, 11), (3, 10)]),
}


def places(text: str) -> list[tuple[int, int]]:
    _, faults = parse_fragment_reporting(Source("s", text))
    return [tuple(fault.position) for fault in faults if fault.position is not None]  # type: ignore[misc]  # two each


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_faults_and_their_places(text: str, expected: list[tuple[int, int]]) -> None:
    assert places(text) == expected


def test_a_good_text_is_read_as_ever() -> None:
    fragment, faults = parse_fragment_reporting(Source("s", GOOD))
    assert faults == ()
    assert fragment == parse_fragment(Source("s", GOOD))


def test_there_is_an_end_to_it() -> None:
    assert len(places("entity A { x: };\n" * 1_000)) == MAX_REPORTED_FAULTS
    nested = "namespace N {\n" + "entity A { x: };\n" * 1_000 + "}\n"
    assert len(places(nested)) == MAX_REPORTED_FAULTS


def first_fault(source: Source) -> SchemaError | None:
    try:
        parse_fragment(source)
    except SchemaError as error:
        return error
    return None


def test_the_first_fault_is_the_one_that_is_raised() -> None:
    rng = random.Random(20261125)
    refused = 0
    for text in mutants(rng, [GOOD[1:], *(text for text, _ in CASES.values())], "{}[];:?<>,@\"'\\ \nx", 3_000):
        source = Source("s", text)
        fragment, faults = parse_fragment_reporting(source)
        first = first_fault(source)
        if first is None:
            assert (fragment, faults) == (parse_fragment(source), ())
            continue
        refused += 1
        assert fragment is None
        assert (faults[0].message, faults[0].span) == (first.message, first.span)
        starts = [fault.span.start for fault in faults if fault.span is not None]
        assert starts == sorted(starts)
    assert refused > 1_000
