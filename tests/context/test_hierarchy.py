"""Entities that change one by one are as if they had been put together at once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import EntityError
from pdp.cedar.values import EntityUID
from pdp.context import hierarchy
from pdp.context.hierarchy import Hierarchy

UIDS = [EntityUID("G", str(number)) for number in range(7)]
uids = st.sampled_from(UIDS)
steps = st.lists(
    st.dictionaries(uids, st.none() | st.frozensets(uids, max_size=3), min_size=1, max_size=4), min_size=1, max_size=12
)


def ancestors(entities: Entities) -> dict[EntityUID, frozenset[EntityUID]]:
    return {entity.uid: entity.ancestors for entity in entities}


def entity(uid: EntityUID, parents: frozenset[EntityUID] | None) -> Entity | None:
    return None if parents is None else Entity(uid, parents=parents)


@given(steps)
def test_ancestors_after_each_change_are_those_of_a_store_built_at_once(
    steps: list[dict[EntityUID, frozenset[EntityUID] | None]],
) -> None:
    present: dict[EntityUID, Entity] = {}
    changing = Hierarchy()
    for step in steps:
        changing = Hierarchy.of(changing.entities) if len(changing) % 3 == 0 else changing
        changes = {uid: entity(uid, parents) for uid, parents in step.items()}
        after = {uid: one for uid, one in {**present, **changes}.items() if one is not None}
        try:
            expected = Entities(after.values())
        except EntityError:
            with pytest.raises(EntityError):
                changing.changed(changes)
            assert ancestors(changing.entities) == ancestors(Entities(present.values()))
            continue
        present, changing = after, changing.changed(changes)
        assert ancestors(changing.entities) == ancestors(expected)
        assert ancestors(Hierarchy.of(after.values()).entities) == ancestors(expected)
        assert len(changing) == len(changing.entities) == len(present)
        for uid in UIDS:
            below = {one.uid for one in expected if uid in one.ancestors or one.uid == uid}
            assert set(changing.below([uid])) == below


def test_a_snapshot_stays_as_it_was() -> None:
    first = Hierarchy().changed({UIDS[0]: Entity(UIDS[0], {"a": 1})})
    first.changed({UIDS[0]: None, UIDS[1]: Entity(UIDS[1])})
    assert [one.attrs for one in first.entities] == [{"a": 1}]


def test_moving_out_of_a_cycle_and_into_another_shape_in_one_step_is_no_cycle() -> None:
    a, b = UIDS[:2]
    turned = Hierarchy().changed({a: Entity(a, parents=frozenset({b})), b: Entity(b)})
    turned = turned.changed({a: Entity(a), b: Entity(b, parents=frozenset({a}))})
    assert ancestors(turned.entities) == {a: frozenset(), b: frozenset({a})}


def test_the_bound_of_ancestors_counts_what_is_there_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchy, "MAX_ANCESTORS", 10)
    chance = random.Random(2)
    changing, present = Hierarchy(), dict[EntityUID, frozenset[EntityUID]]()
    refused = 0
    for _ in range(400):
        uid = chance.choice(UIDS)
        parents = frozenset(chance.sample(UIDS[: UIDS.index(uid)], min(UIDS.index(uid), chance.randrange(4))))
        after = {**present, uid: parents}
        total = sum(map(len, ancestors(Entities(Entity(uid, parents=up) for uid, up in after.items())).values()))
        if total > 10:
            refused += 1
            with pytest.raises(EntityError, match="too large"):
                changing.changed({uid: Entity(uid, parents=parents)})
            continue
        present, changing = after, changing.changed({uid: Entity(uid, parents=parents)})
        if chance.random() < 0.3:
            present.pop(uid)
            changing = changing.changed({uid: None})
    assert 20 < refused < 380
