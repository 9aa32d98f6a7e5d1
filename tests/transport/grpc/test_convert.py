"""Messages to requests and back: every kind of value, every way to be wrong, and 100,000 random byte strings."""

import random
from typing import Any

import pytest
from decision_messages import delimited
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError, ErrorKind
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision, PolicyError
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.identity.subject import Method, Subject
from pdp.transport.errors import MessageError
from pdp.transport.grpc import convert, messages
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb

ALICE = Subject(Entity(EntityUID("User", "alice")), Method.ASSERTED)


def message(**fields: Any) -> pb.CheckRequest:
    """A complete request, with these fields on top."""
    whole: dict[str, Any] = {
        "action": pb.EntityUid(type="Action", id="read"),
        "resource": pb.EntityUid(type="Doc", id="d"),
        **fields,
    }
    return pb.CheckRequest(**{name: value for name, value in whole.items() if value is not None})


def context(value: pb.Value) -> pb.CheckRequest:
    return message(context=pb.Record(fields={"x": value}))


def read(value: pb.Value) -> Value:
    return convert.read_request(context(value), ALICE, "").context.fields["x"]


def test_a_request_keeps_everything_that_was_asked() -> None:
    request = convert.read_request(message(device=pb.EntityUid(type="Device", id="1"), min_revision=9), ALICE, "r")
    assert request.subject is ALICE
    assert request.action == EntityUID("Action", "read")
    assert request.resource == EntityUID("Doc", "d")
    assert request.device == EntityUID("Device", "1")
    assert (request.min_revision, request.request_id, request.context) == (9, "r", Record())


def test_no_device_is_not_an_empty_device() -> None:
    assert convert.read_request(message(), ALICE, "").device is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (pb.Value(bool_value=False), False),
        (pb.Value(long_value=0), 0),
        (pb.Value(long_value=2**63 - 1), 2**63 - 1),
        (pb.Value(long_value=-(2**63)), -(2**63)),
        (pb.Value(string_value=""), ""),
        (pb.Value(string_value="\0 é 🦀"), "\0 é 🦀"),
        (pb.Value(entity_value=pb.EntityUid(type="A::B", id='"\n')), EntityUID("A::B", '"\n')),
        (pb.Value(extension_value=pb.Extension(function="ip", argument="10.0.0.0/8")), IPAddr(4, 10 << 24, 8)),
        (pb.Value(extension_value=pb.Extension(function="decimal", argument="1.5")), Decimal(15_000)),
        (pb.Value(extension_value=pb.Extension(function="datetime", argument="1970-01-02")), Datetime(86_400_000)),
        (pb.Value(extension_value=pb.Extension(function="duration", argument="-1s")), Duration(-1000)),
        (pb.Value(set_value=pb.Set()), Set()),
        (pb.Value(record_value=pb.Record()), Record()),
    ],
)
def test_each_kind_of_value(sent: pb.Value, expected: Value) -> None:
    got = read(sent)
    assert type(got) is type(expected)
    assert got == expected


def test_a_boolean_and_a_number_in_one_set_stay_two() -> None:
    got = read(pb.Value(set_value=pb.Set(elements=[pb.Value(bool_value=True), pb.Value(long_value=1)])))
    assert isinstance(got, Set)
    assert len(got) == 2


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (message(action=None), "has no action"),
        (message(resource=None), "has no resource"),
        (message(action=pb.EntityUid()), "the entity type of action"),
        (message(resource=pb.EntityUid(type="A :: B", id="")), "is not a Cedar type name"),
        (message(device=pb.EntityUid(id="x")), "the entity type of device"),
        (context(pb.Value()), "has no kind"),
        (context(pb.Value(extension_value=pb.Extension(function="ip", argument="300.0.0.1"))), "300.0.0.1"),
        (context(pb.Value(extension_value=pb.Extension(function="toDays", argument="1d"))), "does not construct"),
        (context(pb.Value(extension_value=pb.Extension(function='e"\n'))), r'"e\\"\\n" does not construct'),
        (context(pb.Value(entity_value=pb.EntityUid(type="if", id=""))), "the entity type of context"),
    ],
)
def test_what_is_not_a_question_is_refused(bad: pb.CheckRequest, says: str) -> None:
    with pytest.raises(MessageError, match=says) as caught:
        convert.read_request(bad, ALICE, "")
    assert caught.value.verdict().reason is ReasonClass.INVALID_REQUEST
    assert caught.value.message.isprintable()


def nested(depth: int, *, records: bool) -> pb.Value:
    value = pb.Value(long_value=1)
    for _ in range(depth):
        value = (
            pb.Value(record_value=pb.Record(fields={"x": value}))
            if records
            else pb.Value(set_value=pb.Set(elements=[value]))
        )
    return value


@pytest.mark.parametrize("records", [True, False])
def test_nesting_is_bounded_by_us_before_the_library_bounds_it(records: bool) -> None:
    deepest = context(nested(convert.MAX_VALUE_DEPTH, records=records)).SerializeToString()
    convert.read_request(convert.parse_request(deepest), ALICE, "")
    deeper = context(nested(convert.MAX_VALUE_DEPTH + 1, records=records))
    with pytest.raises(MessageError, match="nested more than"):
        convert.read_request(deeper, ALICE, "")


def test_nesting_that_the_library_refuses_is_our_error_too() -> None:
    value = b""
    for _ in range(10_000):
        value = delimited(5, delimited(1, value))  # Value.set_value, Set.elements
    sent = delimited(5, delimited(1, delimited(2, value)))  # CheckRequest.context, Record.fields, its value
    with pytest.raises(MessageError, match=r"is not a `pdp\.v1\.CheckRequest`"):
        convert.parse_request(sent)


def test_a_request_id_is_bounded() -> None:
    assert convert.read_request_id(message(request_id="é" * 128)) == "é" * 128
    with pytest.raises(MessageError, match="more than 128"):
        convert.read_request_id(message(request_id="x" * 129))


def test_a_response_carries_the_whole_verdict() -> None:
    verdict = Verdict(
        Decision.DENY,
        ReasonClass.FORBIDDEN,
        "stale device",
        (DeterminingPolicy("g1", Effect.FORBID, {"reason": "stale device", "id": "g1"}),),
        (PolicyError("t1", ErrorKind.OVERFLOW, "too large"),),
        (Obligation("step-up", "mfa", "g1"),),
        "ab",
        2**63,
        1_764_000_000_123,
    )
    assert pb.CheckResponse.FromString(convert.encode(verdict, "r1")) == pb.CheckResponse(
        decision=pb.DECISION_DENY,
        reason_class="forbidden",
        message="stale device",
        policies=[
            pb.DeterminingPolicy(id="g1", effect=pb.EFFECT_FORBID, annotations={"reason": "stale device", "id": "g1"})
        ],
        errors=[pb.PolicyError(policy_id="t1", kind="overflow", message="too large")],
        obligations=[pb.Obligation(kind="step-up", argument="mfa", policy_id="g1")],
        policy_revision="ab",
        context_revision=2**63,
        valid_until=Timestamp(seconds=1_764_000_000, nanos=123_000_000),
        request_id="r1",
        challenge=(
            'Bearer error="insufficient_user_authentication", error_description="stale device", acr_values="mfa"'
        ),
    )


def test_no_end_of_validity_is_unset_and_not_1970() -> None:
    response = convert.write_response(deny(ReasonClass.NOT_PERMITTED, "no"), "")
    assert not response.HasField("valid_until")


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_764_000_000_123, "2025-11-24T16:00:00.123Z"),
        (-1, "1970-01-01T00:00:00Z"),
        (10**30, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps(milliseconds: int, expected: str) -> None:
    assert convert.timestamp(milliseconds).ToJsonString() == expected


LEAVES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=5),
    st.builds(EntityUID, st.sampled_from(["User", "A::B"]), st.text(max_size=5)),
    st.builds(Decimal, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Duration, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Datetime, st.integers(-62_167_219_200_000, 253_402_300_799_999)),
    st.builds(lambda number, prefix: IPAddr(4, number, prefix), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(lambda number, prefix: IPAddr(6, number, prefix), st.integers(0, 2**128 - 1), st.integers(0, 128)),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda values: st.one_of(
        st.lists(values, max_size=4).map(Set), st.dictionaries(st.text(max_size=3), values, max_size=4).map(Record)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_record_that_is_written_reads_back(value: Value) -> None:
    record = Record({"x": value})
    written = messages.write_record(record).SerializeToString()
    back = convert.read_request(message(context=pb.Record.FromString(written)), ALICE, "").context
    assert type(back.fields["x"]) is type(value)
    assert back == record


@pytest.mark.parametrize("milliseconds", [-(2**63), -62_167_219_200_001, 253_402_300_800_000, 2**63 - 1])
def test_a_datetime_without_a_text_is_written_and_does_not_read_back(milliseconds: int) -> None:
    written = messages.write_record(Record({"x": Datetime(milliseconds)}))
    assert written.fields["x"].extension_value.argument[0] in "+-"
    with pytest.raises(MessageError):
        convert.read_request(message(context=written), ALICE, "")


def test_every_decision_and_effect_has_its_own_number_and_none_is_zero() -> None:
    sent = {
        decision: convert.write_response(Verdict(decision, ReasonClass.INTERNAL, ""), "").decision
        for decision in Decision
    }
    assert sent == {Decision.ALLOW: pb.DECISION_ALLOW, Decision.DENY: pb.DECISION_DENY}
    assert pb.DECISION_UNSPECIFIED == 0
    assert pb.CheckResponse().decision not in sent.values()


def seeds() -> list[bytes]:
    """Messages that use every field, to be damaged."""
    everything = pb.Record(
        fields={
            "b": pb.Value(bool_value=True),
            "l": pb.Value(long_value=-1),
            "s": pb.Value(string_value="text"),
            "e": pb.Value(entity_value=pb.EntityUid(type="A::B", id="x")),
            "set": pb.Value(set_value=pb.Set(elements=[pb.Value(long_value=1), pb.Value(string_value="")])),
            "r": pb.Value(record_value=pb.Record(fields={"": pb.Value(long_value=1)})),
            "x": pb.Value(extension_value=pb.Extension(function="ip", argument="::1")),
        }
    )
    uid = pb.EntityUid(type="User", id="alice")
    return [
        message(principal=uid, context=everything, device=uid, min_revision=3, request_id="r").SerializeToString(),
        message(token="good").SerializeToString(),
    ]


def test_a_hundred_thousand_byte_strings_raise_only_our_own_errors() -> None:
    source = random.Random(20261124)
    known = seeds()
    readable = 0
    for number in range(100_000):
        if number % 4 == 0:
            data = source.randbytes(source.randrange(64))
        else:
            damaged = bytearray(source.choice(known))
            for _ in range(source.randrange(1, 4)):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
            data = bytes(damaged)
        try:
            sent = convert.parse_request(data)
            readable += 1
            convert.read_request_id(sent)
            convert.read_request(sent, ALICE, "")
        except CedarError:
            pass
    assert readable > 10_000  # else the test would only have tried the protobuf library
