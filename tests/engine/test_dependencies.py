"""What changed since: exactly, as long as it is remembered, and then never too little."""

from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.values import EntityUID
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.dependencies import History, depending

UIDS = [EntityUID("User", str(number)) for number in range(6)]
NONE: tuple[EntityUID, ...] = ()


def change(kind: str, *uids: EntityUID) -> Change:
    named = frozenset(uids)
    return {
        "entities": Change(entities=named),
        "posture": Change(posture=named),
        "grants": Change(grants=named),
    }[kind]


def test_kinds_of_facts_are_told_apart() -> None:
    one = UIDS[:1]
    facts = {
        "entities": depending(one, NONE, NONE),
        "posture": depending(NONE, one, NONE),
        "grants": depending(NONE, NONE, one),
    }
    for changed in facts:
        history = History()
        history.add(change(changed, *one))
        assert {kind for kind, depends in facts.items() if not history.unchanged(depends, 0)} == {changed}


def test_parts_of_a_name_do_not_run_into_each_other() -> None:
    history = History()
    history.add(change("entities", EntityUID("A", "bc")))
    assert history.unchanged(depending([EntityUID("Ab", "c")], NONE, NONE), 0)


def test_moments_grow_by_one_and_a_change_is_seen_from_before_it_alone() -> None:
    history = History()
    assert history.now == 0
    assert history.add(change("entities", UIDS[0])) == 1
    assert history.add(change("entities", UIDS[1])) == 2
    first = depending([UIDS[0]], NONE, NONE)
    assert [history.unchanged(first, moment) for moment in (0, 1, 2)] == [False, True, True]


def test_touched_are_all_that_are_named() -> None:
    made = Change(entities=frozenset(UIDS[:1]), posture=frozenset(UIDS[1:2]), grants=frozenset(UIDS[2:3]))
    assert made.touched == frozenset(UIDS[:3])
    assert EVERYTHING.touched == frozenset()


@given(
    most=st.integers(1, 6),
    changes=st.lists(st.frozensets(st.sampled_from(UIDS), max_size=4), max_size=30),
    asked=st.lists(st.sampled_from(UIDS), max_size=3),
    moment=st.integers(0, 30),
)
def test_it_never_says_unchanged_of_what_has_changed(
    most: int, changes: list[frozenset[EntityUID]], asked: list[EntityUID], moment: int
) -> None:
    history = History(most)
    for uids in changes:
        history.add(Change(entities=uids))
        assert len(history) <= 2 * most
    changed = any(not uids.isdisjoint(asked) for uids in changes[moment:])
    said = history.unchanged(depending(asked, NONE, NONE), moment)
    assert not (said and changed)
    if sum(map(len, changes[moment:])) <= most and all(len(uids) <= most for uids in changes):
        assert said is not changed  # what fits into one half is not forgotten


def test_more_than_it_can_remember_is_everything() -> None:
    history = History(2)
    history.add(change("entities", *UIDS[:3]))
    nothing = depending(NONE, NONE, NONE)
    assert not history.unchanged(nothing, 0)
    assert history.unchanged(nothing, 1)
    assert len(history) == 0
