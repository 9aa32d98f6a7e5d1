"""What a source says is replaced as a whole, and what others said since stays."""

from context_model import UIDS, Model, changes, same
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.errors import EntityError
from pdp.cedar.values import EntityUID
from pdp.context.changes import Change, ChangeError, DropGrant, PutEntity, PutGrant, PutPosture, SetAttribute
from pdp.context.facts import Facts, Grant, Posture
from pdp.context.memory import MemoryStore
from pdp.context.replacing import replacing

ANA, ORDER = EntityUID("User", "ana"), EntityUID("Order", "1")
GRANT = Grant("grant/1", "entitlement/x", ANA, ORDER, "owner", "reason", 0, 9_000)


def facts(*changes: Change) -> Facts:
    """Exactly what these changes say."""
    return MemoryStore().write(changes, "files", 0).facts if changes else Facts()


class Files:
    """A store to which the source `files` writes as a whole."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def say(self, said: Facts) -> None:
        self.store.write(self.difference(said), "files", 0)

    def difference(self, said: Facts) -> tuple[Change, ...]:
        return tuple(replacing(self.store.snapshot().state, said, "files"))

    @property
    def facts(self) -> Facts:
        return self.store.snapshot().facts


@given(st.lists(st.lists(changes, max_size=4), min_size=1, max_size=4))
def test_a_source_alone_says_what_it_said_last(steps: list[list[Change]]) -> None:
    files = Files()
    for step in steps:
        model = Model()
        for change in step:
            if isinstance(change, PutEntity | PutPosture | PutGrant):
                model.apply(change, "files", 0)
        try:
            said = model.facts()
        except EntityError:
            continue
        said = Facts(said.entities, {uid: _old(posture) for uid, posture in said.posture.items()}, said.grants)
        files.say(said)
        assert same(files.facts, said)
        assert files.difference(said) == ()


def _old(posture: Posture) -> Posture:
    """The same at one time: a file that goes back in time is passed over, as any other source is."""
    return Posture(posture.subject, "files", 1, posture.facts)


@given(st.lists(st.lists(changes, max_size=4), min_size=1, max_size=6))
def test_what_another_source_said_stays(steps: list[list[Change]]) -> None:
    files = Files()
    other: dict[object, object] = {}
    for number, step in enumerate(steps):
        if number % 2 == 0:
            try:
                files.store.write(step, "scim", number)
            except (ChangeError, EntityError):
                continue
            state = files.store.snapshot().state
            other = {key: state.believed(key) for key in state.said_by("scim")}
        else:
            files.say(facts(*(PutEntity(Entity(uid, {"level": number})) for uid in UIDS), PutGrant(GRANT)))
            state = files.store.snapshot().state
            assert {key: state.believed(key) for key in state.said_by("scim")} == other


def test_a_revoked_grant_does_not_come_back_from_a_file() -> None:
    files = Files()
    files.say(facts(PutGrant(GRANT)))
    over = Grant("grant/1", "entitlement/x", ANA, ORDER, "owner", "reason", 0, 10)
    files.store.write([PutGrant(over)], "admin", 10)
    files.say(facts(PutGrant(GRANT), PutEntity(Entity(ANA))))
    assert dict(files.facts.grants) == {"grant/1": over}


def test_what_was_set_alone_stays_and_is_no_difference() -> None:
    files = Files()
    files.say(facts(PutEntity(Entity(ANA, {"level": 1}))))
    files.store.write([SetAttribute(ANA, "risk", "high")], "ssf", 5)
    assert files.difference(facts(PutEntity(Entity(ANA, {"level": 1})))) == ()
    files.say(facts(PutEntity(Entity(ANA, {"level": 2}))))
    ana = files.facts.entities.get(ANA)
    assert ana is not None
    assert ana.attrs == {"level": 2, "risk": "high"}


def test_true_and_1_are_different_words() -> None:
    files = Files()
    for value in (True, 1):
        files.say(facts(PutEntity(Entity(ANA, {"x": value})), PutPosture(Posture(ANA, "files", 1, {"x": value}))))
        ana = files.facts.entities.get(ANA)
        assert ana is not None
        assert (ana.attrs["x"] is value, files.facts.posture[ANA].facts["x"] is value) == (True, True)


def test_a_grant_that_the_file_has_no_more_is_gone() -> None:
    files = Files()
    files.say(facts(PutGrant(GRANT)))
    files.say(Facts())
    assert not files.facts.grants
    files.store.write([DropGrant("grant/1")], "admin", 1)
    files.say(facts(PutGrant(GRANT)))
    assert dict(files.facts.grants) == {"grant/1": GRANT}
