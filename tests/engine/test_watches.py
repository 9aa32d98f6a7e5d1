"""News of changes: nobody who is watched is passed over, and the list is bounded."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from caching_worlds import AGES, DEVICES, DOCS, GROUPS, HOUR, NOW, ORGS, TEMPLATES, USERS, a_model, attributes, standing
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.values import EntityUID, Record, Set
from pdp.context.facts import Grant
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.comparing import between
from pdp.engine.decider import CheckRequest
from pdp.engine.evaluating import evaluate
from pdp.engine.reaching import MOST_REACHED, Reach, literals
from pdp.engine.snapshot import CurrentWorld, World
from pdp.engine.watches import MOST_TOLD, News, Watches

ANA, BOB, EVE = USERS
NOBODY: frozenset[EntityUID] = frozenset()
WORLD = a_model().world()


def changed(*uids: EntityUID) -> Change:
    return Change(entities=frozenset(uids))


def told(news: News) -> Any:
    assert not (news.everything and news.entities)
    return "everything" if news.everything else news.entities


def started(**options: Any) -> tuple[Watches, str]:
    """A list with a first world, and the place after it."""
    watches = Watches(**options)
    watches.changed(WORLD, EVERYTHING)
    return watches, watches.news("", NOBODY).place


def test_before_the_first_world_there_are_no_revisions() -> None:
    news = Watches().news("", NOBODY)
    assert (news.policy_revision, news.context_revision, told(news)) == ("", 0, "everything")


def test_news_are_what_was_touched_since_a_place() -> None:
    watches, begun = started()
    assert told(watches.news(begun, NOBODY)) == NOBODY
    watches.changed(WORLD.at(7), Change(False, frozenset([ANA]), frozenset([BOB]), frozenset([EVE])))
    between_ = watches.news(begun, NOBODY)
    assert told(between_) == {ANA, BOB, EVE}
    assert (between_.policy_revision, between_.context_revision) == (WORLD.policy_revision, 7)
    watches.changed(WORLD.at(8), changed(ORGS[0]))
    assert told(watches.news(between_.place, NOBODY)) == {ORGS[0]}
    assert told(watches.news(begun, NOBODY)) == {ANA, BOB, EVE, ORGS[0]}
    watches.changed(WORLD.at(9), EVERYTHING)
    assert told(watches.news(between_.place, NOBODY)) == "everything"


@pytest.mark.parametrize("place", ["", "x", "0-0", "0123456789abcdef-1", "-1", "\0", "9" * 60])
def test_a_place_of_another_list_is_everything(place: str) -> None:
    watches, begun = started()
    assert told(watches.news(place, NOBODY)) == "everything"
    assert told(watches.news(f"{begun}9", NOBODY)) == "everything"  # one that is yet to come
    other, _ = started()
    assert told(other.news(begun, NOBODY)) == "everything"


def test_the_list_is_bounded_and_who_comes_too_late_is_told_everything() -> None:
    watches, begun = started(most=10)
    for number in range(5):
        watches.changed(WORLD, changed(EntityUID("User", str(number))))
    assert len(told(watches.news(begun, NOBODY))) == 5
    watches.changed(WORLD, changed(ANA))
    assert told(watches.news(begun, NOBODY)) == "everything"
    watches.changed(WORLD, changed(*[EntityUID("User", str(number)) for number in range(100)]))
    assert told(watches.news(begun, NOBODY)) == "everything"
    assert watches._names <= 10


def test_more_than_can_be_told_at_once_is_everything() -> None:
    watches, begun = started()
    watches.changed(WORLD, changed(*[EntityUID("User", str(number)) for number in range(MOST_TOLD)]))
    assert len(told(watches.news(begun, NOBODY))) == MOST_TOLD
    watches.changed(WORLD, changed(ANA))
    assert told(watches.news(begun, NOBODY)) == "everything"
    assert told(watches.news(begun, frozenset([ANA]))) == {ANA}


# --- who is affected


def reached(entities: list[Entity], watched: EntityUID, touched: EntityUID, policies: Any = None) -> bool:
    model = a_model()
    world = model.world()
    facts = Entities(entities)
    made = World(
        world.policy_revision,
        1,
        world.schema,
        world.policies,
        world.book,
        world.program,
        type(world.facts)(facts),
        world.grants,
    )
    return Reach(made, frozenset(policies or ())).touches(watched, frozenset([touched]))


A, B, C, D = (EntityUID("Thing", name) for name in "abcd")


@pytest.mark.parametrize(
    ("entities", "touched", "affected"),
    [
        ([], A, True),
        ([], B, False),
        ([Entity(A, parents=frozenset([B]))], B, True),
        ([Entity(A, parents=frozenset([B])), Entity(B, parents=frozenset([C]))], C, True),
        ([Entity(B, parents=frozenset([A]))], B, False),
        ([Entity(A, {"x": B})], B, True),
        ([Entity(A, {"x": Set([Record({"y": B})])})], B, True),
        ([Entity(A, tags={"x": B})], B, True),
        ([Entity(A, {"x": B}), Entity(B, {"x": C}), Entity(C, parents=frozenset([D]))], D, True),
        ([Entity(A, {"x": B}), Entity(B, {"x": A})], C, False),
        ([Entity(B, {"x": A})], B, False),
    ],
)
def test_what_is_reached_from_an_entity(entities: list[Entity], touched: EntityUID, affected: bool) -> None:
    assert reached(entities, A, touched) is affected


def test_what_policies_name_is_reached_from_everywhere() -> None:
    assert reached([], A, B, [B])
    assert reached([Entity(B, {"x": C})], A, C, [B])
    assert not reached([], A, C, [B])
    assert GROUPS[1] in literals(WORLD.policies)


def test_what_reaches_too_much_is_affected_by_all() -> None:
    many = Set([EntityUID("Thing", str(number)) for number in range(MOST_REACHED + 1)])
    assert reached([Entity(A, {"x": many})], A, EntityUID("Other", "x"))
    assert not reached([Entity(A, {"x": Set([B])})], A, EntityUID("Other", "x"))


def entity_changes() -> st.SearchStrategy[tuple[str, Any]]:
    entities = st.sampled_from([*USERS, *GROUPS, *ORGS, *DEVICES, *DOCS])
    return st.one_of(
        entities.flatmap(lambda uid: attributes(uid.type).map(lambda attrs: ("attrs", (uid, attrs)))),
        entities.map(lambda uid: ("gone", uid)),
        st.tuples(st.sampled_from(USERS), st.frozensets(st.sampled_from(GROUPS), max_size=2)).map(
            lambda pair: ("parents", pair)
        ),
        st.sampled_from([(GROUPS[0], GROUPS[1]), (GROUPS[1], GROUPS[2]), (DOCS[1], DOCS[0])]).map(
            lambda pair: ("parents", (pair[0], frozenset([pair[1]])))
        ),
        st.sampled_from(GROUPS[:2]).map(lambda group: ("parents", (group, frozenset[EntityUID]()))),
        st.tuples(st.sampled_from([DEVICES[0], BOB]), st.booleans()).map(lambda pair: ("posture", pair)),
        st.tuples(
            st.sampled_from(TEMPLATES), st.sampled_from([*USERS[:2], *GROUPS[:2]]), st.sampled_from(DOCS[:2])
        ).map(lambda grant: ("grant", grant)),
    )


@given(st.lists(st.lists(entity_changes(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_no_decision_changes_without_its_entities_being_told(changes: list[list[tuple[str, Any]]]) -> None:
    """However many changes come between: of every question whose answer is another one now, somebody is named."""
    model = a_model()
    current, watches = CurrentWorld(), Watches()
    current.listen(watches.changed)
    current.publish(model.world(), EVERYTHING)
    begun = watches.news("", NOBODY).place
    before = {number: _answer(current.world, request) for number, request in enumerate(standing())}
    for step in changes:
        for kind, what in step:
            _apply(model, kind, what)
        world = model.world()
        current.publish(world, between(current.world, world))
    for number, request in enumerate(standing()):
        if _answer(current.world, request) != before[number]:
            watched = _about(request)
            assert watches.news(begun, watched).entities & watched


def _apply(model: Any, kind: str, what: Any) -> None:
    match kind:
        case "attrs":
            model.attrs[what[0]] = what[1]
        case "gone":
            model.attrs.pop(what, None)
        case "parents":
            model.parents[what[0]] = what[1]
        case "posture":
            fact = "encrypted" if what[0].type == "Device" else "attested"
            model.posture[what[0]] = NOW, {fact: what[1]}
        case _:
            model.grants["grant/1"] = Grant(
                "grant/1", what[0], what[1], what[2], "owner", "reason", NOW - HOUR, NOW + HOUR
            )


def _about(request: CheckRequest) -> frozenset[EntityUID]:
    subject = request.subject
    device = request.device or subject.device
    return frozenset([subject.uid, request.resource, *subject.entity.parents, *([device] if device else [])])


def _answer(world: World | None, request: CheckRequest) -> Any:
    verdict = evaluate(world, request, NOW, AGES).verdict
    return verdict.decision, verdict.policies, verdict.errors, verdict.obligations, verdict.valid_until


# --- waiting


def waiting(watches: Watches, place: str, is_wanted: Callable[[], bool] = lambda: True) -> tuple[Any, list[bool]]:
    came: list[bool] = []
    thread = threading.Thread(target=lambda: came.append(watches.wait(place, 30, is_wanted)))
    thread.start()
    return thread, came


def test_who_waits_is_woken_by_a_change() -> None:
    watches, begun = started()
    thread, came = waiting(watches, begun)
    watches.changed(WORLD, changed(ANA))
    thread.join(30)
    assert came == [True]
    assert watches.wait(begun, 30, lambda: True)  # it has come already


def test_who_waits_waits_no_longer_than_it_wants() -> None:
    watches, begun = started()
    start = monotonic()
    assert watches.wait(begun, 0.01, lambda: True)
    assert watches.wait(begun, -1, lambda: True)
    assert monotonic() - start < 25


def test_who_is_not_wanted_any_more_goes_when_woken() -> None:
    watches, begun = started()
    wanted = [True]
    thread, came = waiting(watches, begun, lambda: wanted[0])
    wanted[0] = False
    watches.wake()
    thread.join(30)
    assert came == [False]


def test_when_it_is_closed_nobody_waits() -> None:
    watches, begun = started()
    thread, came = waiting(watches, begun)
    watches.close()
    thread.join(30)
    assert came == [False]
    assert watches.wait(begun, 30, lambda: True) is False
