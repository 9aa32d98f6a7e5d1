"""Taking a rulebook apart: everything in it, and never while somebody can ask."""

import gc
import weakref
from unittest.mock import patch

import pytest
from hypothesis import given
from strategies import World, worlds

from pdp.compiler import index
from pdp.compiler.dismantling import Remains
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook


@given(worlds())
def test_nothing_is_left_in_it(world: World) -> None:
    with patch.object(index, "_FEW", 0):  # so that there are nodes below nodes
        program = Program(Rulebook(world.policies, fuse_after=1))
    for request in (*world.requests, *world.requests):
        program.authorize(request, world.entities)
    book = program._book
    rules = [rule for rule in book._rules.values() if rule.body.condition is not None]
    conditions = [weakref.ref(rule.body.condition) for rule in rules if rule.body.condition is not None]
    remains = Remains(program)
    del program, rules
    if conditions:
        assert len(list(remains.dismantle())) > 1
    else:
        list(remains.dismantle())
    assert len(book) == 0
    for root in (book.index._by_principal, book.index._by_resource, book.index._pairs, book.index._pairs_by_resource):
        assert not root.equal
        assert not root.above
    enabled = gc.isenabled()
    gc.disable()
    del book, remains
    try:
        assert [condition() for condition in conditions] == [None] * len(conditions)
    finally:
        if enabled:
            gc.enable()


@given(worlds())
def test_while_there_is_a_program_it_stays_whole(world: World) -> None:
    program = compile_policies(world.policies)
    expected = [program.authorize(request, world.entities) for request in world.requests]
    remains = Remains(program)
    assert remains.is_seen
    with pytest.raises(ValueError, match="in use"):
        next(remains.dismantle())
    assert [program.authorize(request, world.entities) for request in world.requests] == expected
    other = Program(program._book)
    del program
    assert remains.is_seen
    del other
    assert not remains.is_seen
