"""`CheckBatch`: what an item takes from the defaults; every item is answered as `Check` answers it; and the bounds."""

import random
from typing import Any

import pytest
from callers import admission
from decision_messages import (
    ANA,
    BOB,
    EVE,
    FAR,
    GONE,
    LAPTOP,
    LOCAL,
    PLAN,
    READ,
    SECRET,
    SHARE,
    WRITE,
    batch,
    context,
    decider_of,
    delimited,
    load_small_world,
    mutants,
    nameless,
    question,
    results,
)
from doors import FakeDecider, FakeVerifier, Reports, an_allow
from engine_worlds import NOW
from fuzzing import rounds
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.values import EntityUID, Record
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict, deny
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.errors import MessageError
from pdp.transport.grpc import convert
from pdp.transport.grpc.batch import LAST_RESORT, MAX_DEFAULTS, MAX_ITEMS, BatchDoor, read_batch
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import DecisionService


@pytest.fixture
def service(decider: FakeDecider, authentication: Authentication) -> DecisionService:
    return DecisionService(decider, authentication)


@pytest.fixture
def door(service: DecisionService, metrics: Metrics, reports: Reports) -> BatchDoor:
    return BatchDoor(service, metrics, reports)


def counted(metrics: Metrics, series: str) -> list[str]:
    return [line for line in metrics.exposition().decode().splitlines() if line.startswith(series)]


# What an item takes from the defaults

DEFAULT: dict[str, Any] = {
    "token": "good",
    "action": READ,
    "resource": PLAN,
    "context": context(region="eu", ip="192.0.2.1"),
    "device": LAPTOP,
    "min_revision": 7,
    "request_id": "batch",
    "client": pb.ClientRequest(scheme="DPoP", proofs=["a", "b"], method="GET", certificate=b"x"),
}
OWN: dict[str, Any] = {
    "token": "better",
    "action": WRITE,
    "resource": SECRET,
    "context": context(region="us"),
    "device": pb.EntityUid(type="Device"),
    "min_revision": 1,
    "request_id": "item",
    "client": pb.ClientRequest(proofs=["c"], url="https://api.example/"),
}
FIELDS = tuple(DEFAULT)


def one_of(data: bytes) -> pb.CheckRequest:
    """The question of the only item."""
    read = read_batch(data)
    (item,) = read.items
    return read.question(item)


@pytest.mark.parametrize("chosen", range(2 ** len(FIELDS)))
def test_a_field_that_is_set_in_an_item_stands_in_place_of_the_default(chosen: int) -> None:
    own = {name: OWN[name] for place, name in enumerate(FIELDS) if chosen >> place & 1}
    defaults, item = pb.CheckRequest(**DEFAULT), pb.CheckRequest(**own)
    sent = pb.CheckBatchRequest(defaults=defaults, items=[item]).SerializeToString()
    assert one_of(sent) == pb.CheckRequest(**{**DEFAULT, **own})
    alone = pb.CheckBatchRequest(items=[item]).SerializeToString()
    assert one_of(alone) == item
    shared = pb.CheckBatchRequest(defaults=defaults, items=[pb.CheckRequest()]).SerializeToString()
    assert one_of(shared) == defaults


def test_the_fields_are_all_that_a_question_has() -> None:
    assert {*FIELDS, "principal"} == set(pb.CheckRequest.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize(
    ("default", "own"),
    [
        ({"token": "t"}, {"principal": ANA}),
        ({"principal": ANA}, {"token": "t"}),
        ({"principal": ANA}, {"principal": pb.EntityUid(type="User")}),
        ({"principal": ANA}, {"token": ""}),
        ({"context": context(a="1", b="2")}, {"context": context(b="3")}),
        ({"context": context(a="1")}, {"context": pb.Record()}),
        ({"device": LAPTOP}, {"device": pb.EntityUid(id="x")}),
    ],
)
def test_a_field_is_replaced_whole(default: dict[str, Any], own: dict[str, Any]) -> None:
    item = pb.CheckRequest(**own)
    sent = pb.CheckBatchRequest(defaults=pb.CheckRequest(**default), items=[item]).SerializeToString()
    assert one_of(sent) == item


@pytest.mark.parametrize(("own", "expected"), [({"min_revision": 0}, 7), ({"request_id": ""}, "batch")])
def test_a_number_or_text_that_is_nothing_is_not_set(own: dict[str, Any], expected: object) -> None:
    defaults = pb.CheckRequest(min_revision=7, request_id="batch")
    sent = pb.CheckBatchRequest(defaults=defaults, items=[pb.CheckRequest(**own)]).SerializeToString()
    assert getattr(one_of(sent), *own) == expected


def test_defaults_in_several_pieces_are_one_message_as_everywhere_in_protobuf() -> None:
    first, second = pb.CheckRequest(token="a", action=READ), pb.CheckRequest(token="b", resource=PLAN)
    sent = delimited(1, first.SerializeToString()) + batch([b""]) + delimited(1, second.SerializeToString())
    assert one_of(sent) == pb.CheckBatchRequest.FromString(sent).defaults
    assert one_of(sent) == pb.CheckRequest(token="b", action=READ, resource=PLAN)


# Every item is answered by itself


def test_one_bad_item_never_fails_the_rest(door: BatchDoor, decider: FakeDecider, reports: Reports) -> None:
    good = question(request_id="g").SerializeToString()
    bad = {
        b"\xff\xff": "is not a `pdp.v1.CheckRequest`",
        delimited(8, b"\xff"): "is not a `pdp.v1.CheckRequest`",  # a request id that is no UTF-8
        question(action=None).SerializeToString(): "has no action",
        question(principal=pb.EntityUid()).SerializeToString(): "the entity type of principal",
        question(request_id="x" * 129).SerializeToString(): "more than 128",
        question(context=pb.Record(fields={"x": pb.Value()})).SerializeToString(): "has no kind",
    }
    answers = results(door(batch([good, *(part for item in bad for part in (item, good))]), LOCAL))
    assert [answer.decision for answer in answers[0::2]] == [pb.DECISION_ALLOW] * (len(bad) + 1)
    for answer, says in zip(answers[1::2], bad.values(), strict=True):
        assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "invalid_request")
        assert says in answer.message
    assert len(decider.asked) == len(bad) + 1
    assert reports.seen == []


def test_a_bad_item_as_a_careful_client_sees_it(door: BatchDoor) -> None:
    sent = pb.CheckBatchRequest(
        defaults=question(context=context(region="eu")),
        items=[pb.CheckRequest(), pb.CheckRequest(action=pb.EntityUid())],
    )
    answers = results(door(sent.SerializeToString(), LOCAL))
    assert [answer.reason_class for answer in answers] == ["allowed", "invalid_request"]


def test_what_breaks_for_one_item_is_a_deny_of_that_item(
    authentication: Authentication, metrics: Metrics, reports: Reports
) -> None:
    class Breaking:
        def decide(self, request: CheckRequest) -> Verdict:
            if request.resource.id == "secret":
                raise RecursionError
            return an_allow()

    door = BatchDoor(DecisionService(Breaking(), authentication), metrics, reports)
    items = [question(resource=uid).SerializeToString() for uid in (PLAN, SECRET, PLAN)]
    assert [answer.reason_class for answer in results(door(batch(items), LOCAL))] == [
        "allowed",
        "internal_error",
        "allowed",
    ]
    assert [place for place, _ in reports.seen] == ["check_batch"]


def test_what_breaks_the_batch_is_a_deny_of_it(
    door: BatchDoor, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = MemoryError()

    def broken(_: bytes) -> object:
        raise failure

    monkeypatch.setattr("pdp.transport.grpc.batch.read_batch", broken)
    assert door(batch([question().SerializeToString()]), LOCAL) == LAST_RESORT
    assert reports.seen == [("check_batch", failure)]
    (answer,) = results(LAST_RESORT)
    assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "internal_error")


def test_answers_come_in_the_order_of_the_items_under_their_ids(door: BatchDoor, decider: FakeDecider) -> None:
    ids = [f"r{number}" for number in range(20)]
    sent = pb.CheckBatchRequest(defaults=question(), items=[pb.CheckRequest(request_id=id) for id in reversed(ids)])
    answers = results(door(sent.SerializeToString(), LOCAL))
    assert [answer.request_id for answer in answers] == ids[::-1]
    assert [request.request_id for request in decider.asked] == ids[::-1]


def test_items_without_an_id_get_one_each(door: BatchDoor) -> None:
    answers = results(door(batch([question().SerializeToString()] * 3), LOCAL))
    assert len({answer.request_id for answer in answers}) == 3


# Credentials


class CountingVerifier:
    """Remembers every token that it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def verify(self, presented: Presented, now: int) -> Subject:
        self.shown.append(presented.token)
        return FakeVerifier().verify(presented, now)


@pytest.fixture
def verifier(authentication: Authentication) -> CountingVerifier:
    made = CountingVerifier()
    authentication.verifier = made
    return made


def test_a_token_is_verified_once_in_a_batch_and_again_in_the_next(
    door: BatchDoor, verifier: CountingVerifier, metrics: Metrics
) -> None:
    items = [pb.CheckRequest(), pb.CheckRequest(token="bad"), pb.CheckRequest(token="bad"), pb.CheckRequest()]
    sent = pb.CheckBatchRequest(defaults=question(token="good"), items=items).SerializeToString()
    for _ in range(2):
        answers = results(door(sent, LOCAL))
        assert [answer.reason_class for answer in answers] == [
            "allowed",
            "unauthenticated",
            "unauthenticated",
            "allowed",
        ]
        assert answers[1].message == answers[2].message
    assert verifier.shown == ["good", "bad"] * 2
    assert counted(metrics, "pdp_identity_failures_total{")[0].endswith(" 2.0")


def test_each_item_may_bring_its_own_credential(door: BatchDoor, decider: FakeDecider) -> None:
    items = [pb.CheckRequest(token="good"), pb.CheckRequest(principal=BOB), pb.CheckRequest()]
    defaults = question(principal=None)
    sent = pb.CheckBatchRequest(defaults=defaults, items=items).SerializeToString()
    answers = results(door(sent, LOCAL))
    assert [answer.reason_class for answer in answers] == ["allowed", "allowed", "unauthenticated"]
    assert [request.subject.uid.id for request in decider.asked] == ["alice", "bob"]
    assert [answer.reason_class for answer in results(door(sent, FAR))] == ["allowed", *["unauthenticated"] * 2]


def test_before_the_keys_are_loaded_every_token_is_not_ready(door: BatchDoor, authentication: Authentication) -> None:
    authentication.verifier = None
    answers = results(door(batch([question(token="good").SerializeToString()] * 2), LOCAL))
    assert [answer.reason_class for answer in answers] == ["not_ready"] * 2


# Bounds


@pytest.mark.parametrize("count", [1, 2, 255, 256])
def test_as_many_results_as_items(door: BatchDoor, decider: FakeDecider, count: int) -> None:
    answers = results(door(batch([b""] * count, question().SerializeToString()), LOCAL))
    assert [answer.decision for answer in answers] == [pb.DECISION_ALLOW] * count
    assert len(decider.asked) == count


@pytest.mark.parametrize("count", [0, 257, 65_535, 65_536, 1_000_000])
def test_a_batch_without_items_or_with_too_many_is_one_deny(
    door: BatchDoor, decider: FakeDecider, metrics: Metrics, count: int
) -> None:
    assert MAX_ITEMS == 256
    reply = door(delimited(1, question().SerializeToString()) + delimited(2, b"") * count, LOCAL)
    (answer,) = results(reply)
    assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "invalid_request")
    assert answer.message == f"the batch has {count} items"
    assert answer.request_id
    assert decider.asked == []
    assert counted(metrics, "pdp_decisions_total{") == [
        'pdp_decisions_total{decision="deny",door="check_batch",reason="invalid_request"} 1.0'
    ]


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff", b"\x12\x05abc", b"\x0b", delimited(2, b"")[:-1]])
def test_bytes_that_are_no_batch_are_one_deny(door: BatchDoor, data: bytes) -> None:
    with pytest.raises(MessageError, match=r"is not a `pdp\.v1\.CheckBatchRequest`"):
        read_batch(data)
    (answer,) = results(door(data, LOCAL))
    assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "invalid_request")


def defaults_of(size: int) -> bytes:
    """Defaults of exactly so many bytes."""
    whole = question(token="good").SerializeToString()
    filler = size - len(whole)
    for overhead in range(2, 8):
        padded = whole + delimited(15, b"\0" * (filler - overhead))  # a field that nobody knows
        if len(padded) == size:
            return padded
    raise AssertionError(f"no defaults of {size} bytes")


@pytest.mark.parametrize(
    ("size", "allowed"), [(MAX_DEFAULTS - 1, True), (MAX_DEFAULTS, True), (MAX_DEFAULTS + 1, False)]
)
def test_defaults_are_bounded_and_too_large_ones_are_a_deny_of_every_item(
    door: BatchDoor, size: int, allowed: bool
) -> None:
    answers = results(door(batch([b""] * 3, defaults_of(size)), LOCAL))
    assert [answer.decision == pb.DECISION_ALLOW for answer in answers] == [allowed] * 3
    assert allowed or {answer.message for answer in answers} == {
        f"the defaults have {size} bytes, and 16384 is the most"
    }


def test_defaults_that_are_no_message_are_a_deny_of_every_item(door: BatchDoor, decider: FakeDecider) -> None:
    answers = results(door(batch([question().SerializeToString()] * 3, b"\xff"), LOCAL))
    assert [answer.reason_class for answer in answers] == ["invalid_request"] * 3
    assert "the defaults are not" in answers[0].message
    assert decider.asked == []


@pytest.mark.parametrize("size", [126, 127, 128, 254, 255, 256, 16_383, 16_384, 65_534, 65_535, 65_536, 2**21])
def test_items_of_any_size_come_through_whole(door: BatchDoor, decider: FakeDecider, size: int) -> None:
    items = [question(context=context(region="x" * size)), question(context=context(region="y" * size))]
    answers = results(door(pb.CheckBatchRequest(items=items).SerializeToString(), LOCAL))
    assert [answer.decision for answer in answers] == [pb.DECISION_ALLOW] * 2
    assert [request.context for request in decider.asked] == [Record({"region": sign * size}) for sign in "xy"]


def test_an_item_is_as_deep_as_a_question_may_be(door: BatchDoor) -> None:
    def nested(depth: int) -> bytes:
        value = pb.Value(long_value=1)
        for _ in range(depth):
            value = pb.Value(set_value=pb.Set(elements=[value]))
        return question(context=pb.Record(fields={"x": value})).SerializeToString()

    depths = (convert.MAX_VALUE_DEPTH, convert.MAX_VALUE_DEPTH + 1, 45, 1)
    answers = results(door(batch([nested(depth) for depth in depths], b""), LOCAL))
    assert [answer.reason_class for answer in answers] == ["allowed", "invalid_request", "invalid_request", "allowed"]
    assert "nested more than" in answers[2].message


# Counted


def test_every_item_is_counted_and_timed(door: BatchDoor, decider: FakeDecider, metrics: Metrics) -> None:
    decider.verdict = deny(ReasonClass.FORBIDDEN, "no")
    good = question().SerializeToString()
    door(batch([good, b"\xff", good]), LOCAL)
    assert counted(metrics, "pdp_decisions_total{") == [
        'pdp_decisions_total{decision="deny",door="check_batch",reason="forbidden"} 2.0',
        'pdp_decisions_total{decision="deny",door="check_batch",reason="invalid_request"} 1.0',
    ]
    assert 'pdp_decision_seconds_count{door="check_batch"} 3.0' in metrics.exposition().decode()


# As `Check` answers


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[DecisionService, BatchDoor, Reports]:
    """The small world behind `Check` and `CheckBatch`."""
    reports, metrics = Reports(), Metrics()
    authentication = Authentication(lambda: NOW, metrics, admission(metrics))
    authentication.verifier = FakeVerifier()
    decider = decider_of(load_small_world(tmp_path_factory.mktemp("world")), reports)
    service = DecisionService(decider, authentication)
    return service, BatchDoor(service, metrics, reports), reports


UIDS = st.sampled_from([ANA, BOB, EVE, PLAN, SECRET, GONE, READ, WRITE, SHARE, LAPTOP, pb.EntityUid()])
VALUES = st.one_of(
    st.builds(lambda text: pb.Value(string_value=text), st.sampled_from(["eu", "us", ""])),
    st.builds(lambda number: pb.Value(long_value=number), st.integers(-(2**63), 2**63 - 1)),
    st.sampled_from(
        [
            pb.Value(),
            pb.Value(extension_value=pb.Extension(function="ip", argument="10.0.0.1")),
            pb.Value(extension_value=pb.Extension(function="ip", argument="10")),
        ]
    ),
)
CONTEXTS = st.builds(
    lambda fields: pb.Record(fields=fields),
    st.dictionaries(st.sampled_from(["region", "ip", "auth", "unknown"]), VALUES, max_size=2),
)
SOUND = {
    "principal": st.sampled_from([ANA, BOB, EVE]),
    "action": st.sampled_from([READ, WRITE, SHARE]),
    "resource": st.sampled_from([PLAN, SECRET, GONE]),
    "context": st.sampled_from([context(), context(region="eu")]),
    "device": st.sampled_from([LAPTOP, pb.EntityUid(type="Device", id="lost")]),
    "min_revision": st.sampled_from([0, 1, 2]),
    "request_id": st.sampled_from(["", "r1", "r2"]),
}
WILD = {
    "principal": UIDS,
    "token": st.sampled_from(["", "good", "bad"]),
    "action": UIDS,
    "resource": UIDS,
    "context": CONTEXTS,
    "device": UIDS,
    "min_revision": st.sampled_from([0, 1, 2, 2**64 - 1]),
    "request_id": st.sampled_from(["", "r3", "x" * 128, "x" * 129]),
}
FIELD_SETS = st.one_of(st.fixed_dictionaries({}, optional=SOUND), st.fixed_dictionaries({}, optional=WILD))


def asked(fields: dict[str, Any]) -> pb.CheckRequest:
    """A question of some fields, of which the last credential counts."""
    if "token" in fields and "principal" in fields:
        fields = {name: value for name, value in fields.items() if name != "principal"}
    return pb.CheckRequest(**fields)


def replaced(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The fields of a question in a batch, by what the definition says of the defaults."""
    credentials = {"token", "principal"}
    kept = {name: value for name, value in defaults.items() if not (name in credentials and credentials & own.keys())}
    return {**kept, **{name: value for name, value in own.items() if value not in (0, "") or name == "token"}}


def check(service: DecisionService, data: bytes) -> pb.CheckResponse:
    return pb.CheckResponse.FromString(service.check(data, LOCAL)[1])


@given(defaults=FIELD_SETS, own=st.lists(FIELD_SETS, min_size=1, max_size=6), data=st.data())
def test_a_batch_is_answered_as_its_questions_one_by_one_in_any_order(
    real: tuple[DecisionService, BatchDoor, Reports], defaults: dict[str, Any], own: list[dict[str, Any]], data: Any
) -> None:
    service, door, reports = real
    items = [asked(fields) for fields in own]
    expected = [check(service, asked(replaced(defaults, fields)).SerializeToString()) for fields in own]
    order = data.draw(st.permutations(range(len(items))))
    sent = pb.CheckBatchRequest(defaults=asked(defaults), items=[items[place] for place in order])
    answers = results(door(sent.SerializeToString(), LOCAL))
    assert [nameless(answer) for answer in answers] == [nameless(expected[place]) for place in order]
    for place, answer in zip(order, answers, strict=True):
        name = replaced(defaults, own[place]).get("request_id", "")
        assert answer.request_id == name or not 1 <= len(name) <= 128
    assert reports.seen == []


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            FIELD_SETS.map(lambda fields: asked(fields).SerializeToString()),
            st.builds(lambda fields, end: asked(fields).SerializeToString()[:-end], FIELD_SETS, st.integers(1, 8)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_items_that_need_be_no_messages_are_answered_as_if_checked_alone(
    real: tuple[DecisionService, BatchDoor, Reports], items: list[bytes]
) -> None:
    service, door, reports = real
    answers = results(door(batch(items), LOCAL))
    assert [nameless(answer) for answer in answers] == [nameless(check(service, item)) for item in items]
    assert reports.seen == []


@given(st.permutations([None, "eu", "us", "", "eu", 5]))
def test_items_that_differ_in_their_context_alone_do_not_see_each_others(
    real: tuple[DecisionService, BatchDoor, Reports], regions: list[str | int | None]
) -> None:
    _, door, _ = real
    contexts: dict[str | int | None, pb.CheckRequest] = {
        None: pb.CheckRequest(),
        5: pb.CheckRequest(context=pb.Record(fields={"region": pb.Value(long_value=5)})),
    }
    items = [contexts.get(region) or pb.CheckRequest(context=context(region=str(region))) for region in regions]
    answers = results(door(pb.CheckBatchRequest(defaults=question(), items=items).SerializeToString(), LOCAL))
    assert [answer.reason_class for answer in answers] == [
        "invalid_request" if region == 5 else "allowed" for region in regions
    ]


def test_the_small_world_tells_the_questions_apart(real: tuple[DecisionService, BatchDoor, Reports]) -> None:
    service, _, _ = real
    asked = [question(), question(principal=EVE), question(resource=GONE), question(principal=BOB, action=WRITE)]
    assert [check(service, item.SerializeToString()).reason_class for item in asked] == [
        "allowed",
        "forbidden",
        "policy_error",
        "not_permitted",
    ]


def test_random_bytes_are_answered_and_nothing_breaks(door: BatchDoor, decider: FakeDecider, reports: Reports) -> None:
    source = random.Random(20261125)
    good = question(context=context(region="eu"), request_id="r").SerializeToString()
    frames = [batch([good, good], good), batch([good]), batch([b"", good, b"\xff"], good)]
    wholes = mutants(source, frames, rounds(5_000))
    parts = mutants(source, [good], rounds(30_000))
    for data in (*wholes, *(batch(three[1:], three[0]) for three in zip(parts, parts, parts, strict=True))):
        answers = results(door(data, LOCAL))
        assert answers
        for answer in answers:
            assert answer.decision in (pb.DECISION_ALLOW, pb.DECISION_DENY)
            assert (answer.decision == pb.DECISION_ALLOW) == (answer.reason_class == "allowed")
    assert reports.seen == []
    assert len(decider.asked) > 1_000  # else the test would only have tried the protobuf library
    assert all(isinstance(request.action, EntityUID) for request in decider.asked)
