"""The client against the real server: every value arrives as it is, and everything but an answer is a CallError."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import pytest
from callers import admission
from doors import FakeDecider, FakeVerifier, Reports, an_allow
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ErrorKind
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision, PolicyError
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.cli.answer import answer_of
from pdp.cli.client import CallError, ask, read_response, write_request
from pdp.cli.connection import Connection
from pdp.cli.question import Question, Token
from pdp.config import GrpcConfig
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.identity.subject import Method, Subject
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import GuardedDoor
from pdp.transport.grpc import convert, service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.server import GrpcServer

ALICE = EntityUID("User", "alice")
QUESTION = Question(ALICE, EntityUID("Action", "read"), EntityUID("Doc", "d"), None, Record())

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LONGS = st.integers(LONG_MIN, LONG_MAX)
LAST_DAY_OF_9999 = 253_402_300_799_999
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.booleans(),
        LONGS,
        TEXTS,
        st.builds(EntityUID, st.sampled_from(["User", "A::B"]), TEXTS),
        st.builds(Decimal, LONGS),
        st.builds(Datetime, st.integers(-62_167_219_200_000, LAST_DAY_OF_9999)),
        st.builds(Duration, LONGS),
        st.builds(IPAddr, st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 32)),
        st.builds(IPAddr, st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 128)),
    ),
    lambda inner: st.one_of(
        st.builds(Set, st.lists(inner, max_size=3)), st.builds(Record, st.dictionaries(TEXTS, inner, max_size=3))
    ),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_every_value_arrives_as_it_is(fields: dict[str, Value]) -> None:
    question = Question(ALICE, QUESTION.action, QUESTION.resource, EntityUID("Device", "d"), Record(fields))
    message = convert.parse_request(write_request(question, 7).SerializeToString())
    request = convert.read_request(message, Subject(Entity(ALICE), Method.ASSERTED), "")
    assert (request.action, request.resource) == (question.action, question.resource)
    assert request.device == question.device
    assert request.context == question.context
    assert request.min_revision == 7


def test_an_absent_device_is_absent() -> None:
    assert not write_request(QUESTION, 0).HasField("device")


def test_a_datetime_that_no_text_expresses_is_refused() -> None:
    far = Record({"t": Set([Datetime(LAST_DAY_OF_9999 + 1)])})
    with pytest.raises(CallError, match="beyond the years 0000 to 9999"):
        write_request(Question(ALICE, QUESTION.action, QUESTION.resource, None, far), 0)


VERDICTS = {
    "allow": an_allow(("mask", "iban"), ("notify", "")),
    "deny with everything": Verdict(
        Decision.DENY,
        ReasonClass.POLICY_ERROR,
        "a guardrail could not be evaluated: g",
        (DeterminingPolicy("g", Effect.FORBID, {"reason": "", "id": "g"}),),
        (PolicyError("g", ErrorKind.ATTRIBUTE_MISSING, "no attribute"),),
        (Obligation("step-up", "mfa", "g"),),
        "ab",
        2**40,
        None,
    ),
    "deny of nobody": deny(ReasonClass.NOT_READY, "not yet"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_an_answer_reads_as_the_verdict_that_was_sent(name: str) -> None:
    verdict = VERDICTS[name]
    read = read_response(pb.CheckResponse.FromString(convert.encode(verdict, "")), "here")
    assert read == answer_of(verdict)


def test_only_an_allow_is_an_allow() -> None:
    for number in range(-2, 10):
        response = pb.CheckResponse()
        response.MergeFromString(bytes([0x08, *_varint(number)]))
        if number == pb.DECISION_ALLOW:
            assert read_response(response, "here").allowed
        elif number == pb.DECISION_DENY:
            assert not read_response(response, "here").allowed
        else:
            with pytest.raises(CallError, match="holds no decision"):
                read_response(response, "here")


def _varint(number: int) -> Iterator[int]:
    number &= 2**64 - 1
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


@pytest.fixture
def server(reports: Reports) -> Iterator[tuple[GrpcServer, FakeDecider]]:
    """The real server over a decider that allows."""
    metrics, decider = Metrics(), FakeDecider(an_allow())
    authentication = Authentication(lambda: 1_000_000, metrics, admission(metrics))
    authentication.verifier = FakeVerifier()
    check = service.DecisionService(decider, authentication).check
    door = GuardedDoor(Door.CHECK, check, service.LAST_RESORT, metrics, reports)
    made = GrpcServer(GrpcConfig("127.0.0.1:0", 2), {service.NAME: {"Check": door}}, reports)
    made.start()
    yield made, decider
    made.stop(0)


@pytest.fixture
def reports() -> Reports:
    """A report that remembers."""
    return Reports()


def test_asking_a_server(server: tuple[GrpcServer, FakeDecider]) -> None:
    address = f"127.0.0.1:{server[0].port}"
    answer = ask(QUESTION, 3, Connection(address, None, 5))
    assert answer.allowed
    assert answer.request_id
    asked = server[1].asked[0]
    assert (asked.subject.uid, asked.subject.method, asked.min_revision) == (ALICE, Method.ASSERTED, 3)
    by_token = Question(Token("good"), QUESTION.action, QUESTION.resource, None, Record())
    assert ask(by_token, 0, Connection(address, None, 5)).allowed
    assert server[1].asked[1].subject.method is Method.JWT
    by_token = Question(Token("bad"), QUESTION.action, QUESTION.resource, None, Record())
    assert ask(by_token, 0, Connection(address, None, 5)).reason == "unauthenticated"


def test_a_context_of_any_depth_is_sent_or_refused(
    server: tuple[GrpcServer, FakeDecider],
) -> None:
    address = f"127.0.0.1:{server[0].port}"
    for depth in range(20, 128):
        value: Value = True
        for _ in range(depth):
            value = Record({"x": value})
        question = Question(ALICE, QUESTION.action, QUESTION.resource, None, Record({"x": value}))
        if depth > 40:
            with pytest.raises(CallError, match="nested too deeply"):
                ask(question, 0, Connection(address, None, 5))
        elif depth <= 30:
            assert ask(question, 0, Connection(address, None, 5)).allowed is (depth <= convert.MAX_VALUE_DEPTH)
        else:  # which of the two it is depends on the version of protobuf
            with suppress(CallError):
                assert not ask(question, 0, Connection(address, None, 5)).allowed


def test_no_proxy_of_the_environment_is_asked(
    server: tuple[GrpcServer, FakeDecider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(QUESTION, 0, Connection(f"127.0.0.1:{server[0].port}", None, 5)).allowed


@pytest.fixture
def stub_server() -> Iterator[Callable[[Callable[[bytes, Any], bytes] | None], str]]:
    """Starts a gRPC server whose `Check` is this function, or which has none; gives its address."""
    servers = []

    def start(check: Callable[[bytes, Any], bytes] | None) -> str:
        made = grpc.server(ThreadPoolExecutor(1))
        if check is not None:
            handlers: dict[str, Any] = {"Check": grpc.unary_unary_rpc_method_handler(check)}
            made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.NAME, handlers),))
        port = made.add_insecure_port("127.0.0.1:0")
        made.start()
        servers.append(made)
        return f"127.0.0.1:{port}"

    yield start
    for made in servers:
        made.stop(0).wait()


def call_error(address: str, timeout: float = 5) -> CallError:
    with pytest.raises(CallError) as caught:
        ask(QUESTION, 0, Connection(address, None, timeout))
    return caught.value


def test_nobody_listens() -> None:
    error = call_error("127.0.0.1:1")
    assert error.message.startswith("no answer from `127.0.0.1:1`: unavailable: ")
    assert error.help is not None
    assert "pdp serve" in error.help


def test_a_server_of_another_kind(stub_server: Callable[..., str]) -> None:
    assert "unimplemented" in call_error(stub_server(None)).message


def test_a_server_that_does_not_answer_in_time(stub_server: Callable[..., str]) -> None:
    def wait(_: bytes, context: Any) -> bytes:
        while context.is_active():
            pass
        return b""

    error = call_error(stub_server(wait), timeout=0.2)
    assert "deadline_exceeded" in error.message
    assert error.help == "give it more time with `--timeout`"


@pytest.mark.parametrize("reply", [b"", b"\xff\xff", b"\x08\x00"])
def test_an_answer_that_is_none(stub_server: Callable[..., str], reply: bytes) -> None:
    call_error(stub_server(lambda _request, _context: reply))


@pytest.mark.parametrize("address", ["", ":", "nowhere.invalid:1", "unix:/nowhere/socket", "dns:///%"])
def test_addresses_of_nothing(address: str) -> None:
    call_error(address)
