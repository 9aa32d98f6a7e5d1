"""The store of entities: closed ancestors, cycles, contradictions, overlays, and how large it may become."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar import entities as module
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import EntityError
from pdp.cedar.values import EntityUID, Set, Value


def uid(name: object) -> EntityUID:
    return EntityUID("T", str(name))


def entity(name: object, *parents: object) -> Entity:
    return Entity(uid(name), parents=frozenset(map(uid, parents)))


def ancestors(store: Entities, name: object) -> set[str]:
    stored = store.get(uid(name))
    assert stored is not None
    return {ancestor.id for ancestor in stored.ancestors}


def test_ancestors_are_closed_whatever_the_order() -> None:
    entities = [entity("a", "b", "c"), entity("b", "d"), entity("c", "d"), entity("d", "e"), entity("e")]
    for order in itertools.permutations(entities):
        store = Entities(order)
        assert ancestors(store, "a") == {"b", "c", "d", "e"}
        assert ancestors(store, "b") == {"d", "e"}
        assert ancestors(store, "e") == set()


def test_a_parent_that_is_not_stored_is_an_ancestor_without_ancestors() -> None:
    store = Entities([entity("a", "absent"), entity("b", "a")])
    assert ancestors(store, "b") == {"a", "absent"}
    assert store.get(uid("absent")) is None
    assert uid("absent") not in store


def test_a_store_gives_back_what_was_put_in() -> None:
    given = Entity(uid("a"), {"x": 1}, frozenset((uid("b"),)), {"t": "u"})
    store = Entities([given, entity("b")])
    stored = store.lookup(uid("a"))
    assert stored is not None
    assert stored.same_as(given)
    assert store.get(uid("a")) is stored
    assert uid("a") in store
    assert len(store) == 2
    assert {each.uid for each in store} == {uid("a"), uid("b")}
    assert len(Entities()) == 0


DIFFERENT: list[dict[str, Value]] = [
    {},
    {"a": 1},
    {"a": True},
    {"a": Set([1])},
    {"a": Set([True])},
    {"b": 1},
    {"a": 1, "b": 1},
]


def test_equality_of_entities_is_that_of_values() -> None:
    for (i, first), (j, second) in itertools.product(enumerate(DIFFERENT), repeat=2):
        assert Entity(uid("a"), attrs=first).same_as(Entity(uid("a"), attrs=second)) is (i == j)
        assert Entity(uid("a"), tags=first).same_as(Entity(uid("a"), tags=second)) is (i == j)
    assert not entity("a").same_as(entity("b"))
    assert not entity("a").same_as(entity("a", "b"))
    closed = Entities([entity("a", "b"), entity("b", "c")]).get(uid("a"))
    assert closed is not None
    assert closed.same_as(entity("a", "b")), "ancestors are no contents"


def test_the_same_entity_twice_is_one_if_it_is_equal() -> None:
    assert len(Entities([entity("a", "b"), entity("a", "b")])) == 1
    with pytest.raises(EntityError, match='entity `T::"a"` is given twice with different contents') as caught:
        Entities([Entity(uid("a"), {"x": 1}), entity("b"), Entity(uid("a"), {"x": True})])
    assert caught.value.uid == uid("a")


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([entity("a", "a")], '`T::"a"` in `T::"a"`'),
        ([entity("a", "b"), entity("b", "a")], '`T::"a"` in `T::"b"` in `T::"a"`'),
        (
            [entity("x", "a"), entity("a", "b"), entity("b", "c"), entity("c", "a")],
            '`T::"a"` in `T::"b"` in `T::"c"` in `T::"a"`',
        ),
    ],
)
def test_a_cycle_is_shown(entities: list[Entity], message: str) -> None:
    with pytest.raises(EntityError) as caught:
        Entities(entities)
    assert caught.value.message == f"the hierarchy has a cycle: {message}"
    assert caught.value.uid == uid("a")


def test_a_long_cycle_is_shown_in_part() -> None:
    names = [f"n{number:05}" for number in range(50_000)]
    with pytest.raises(EntityError) as caught:
        Entities([entity(name, following) for name, following in zip(names, [*names[1:], names[0]], strict=True)])
    assert "(49992 more)" in caught.value.message
    assert len(caught.value.message) < 300


def test_the_longest_chain_takes_no_stack() -> None:
    length = 2_000
    for order in (range(length), range(length - 1, -1, -1)):
        store = Entities(entity(number, number + 1) for number in order)
        assert len(ancestors(store, 0)) == length
        assert ancestors(store, length - 1) == {str(length)}


def test_the_hierarchy_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [entity(number, number + 1) for number in range(10)]
    monkeypatch.setattr(module, "MAX_ANCESTORS", 55)
    assert len(Entities(chain)) == 10
    monkeypatch.setattr(module, "MAX_ANCESTORS", 54)
    with pytest.raises(EntityError, match=r"the hierarchy is too large: .* have 55 ancestors"):
        Entities(chain)


def test_entities_without_grandparents_share_their_parents_set() -> None:
    given = entity("a", "b")
    stored = Entities([given, entity("b")]).get(uid("a"))
    assert stored is not None
    assert stored.ancestors is given.parents


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_any_graph_is_closed_or_has_a_cycle(edges: list[tuple[int, int]]) -> None:
    parents: dict[int, set[int]] = {}
    for child, parent in edges:
        parents.setdefault(child, set()).add(parent)
    reached = {child: _reach(child, parents) for child in parents}
    given = [entity(child, *above) for child, above in parents.items()]
    if any(child in reach for child, reach in reached.items()):
        with pytest.raises(EntityError, match="cycle"):
            Entities(given)
    else:
        store = Entities(given)
        for child, reach in reached.items():
            assert ancestors(store, child) == set(map(str, reach))


def _reach(start: int, parents: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    pending = [start]
    while pending:
        for parent in parents.get(pending.pop(), ()):
            if parent not in found:
                found.add(parent)
                pending.append(parent)
    return found


STORE = Entities([entity("a", "b"), entity("b", "c"), entity("c"), entity("below", "a")])


def test_an_overlay_replaces_one_entity_for_whoever_has_it() -> None:
    layered = STORE.overlaid(Entity(uid("a"), {"x": 1}, frozenset((uid("c"), uid("absent")))))
    stored = layered.lookup(uid("a"))
    assert stored is not None
    assert stored.attrs == {"x": 1}
    assert ancestors(layered, "a") == {"c", "absent"}
    assert ancestors(STORE, "a") == {"b", "c"}, "the store below stays as it was"
    assert layered.lookup(uid("b")) is STORE.lookup(uid("b"))
    assert len(layered) == len(STORE) == 4
    assert {each.uid: each.attrs for each in layered}[uid("a")] == {"x": 1}


def test_an_overlay_may_add_an_entity() -> None:
    layered = STORE.overlaid(entity("new", "b"))
    assert ancestors(layered, "new") == {"b", "c"}
    assert len(layered) == 5
    assert uid("new") in layered
    assert uid("new") not in STORE
    assert layered.get(uid("nobody")) is None


def test_an_overlay_lends_its_groups_to_nothing_else() -> None:
    layered = STORE.overlaid(entity("a", "admins"))
    assert ancestors(layered, "below") == {"a", "b", "c"}


def test_overlays_can_be_laid_on_overlays() -> None:
    twice = STORE.overlaid(entity("a", "admins")).overlaid(entity("new", "a"))
    assert ancestors(twice, "a") == {"admins"}
    assert ancestors(twice, "new") == {"a", "admins"}
    thrice = twice.overlaid(entity("a"))
    assert ancestors(thrice, "a") == set()
    assert len(thrice) == 5


def test_an_overlay_has_no_cycle() -> None:
    for parents in (("a",), ("below",), ("c", "below")):
        with pytest.raises(EntityError, match="cannot be its own ancestor"):
            STORE.overlaid(entity("a", *parents))
