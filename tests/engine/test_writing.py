"""Writing facts while the world answers: each answer is that of a world built anew from the same facts."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from engine_worlds import (
    ANA,
    BOB,
    EVE,
    LAPTOP,
    NOW,
    PHONE,
    PLAN,
    PLANS,
    READ,
    READERS,
    SECRET,
    SHARE,
    STAFF,
    WRITE,
    a_grant,
    a_posture,
    ask,
    by_id,
    by_token,
    decide,
)
from hypothesis import given
from hypothesis import strategies as st
from small_world import SCHEMA

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError, ConformanceError, EntityError, PolicySetError
from pdp.cedar.response import Decision
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.context.changes import (
    Change,
    ChangeError,
    DropEntity,
    DropGrant,
    DropPosture,
    EndGrant,
    PutEntity,
    PutGrant,
    PutPosture,
    SetAttribute,
    SetMembership,
)
from pdp.context.facts import Facts
from pdp.context.memory import MemoryStore
from pdp.context.store import Check, ContextSnapshot, StoreError, accept
from pdp.engine import changes as worlds
from pdp.engine.comparing import between
from pdp.engine.reload import FILES, Reloader
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.engine.writing import Writing
from pdp.policies.bundle import Bundle

PEOPLE, GROUPS, FILES_OF = (ANA, BOB, EVE), (READERS, STAFF), (PLAN, SECRET)

people, groups, files = st.sampled_from(PEOPLE), st.sampled_from(GROUPS), st.sampled_from(FILES_OF)
folders = st.sampled_from((PLANS, EntityUID("Files::Folder", "other")))
entities = st.one_of(
    st.builds(Entity, people, st.fixed_dictionaries({"suspended": st.booleans()}), st.frozensets(groups, max_size=2)),
    st.builds(Entity, groups, st.just({}), st.frozensets(groups, max_size=1)),
    st.builds(
        Entity,
        files,
        st.fixed_dictionaries({"owner": people, "secret": st.booleans()}),
        st.frozensets(folders, max_size=1),
    ),
)
grants = st.builds(
    a_grant,
    st.integers(1, 3),
    principal=people | groups,
    resource=folders | files,
    expires_at=st.sampled_from((NOW, NOW + 1)),
)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(PutEntity, entities),
    st.builds(DropEntity, people | groups | files),
    st.builds(SetAttribute, people, st.just("suspended"), st.booleans()),
    st.builds(SetMembership, people | groups, groups, st.booleans()),
    st.builds(PutPosture, st.builds(a_posture, st.sampled_from((LAPTOP, PHONE)), encrypted=st.booleans())),
    st.builds(DropPosture, st.sampled_from((LAPTOP, PHONE))),
    st.builds(PutGrant, grants),
    st.builds(EndGrant, st.sampled_from(("grant/1", "grant/2")), st.just(NOW)),
    st.builds(DropGrant, st.sampled_from(("grant/1", "grant/2", "grant/3"))),
)
writes = st.lists(st.lists(changes, min_size=1, max_size=3), max_size=6)

QUESTIONS = [
    ask(who, action, file, device=device)
    for who in (*PEOPLE, by_token(ANA, {}, [STAFF], acr="phr"))
    for action in (READ, WRITE, SHARE)
    for file in FILES_OF
    for device in (LAPTOP, None)
]


class Running:
    """A world that answers, and is written to."""

    def __init__(self, bundle: Bundle, facts: Facts, store: MemoryStore | None = None) -> None:
        self.current, self.bundle, self.facts = CurrentWorld(), bundle, facts
        self.store = store or MemoryStore(lambda: NOW)
        self.changes: list[worlds.Change] = []
        self.reloader = Reloader(self.current, self.store, lambda: self.bundle, lambda _: self.facts, lambda: NOW)
        self.writing = Writing(self.current, self.store, self.reloader.lock)
        self.current.listen(lambda _, change: self.changes.append(change))
        self.reloader.reload()

    @property
    def world(self) -> World:
        assert self.current.world is not None
        return self.current.world

    def write(self, *changes: Change, source: str = "scim") -> ContextSnapshot:
        return self.writing.write(changes, source, NOW)


def anew(running: Running) -> World:
    """A world built from the same facts at once."""
    facts = running.store.snapshot().facts
    copy = Facts(Entities(facts.entities), dict(facts.posture), dict(facts.grants))
    return build_world(running.bundle, copy).at(running.store.snapshot().revision)


def allows(world: World) -> bool:
    """Whether bob may read the plan, for which he needs a grant."""
    return decide(world, ask(BOB)).decision is Decision.ALLOW


def assert_answers_alike(left: World, right: World) -> None:
    for question in QUESTIONS:
        assert decide(left, question) == decide(right, question)


@given(steps=writes)
def test_every_answer_is_that_of_a_world_built_anew(
    bundle: Bundle, facts: Facts, steps: Sequence[list[Change]]
) -> None:
    running = Running(bundle, facts)
    for step in steps:
        old, told = running.world, len(running.changes)
        try:
            after = running.write(*step)
        except (ChangeError, EntityError, ConformanceError):
            assert running.world is old
            assert len(running.changes) == told
        else:
            assert running.world.context_revision == after.revision
            (change,) = running.changes[told:]
            exact = between(old, running.world)
            assert not exact.everything
            for name in ("entities", "posture", "grants"):
                assert getattr(exact, name) <= getattr(change, name)
        assert_answers_alike(running.world, anew(running))
        assert_answers_alike(old, build_world(bundle, old.facts).at(old.context_revision))


@given(steps=writes)
def test_a_reload_in_between_keeps_what_others_said(
    bundle: Bundle, facts: Facts, steps: Sequence[list[Change]]
) -> None:
    running = Running(bundle, facts)
    for number, step in enumerate(steps):
        try:
            running.write(*step)
        except (ChangeError, EntityError, ConformanceError):
            continue
        state = running.store.snapshot().state
        said = {key: state.believed(key) for key in state.said_by("scim")}
        running.bundle = replace(bundle, revision=f"revision {number}")
        world = running.reloader.reload()
        assert world.policy_revision == running.bundle.revision
        state = running.store.snapshot().state
        assert {key: state.believed(key) for key in state.said_by("scim")} == said
        assert_answers_alike(world, anew(running))


def test_a_revocation_denies_the_very_next_request(bundle: Bundle, facts: Facts) -> None:
    running = Running(bundle, facts)
    (grant,) = [grant for grant in facts.grants.values() if grant.principal == BOB]
    assert allows(running.world)
    running.write(EndGrant(grant.id, NOW))
    assert not allows(running.world)
    running.reloader.reload()
    assert not allows(running.world), "a file does not bring a revoked grant back"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (PutEntity(Entity(ANA, {"suspended": "no"})), ConformanceError),
        (PutEntity(Entity(ANA)), ConformanceError),
        (PutEntity(Entity(EntityUID("Nobody", "x"))), ConformanceError),
        (SetAttribute(ANA, "suspended", None), ConformanceError),
        (SetAttribute(ANA, "suspended", 1), ConformanceError),
        (SetAttribute(EntityUID("User", "zoe"), "suspended", True), ChangeError),
        (EndGrant("grant/9", NOW), ChangeError),
        (SetMembership(READERS, READERS, True), EntityError),
        (SetMembership(ANA, PLANS, True), ConformanceError),
        (PutPosture(a_posture(encrypted="yes")), ConformanceError),
        (PutPosture(a_posture(unknown=True)), ConformanceError),
        (PutPosture(a_posture(freshness="fresh")), ConformanceError),
        (PutPosture(a_posture(EntityUID("Nobody", "x"))), ConformanceError),
        (PutGrant(a_grant(5, template_id="entitlement/none")), PolicySetError),
        (PutGrant(a_grant(id="files/readers-read")), ConformanceError),
        (PutGrant(a_grant(5, principal=EntityUID("Nobody", "x"))), ConformanceError),
        (PutGrant(a_grant(5, expires_at=NOW, not_before=NOW)), ConformanceError),
        (PutGrant(a_grant(5, reason=" ")), ConformanceError),
        (PutGrant(a_grant(5, owner="")), ConformanceError),
    ],
)
def test_what_does_not_fit_changes_nothing(
    bundle: Bundle, facts: Facts, change: Change, error: type[CedarError]
) -> None:
    running = Running(bundle, facts)
    old, before = running.world, running.store.snapshot()
    with pytest.raises(error):
        running.write(PutGrant(a_grant(1, principal=EVE)), PutGrant(a_grant(4)), DropGrant("grant/1"), change)
    assert running.world is old
    assert running.store.snapshot() == before
    running.write(PutGrant(a_grant(4)))
    assert_answers_alike(running.world, anew(running))


class Failing(MemoryStore):  # type: ignore[misc]  # final for users, not for this test
    """A store whose disk is full."""

    full = False

    def write(self, changes: Sequence[Change], source: str, observed_at: int, check: Check = accept) -> ContextSnapshot:
        def after(snapshot: ContextSnapshot) -> None:
            check(snapshot)
            if self.full:
                raise StoreError("full")

        return super().write(changes, source, observed_at, after)


def test_what_cannot_be_kept_is_as_if_it_never_was(bundle: Bundle, facts: Facts) -> None:
    store = Failing(lambda: NOW)
    running = Running(bundle, facts, store)
    old = running.world
    store.full = True
    with pytest.raises(StoreError):
        running.write(DropGrant(next(iter(facts.grants))), PutGrant(a_grant(7)), PutGrant(a_grant(8, principal=ANA)))
    assert running.world is old
    store.full = False
    running.write(PutGrant(a_grant(7, principal=EVE)))
    assert_answers_alike(running.world, anew(running))


def test_before_anything_is_loaded_nothing_is_written(bundle: Bundle) -> None:
    current, store = CurrentWorld(), MemoryStore()
    writing = Writing(current, store, Reloader(current, store, lambda: bundle, lambda _: Facts(), lambda: NOW).lock)
    with pytest.raises(StoreError, match="nothing is loaded"):
        writing.write([PutGrant(a_grant())], "scim", NOW)
    assert store.snapshot().revision == 0


def test_a_schema_that_facts_of_others_do_not_fit_is_not_loaded(bundle: Bundle, facts: Facts) -> None:
    running = Running(bundle, facts)
    running.write(PutEntity(Entity(EntityUID("User", "zoe"), {"suspended": False, "level": 3})))
    old = running.world
    narrower = parse_schema(Source("schema", SCHEMA.replace(", level?: Long", "")))
    running.bundle = replace(bundle, schema=narrower, revision="narrower")
    running.facts = Facts(Entities(narrower.action_entities()))
    with pytest.raises(ConformanceError):
        running.reloader.reload()
    assert running.world is old


def test_no_reader_sees_a_revoked_grant_after_the_acknowledgement(bundle: Bundle, facts: Facts) -> None:
    """One writer grants and revokes, and says so; readers that begin after that must see it."""
    running = Running(bundle, replace(facts, grants=by_id([])))
    said: list[tuple[int, bool]] = [(running.world.context_revision, False)]
    stop, wrong = threading.Event(), list[str]()

    def read() -> None:
        while not stop.is_set():
            revision, granted = said[-1]
            verdict = decide(running.world, ask(BOB))
            if verdict.context_revision == revision and (verdict.decision is Decision.ALLOW) is not granted:
                wrong.append(f"{revision}: {verdict.message}")
            if verdict.context_revision < revision:
                wrong.append(f"{verdict.context_revision} after {revision}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(150):
        granted = number % 2 == 0
        change: Change = PutGrant(a_grant()) if granted else DropGrant("grant/1")
        said.append((running.write(change).revision, granted))
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_files_are_one_source_among_others(bundle: Bundle, facts: Facts) -> None:
    running = Running(bundle, facts)
    state = running.store.snapshot().state
    assert {origin.source for _, origin in state.origins()} == {FILES}
