"""`pdp.v1.ContextService`: every kind of change and question, what is refused, and that bytes can do nothing else."""

import random
from pathlib import Path
from typing import Any

import pytest
from callers import FAR, LOCAL
from doors import Reports
from engine_worlds import ANA, BOB, LAPTOP, NOW, READERS, ask, decide
from fuzzing import rounds
from random_messages import fill
from small_world import write_small_world
from wire_mutants import mutants

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.context.changes import EntityKey
from pdp.context.files import load_facts
from pdp.context.memory import MemoryStore
from pdp.context.store import StoreError
from pdp.engine.callers.judging import CallerAction, CallerDoor, Switches, load_caller_policies
from pdp.engine.reload import FILES, Reloader
from pdp.engine.snapshot import CurrentWorld
from pdp.engine.writing import Writing
from pdp.policies.bundle import load_bundle
from pdp.telemetry.metrics import Metrics
from pdp.transport.admission import Admission
from pdp.transport.grpc import context, convert, messages
from pdp.transport.grpc.context import ContextService
from pdp.transport.grpc.gen.v1 import context_pb2 as pb
from pdp.transport.grpc.gen.v1 import decision_pb2

ADMINISTRATORS = """
@id("callers/administrators") permit (principal, action == Pdp::Action::"administer", resource == Pdp::Door::"context")
when { principal.way == "loopback" };
"""
UNRULY: dict[str, tuple[str, ...]] = {
    "source": ("scim", "", FILES, "x" * 129),
    "type": ("User", "Group", "Files::File", "no type"),
    "id": ("ana", "grant/bob-plans", "x"),
}


class Served:
    """The service over the small world."""

    def __init__(self, root: Path, policies: Path) -> None:
        files = write_small_world(root)
        bundle = load_bundle(files.root)
        self.current, self.store, self.reports, self.metrics = (
            CurrentWorld(),
            MemoryStore(lambda: NOW),
            Reports(),
            Metrics(),
        )
        reloader = Reloader(
            self.current,
            self.store,
            lambda: bundle,
            lambda schema: load_facts(files.root / "context", schema, NOW, relative_times=True),
            lambda: NOW,
        )
        reloader.reload()
        policies.mkdir()
        (policies / "own.cedar").write_text(ADMINISTRATORS)
        admission = Admission(load_caller_policies(policies), Switches(False, False), self.metrics)
        self.service = ContextService(
            Writing(self.current, self.store, reloader.lock),
            self.store,
            admission.gate(CallerAction.ADMINISTER, CallerDoor.CONTEXT),
            lambda: NOW,
            self.metrics,
            self.reports,
        )

    def write(self, *changes: pb.ContextChange, source: str = "scim", **rest: Any) -> pb.WriteResponse:
        request = pb.WriteRequest(source=source, changes=changes, **rest)
        return pb.WriteResponse.FromString(self.service.write(request.SerializeToString(), LOCAL))

    def believed(self, at: int = NOW, **key: Any) -> pb.BelievedResponse:
        request = pb.BelievedRequest(at=convert.timestamp(at), **key)
        return pb.BelievedResponse.FromString(self.service.believed(request.SerializeToString(), LOCAL))

    @property
    def allows(self) -> bool:
        """Whether bob may read the plan, for which he needs his grant."""
        return decide(self.current.world, ask(BOB)).decision is Decision.ALLOW

    @property
    def revision(self) -> int:
        return self.store.snapshot().revision


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "world", tmp_path / "callers")


def uid(of: EntityUID) -> decision_pb2.EntityUid:
    return messages.write_uid(of)


def user(name: str, **attributes: bool | int) -> pb.ContextEntity:
    made = pb.ContextEntity(uid=uid(EntityUID("User", name)), parents=[uid(READERS)], tags=decision_pb2.Record())
    for key, value in attributes.items():
        field = made.attributes.fields[key]
        if isinstance(value, bool):
            field.bool_value = value
        else:
            field.long_value = value
    return made


def a_grant(**changes: Any) -> pb.ContextGrant:
    made: dict[str, Any] = {
        "id": "grant/ana-plans",
        "template": "entitlement/reader",
        "principal": uid(ANA),
        "resource": uid(EntityUID("Files::Folder", "plans")),
        "owner": "ben",
        "reason": "audit",
        "expires_at": convert.timestamp(NOW + 1),
    }
    return pb.ContextGrant(**{name: value for name, value in {**made, **changes}.items() if value is not None})


def test_a_grant_that_is_ended_denies_the_very_next_request(served: Served) -> None:
    assert served.allows
    answer = served.write(pb.ContextChange(end_grant="grant/bob-plans"))
    assert (answer.outcome, answer.revision) == (pb.CONTEXT_OUTCOME_DONE, 2)
    assert not served.allows
    (after,) = [served.believed(grant="grant/bob-plans")]
    assert after.grant.expires_at.ToMilliseconds() == NOW
    assert after.origin.source == "scim"


def test_every_kind_of_change_is_made_and_told(served: Served) -> None:
    zoe = EntityUID("User", "zoe")
    served.write(pb.ContextChange(put_entity=user("zoe", suspended=False)), observed_at=convert.timestamp(NOW - 5))
    told = served.believed(entity=uid(zoe))
    assert told.entity == user("zoe", suspended=False)
    assert told.origin == pb.ContextOrigin(
        source="scim", observed_at=convert.timestamp(NOW - 5), recorded_at=convert.timestamp(NOW), revision=2
    )
    level = pb.AttributeChange(uid=uid(zoe), name="level", value=decision_pb2.Value(long_value=3))
    served.write(pb.ContextChange(set_attribute=level), source="hr")
    told = served.believed(entity=uid(zoe))
    assert told.entity == user("zoe", suspended=False, level=3)
    assert {name: origin.source for name, origin in told.attribute_origins.items()} == {"level": "hr"}
    gone = pb.AttributeChange(uid=uid(zoe), name="level")
    left = pb.MembershipChange(uid=uid(zoe), group=uid(READERS), member=False)
    served.write(pb.ContextChange(set_attribute=gone), pb.ContextChange(set_membership=left), source="hr")
    told = served.believed(entity=uid(zoe))
    assert set(told.entity.attributes.fields) == {"suspended"}
    assert not told.entity.parents
    served.write(pb.ContextChange(drop_entity=uid(zoe)))
    assert served.believed(entity=uid(zoe)) == pb.BelievedResponse(outcome=pb.CONTEXT_OUTCOME_DONE)

    posture = pb.ContextPosture(subject=uid(LAPTOP))
    posture.facts.fields["encrypted"].bool_value = True
    served.write(pb.ContextChange(put_posture=posture), source="mdm")
    assert served.believed(posture=uid(LAPTOP)).posture == posture
    served.write(pb.ContextChange(drop_posture=uid(LAPTOP)), source="mdm")
    assert not served.believed(posture=uid(LAPTOP)).HasField("belief")

    served.write(pb.ContextChange(put_grant=a_grant()))
    assert served.believed(grant="grant/ana-plans").grant == a_grant(not_before=convert.timestamp(NOW))


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [pb.ContextChange()],
        [pb.ContextChange(put_entity=pb.ContextEntity())],
        [pb.ContextChange(put_entity=user("zoe"))],
        [pb.ContextChange(put_entity=user("zoe", suspended=1))],
        [pb.ContextChange(set_attribute=pb.AttributeChange(uid=uid(EntityUID("User", "nobody")), name="level"))],
        [pb.ContextChange(end_grant="grant/none")],
        [pb.ContextChange(put_grant=a_grant(template="entitlement/none"))],
        [pb.ContextChange(put_grant=a_grant(expires_at=None))],
        [pb.ContextChange(put_grant=a_grant(reason=""))],
        [pb.ContextChange(drop_posture=uid(LAPTOP))] * (context.MAX_CHANGES + 1),
    ],
)
def test_what_is_wrong_changes_nothing(served: Served, changes: list[pb.ContextChange]) -> None:
    first = [pb.ContextChange(end_grant="grant/bob-plans")] if changes else []
    answer = served.write(*first, *changes)
    assert (answer.outcome, answer.revision) == (pb.CONTEXT_OUTCOME_REFUSED, 0)
    assert answer.message
    assert served.revision == 1
    assert served.allows


@pytest.mark.parametrize("source", ["", FILES, "x" * 129])
def test_a_source_has_a_name_of_its_own(served: Served, source: str) -> None:
    answer = served.write(pb.ContextChange(end_grant="grant/bob-plans"), source=source)
    assert answer.outcome == pb.CONTEXT_OUTCOME_REFUSED
    assert served.allows


def test_who_may_not_administer_changes_nothing_and_learns_nothing(served: Served) -> None:
    request = pb.WriteRequest(source="scim", changes=[pb.ContextChange(end_grant="grant/bob-plans")])
    refused = pb.WriteResponse.FromString(served.service.write(request.SerializeToString(), FAR))
    assert refused.outcome == pb.CONTEXT_OUTCOME_CALLER_NOT_ALLOWED
    asked = pb.BelievedRequest(entity=uid(ANA)).SerializeToString()
    told = pb.BelievedResponse.FromString(served.service.believed(asked, FAR))
    assert (told.outcome, told.HasField("belief")) == (pb.CONTEXT_OUTCOME_CALLER_NOT_ALLOWED, False)
    assert served.allows


def test_what_cannot_be_kept_or_found_is_told_as_such(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served.believed(at=0, entity=uid(ANA)).outcome == pb.CONTEXT_OUTCOME_DONE
    assert served.believed().outcome == pb.CONTEXT_OUTCOME_REFUSED

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    for raising, message in ((full, "the disk is full"), (broken, "the decision point failed; nothing has changed")):
        monkeypatch.setattr(MemoryStore, "write", raising)
        monkeypatch.setattr(MemoryStore, "believed", raising)
        written = served.write(pb.ContextChange(end_grant="grant/bob-plans"))
        told = served.believed(entity=uid(ANA))
        assert {written.outcome, told.outcome} == {pb.CONTEXT_OUTCOME_UNAVAILABLE}
        assert written.message == told.message == message
    assert [place for place, _ in served.reports.seen] == ["context.write", "context.believed"]
    assert served.allows


def test_bytes_do_nothing_but_what_they_say(served: Served) -> None:
    """Damaged and random messages: an outcome always, a revision only for what is done, never a defect."""
    rng = random.Random(5)
    seeds = [
        pb.WriteRequest(source="s", changes=[change]).SerializeToString()
        for change in (
            pb.ContextChange(put_entity=user("zoe", suspended=False)),
            pb.ContextChange(put_grant=a_grant()),
            pb.ContextChange(end_grant="grant/bob-plans"),
        )
    ]
    data = [mutant for _, mutant in mutants(rng, seeds, rounds(600))]
    for _ in range(rounds(200)):
        request = pb.WriteRequest()
        fill(request, rng, UNRULY, 4)
        data.append(request.SerializeToString())
    outcomes = set()
    for each in data:
        before = served.revision
        answer = pb.WriteResponse.FromString(served.service.write(each, LOCAL))
        outcomes.add(answer.outcome)
        assert answer.outcome in (pb.CONTEXT_OUTCOME_DONE, pb.CONTEXT_OUTCOME_REFUSED)
        assert answer.revision == (served.revision if answer.outcome == pb.CONTEXT_OUTCOME_DONE else 0)
        assert served.revision - before <= (answer.outcome == pb.CONTEXT_OUTCOME_DONE)
        told = pb.BelievedResponse.FromString(served.service.believed(each, LOCAL))
        assert told.outcome in (pb.CONTEXT_OUTCOME_DONE, pb.CONTEXT_OUTCOME_REFUSED)
    assert outcomes == {pb.CONTEXT_OUTCOME_DONE, pb.CONTEXT_OUTCOME_REFUSED}
    assert served.reports.seen == []
    assert served.store.believed(EntityKey(ANA), NOW) is not None
