"""`failure_mode_allow: true`, which nobody should set: Envoy then takes any failure for a yes, and still nothing passes
that the decision point did not permit.

It never fails, first; and the second lock in `envoy.yaml` (RBAC on what it said) holds where it is gone.
"""

import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest
import yaml
from envoy.service.auth.v3 import external_auth_pb2
from envoy_stack import Envoy, Pdp, StartEnvoy, ask, eventually, replaced

from pdp.transport.grpc.server import MAX_MESSAGE

pytestmark = pytest.mark.envoy

ORDER: Final = "/orders/4711"
LOCKED: Final = "rbac_access_denied_matched_policy[none]"
OPEN: Final = "failure_mode_allow: true"


@pytest.fixture(scope="module")
def lenient(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """An Envoy that fails open, with the second lock."""
    with start_envoy("lenient", replaced(configuration, "failure_mode_allow: false", OPEN)) as running:
        yield running


@pytest.fixture(scope="module")
def unlocked(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """An Envoy that fails open and has no second lock."""
    with start_envoy("unlocked", without_lock(replaced(configuration, "failure_mode_allow: false", OPEN))) as running:
        yield running


def without_lock(text: str) -> str:
    parsed = yaml.safe_load(text)
    [listener] = parsed["static_resources"]["listeners"]
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    kept = [each for each in filters if each["name"] != "envoy.filters.http.rbac"]
    assert len(kept) == len(filters) - 1
    filters[:] = kept
    found: str = yaml.safe_dump(parsed)
    return found


@pytest.fixture
def token(issuer: Any) -> dict[str, str]:
    """The header of a request that is permitted."""
    return {"authorization": f"Bearer {issuer.token(sub='ana', device_id='laptop-ana', acr='mfa')}"}


@pytest.fixture
def restored(lenient: Envoy, pdp: Pdp, token: dict[str, str]) -> Iterator[Pdp]:
    """The decision point, to be damaged: afterwards it is running again, and answers through Envoy."""
    yield pdp
    pdp.stop()
    pdp.start()
    eventually(lambda: ask(lenient.port, ORDER, headers=token).status == 200, "an answer after the repair")


def test_a_denied_request_is_no_failure(
    lenient: Envoy, unlocked: Envoy, token: dict[str, str], seen: list[str]
) -> None:
    for envoy in (lenient, unlocked):
        assert ask(envoy.port, ORDER, headers=token).status == 200
        seen.clear()
        for path, headers, status in (
            (ORDER, {}, 401),
            (ORDER, {"authorization": "Bearer forged"}, 401),
            ("/orders/5100", token, 403),
            ("/internal", token, 403),
            ("/orders/%2e%2e%2f4711", token, 400),
            (ORDER, [*token.items(), *token.items()], 401),
        ):
            answer = ask(envoy.port, path, headers=headers)
            assert answer.status == status
        assert seen == []


def test_without_the_lock_a_decision_point_that_hangs_lets_everything_through(
    unlocked: Envoy, restored: Pdp, seen: list[str]
) -> None:
    """The control: what the other tests show is not Envoy's own doing."""
    restored.send(signal.SIGSTOP)
    assert ask(unlocked.port, ORDER).status == 200
    assert seen == [f"GET {ORDER}"]


def test_with_the_lock_a_decision_point_that_hangs_or_dies_lets_nothing_through(
    lenient: Envoy, restored: Pdp, token: dict[str, str], seen: list[str]
) -> None:
    restored.send(signal.SIGSTOP)
    hanging = ask(lenient.port, ORDER, headers=token)
    restored.send(signal.SIGKILL)
    gone = ask(lenient.port, ORDER, headers=token)
    assert [hanging.status, gone.status] == [403, 403]
    ids = {answer.headers["x-request-id"] for answer in (hanging, gone)}

    def lines() -> list[dict[str, Any]]:
        return [line for line in lenient.log() if line["request_id"] in ids]

    eventually(lambda: len(lines()) == 2, "the access log")
    assert [(line["details"], line["decision"]) for line in lines()] == [(LOCKED, None)] * 2
    assert seen == []


Reply = bytes | grpc.StatusCode | float
"""What a decision point that is none answers: bytes, a gRPC error, or nothing for so many seconds."""


@dataclass
class Impostor:
    """A gRPC server that answers Envoy's question with whatever it is told to."""

    port: int
    reply: Reply = b""

    def check(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        """The reply."""
        if isinstance(self.reply, grpc.StatusCode):
            context.abort(self.reply, "no")
        if isinstance(self.reply, float):
            time.sleep(self.reply)
            return b""
        assert isinstance(self.reply, bytes)
        return self.reply


@pytest.fixture(scope="module")
def impostor() -> Iterator[Impostor]:
    """Stands where the decision point should be."""
    made = Impostor(0)
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(made.check)
    name = "envoy.service.auth.v3.Authorization"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Check": method}),))
    made.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def deceived(start_envoy: StartEnvoy, configuration: str, impostor: Impostor) -> Iterator[Envoy]:
    """An Envoy that fails open, with the second lock, before the impostor."""
    text = replaced(configuration, "failure_mode_allow: false", OPEN)
    with start_envoy("deceived", text, impostor.port) as running:
        yield running


def response(**parts: Any) -> bytes:
    found: bytes = external_auth_pb2.CheckResponse(**parts).SerializeToString()
    return found


REPLIES: Final[Mapping[str, Reply]] = {
    "an empty message, which means yes": b"",
    "a yes without a reason": response(status={"code": 0}, ok_response={}),
    "a yes that is described as a no": response(dynamic_metadata={"decision": "deny"}),
    "a yes that is described oddly": response(dynamic_metadata={"decision": True}),
    "a yes that is described in a list": response(dynamic_metadata={"decision": ["allow"]}),
    "bytes that are no message": b"\xff\xff\xff\xff",
    "half a message": response(status={"code": 7, "message": "denied"})[:-3],
    "a failure of its own": response(status={"code": 13}, error_response={"status": {"code": 500}}),
    "a no without a reason": response(status={"code": 7}),
    "a no that is described as a yes": response(
        status={"code": 7}, denied_response={}, dynamic_metadata={"decision": "allow"}
    ),
    "a message that is too long": b"\x1a" + b"\xff" * 6 * 1024 * 1024,
    "an error": grpc.StatusCode.INTERNAL,
    "too busy": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "not there": grpc.StatusCode.UNIMPLEMENTED,
    "nothing in time": 1.0,
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
def test_no_answer_but_a_clear_yes_lets_a_request_through(
    deceived: Envoy, impostor: Impostor, seen: list[str], reply: Reply
) -> None:
    impostor.reply = reply
    assert ask(deceived.port, ORDER).status in {403, 500}
    assert seen == []


def test_a_clear_yes_lets_a_request_through(deceived: Envoy, impostor: Impostor, seen: list[str]) -> None:
    impostor.reply = response(dynamic_metadata={"decision": "allow"})
    assert ask(deceived.port, ORDER).status == 200
    assert seen == [f"GET {ORDER}"]


def test_a_request_that_is_too_long_for_grpc_is_stopped_by_the_lock(
    start_envoy: StartEnvoy, configuration: str, token: dict[str, str], seen: list[str]
) -> None:
    """gRPC refuses it before anybody can say no, and Envoy takes that for a failure."""
    bodies = (
        f"with_request_body: {{max_request_bytes: {2 * MAX_MESSAGE}}}\n                      clear_route_cache: false"
    )
    text = replaced(replaced(configuration, "failure_mode_allow: false", OPEN), "clear_route_cache: false", bodies)
    text = replaced(
        text, "per_connection_buffer_limit_bytes: 32768", f"per_connection_buffer_limit_bytes: {MAX_MESSAGE}"
    )
    with start_envoy("longwinded", text) as envoy:
        assert ask(envoy.port, ORDER, headers=token, body=b"x" * 1000).status == 200
        seen.clear()
        assert ask(envoy.port, ORDER, headers=token, body=b"x" * (MAX_MESSAGE + 1000)).status in {403, 413}
    assert seen == []
