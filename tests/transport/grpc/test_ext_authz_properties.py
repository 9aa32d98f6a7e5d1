"""Whatever Envoy's message holds, the answer is well formed, and an allow only if the engine was asked and allowed."""

import random
from collections import Counter
from typing import Any, Final

import pytest
from doors import FakeDecider, an_allow
from envoy.service.auth.v3 import external_auth_pb2
from ext_authz_doors import DECLARED, ENVOY, door_with, question
from fuzzing import rounds
from random_messages import fill

from pdp.engine.decider import ReasonClass, deny
from pdp.transport.authentication import Authentication
from pdp.transport.grpc.ext_authz import ExtAuthz
from pdp.transport.http_obligations import PolicyNames

SOURCES: Final = {
    "method": "String", "host": "String", "path": "String", "scheme": "String", "protocol": "String", "sni": "String",
    "header:x-a": "Long", "header:x-b": "Set<String>", "query:page": "Long", "query:id": "Set<Tenant>",
    "source:principal": "Tenant", "source:address": "ipaddr", "source:certificate": "{uris: Set<String>}",
    "destination:principal": "String", "destination:address": "String", "client:principal": "String",
    "client:certificate": "{subject: String}", "extension:region": "String", "extension:limit": "decimal",
    "body:json": "{amount: Long, lines?: Set<{sku: String}>}", "body:partial": "Bool",
    "metadata:a": "{a?: Long, x?: Set<Bool>}", "route_metadata:a": "{a: {a?: String}}",
}  # fmt: skip
NAMED: Final = {f"a{number}": source for number, source in enumerate(SOURCES)}
CONFIG: Final = (
    "context:\n"
    + "".join(f"  {name}: {source}\n" for name, source in NAMED.items())
    + "body: {partial: absent, unknown_fields: ignore}\nforwarders: [spiffe://a/proxy]\n"
)
CONTEXT: Final = ", ".join(f"{name}?: {SOURCES[source]}" for name, source in NAMED.items())

LIKELY: Final = {
    "key": (
        *("authorization", "Authorization", "dpop", "content-type", "content-length", "x-envoy-auth-partial-body"),
        *(
            "x-forwarded-client-cert",
            "x-a",
            "x-b",
            "region",
            "limit",
            "a",
            "x-pdp-principal",
            "x_scope",
            "x-request-id",
        ),
    ),
    "method": ("GET", "POST"),
    "path": ("/orders", "/orders?page=1&id=a", "/orders?tier=gold"),
    "principal": ("spiffe://a/proxy", "spiffe://a/shop"),
}


@pytest.fixture
def door(decider: FakeDecider, authentication: Authentication) -> ExtAuthz:
    """Reads all that can be configured."""
    decider.verdict = an_allow(("header", "x-scope=own"), ("query-set", "tier=gold"), ("mask", "iban"))
    names = PolicyNames(frozenset({"x-scope"}), frozenset({"tier"}))
    return door_with(decider, authentication, config=CONFIG, context=CONTEXT, names=names)


def answer(door: ExtAuthz, decider: FakeDecider, data: bytes) -> tuple[Any, bool]:
    """The answer, checked, and whether the engine was asked."""
    decider.asked.clear()
    verdict, reply = door.check(data, ENVOY)
    response = external_auth_pb2.CheckResponse.FromString(reply)
    allowed = response.status.code == 0
    assert allowed == (verdict.reason is ReasonClass.ALLOWED)
    if allowed:
        assert len(decider.asked) == 1
        assert response.WhichOneof("http_response") == "ok_response"
        headers = [option.header.key for option in response.ok_response.headers]
        assert headers[:2] == ["x-pdp-principal", "x-pdp-policy-revision"]
        assert len(set(headers)) == len(headers)
        assert not set(headers) & set(response.ok_response.headers_to_remove)
    else:
        assert response.status.code in {7, 16}
        assert response.WhichOneof("http_response") == "denied_response"
        assert response.denied_response.status.code in {401, 403, 503}
    assert response.dynamic_metadata["decision"] == ("allow" if allowed else "deny")
    assert not response.HasField("error_response")
    return response, bool(decider.asked)


def a_message(source: random.Random) -> Any:
    """Half of them could be asked; the others are random throughout."""
    request = external_auth_pb2.CheckRequest()
    fill(request, source, LIKELY, 8)
    if source.random() < 0.5:
        http = request.attributes.request.http
        for key in [key for key in http.headers if key.lower() == "authorization"]:
            del http.headers[key]
        kept = [header for header in http.header_map.headers if header.key.lower() != "authorization"]
        del http.header_map.headers[:]
        http.header_map.headers.extend(kept)
        http.header_map.headers.add(key="authorization", raw_value=b"Bearer good")
        http.method, http.host, http.path = "GET", "api.example", source.choice(LIKELY["path"])
    return request


def test_random_messages(door: ExtAuthz, decider: FakeDecider) -> None:
    source = random.Random(20261125)
    seen: Counter[tuple[bool, bool]] = Counter()
    for _ in range(rounds(4_000)):
        response, judged = answer(door, decider, a_message(source).SerializeToString())
        seen[response.status.code == 0, judged] += 1
    # The messages are not all refused on the same early step: many are judged, and more are not.
    assert seen[True, True] > 100
    assert seen[False, False] > 1_000


def test_a_denying_engine_is_never_overruled(door: ExtAuthz, decider: FakeDecider) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no")
    source = random.Random(20261126)
    for _ in range(rounds(1_000)):
        response, _ = answer(door, decider, a_message(source).SerializeToString())
        assert response.status.code != 0


def test_damaged_messages(door: ExtAuthz, decider: FakeDecider) -> None:
    source = random.Random(20261127)
    seeds = [a_message(source).SerializeToString() for _ in range(100)]
    seeds = [seed for seed in seeds if 0 < len(seed) < 5_000]
    for number in range(rounds(6_000)):
        data = bytearray(source.choice(seeds))
        for _ in range(source.randrange(1, 6)):
            place = source.randrange(len(data))
            match number % 3:
                case 0:
                    data[place] = source.randrange(256)
                case 1:
                    del data[place : place + source.randrange(1, 9)]
                case _:
                    data[place:place] = data[: source.randrange(1, 30)]
            if not data:
                break
        answer(door, decider, bytes(data))


HUGE: Final = 4 * 1024 * 1024
"""As large as gRPC lets a message be."""


def nested_struct(depth: int) -> bytes:
    """The bytes of a Struct that holds a Struct, and so on; deeper than any library would write one."""
    data = b""
    for _ in range(depth):
        value = b"\x2a" + _length(data) + data  # Value.struct_value
        entry = b"\x0a\x01a\x12" + _length(value) + value
        data = b"\x0a" + _length(entry) + entry  # Struct.fields
    return data


def _length(data: bytes) -> bytes:
    number, found = len(data), bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        found.append(low | (0x80 if number else 0))
        if not number:
            return bytes(found)


@pytest.mark.parametrize("depth", [1, 10, 30, 33, 50, 100, 1_000, 10_000])
def test_metadata_of_any_depth(door: ExtAuthz, decider: FakeDecider, depth: int) -> None:
    entry = b"\x0a\x01a\x12" + _length(nested_struct(depth)) + nested_struct(depth)
    metadata = b"\x0a" + _length(entry) + entry  # Metadata.filter_metadata
    attributes = b"\x5a" + _length(metadata) + metadata  # AttributeContext.metadata_context
    data = question([("authorization", "Bearer good")]).SerializeToString()
    answer(door, decider, data + b"\x0a" + _length(attributes) + attributes)


GOOD: Final = ("authorization", "Bearer good")
LARGE: Final = {
    "a body": question([GOOD], raw_body=b"x" * HUGE),
    "a path": question([GOOD], path="/" + "a" * HUGE),
    "a query of many parameters": question([GOOD], path="/?" + "a&" * (HUGE // 2)),
    "a query of one name": question([GOOD], path="/?" + "a" * HUGE),
    "a query of escapes": question([GOOD], path="/?" + "%61" * (HUGE // 3)),
    "a token": question([("authorization", "Bearer " + "a" * HUGE)]),
    "a header": question([GOOD, ("x-a", "1" * HUGE)]),
    "many headers": question([GOOD, *(("x-b", "v"),) * 100_000]),
    "a forwarded certificate": question([GOOD, ("x-forwarded-client-cert", "URI=" + "a" * HUGE)]),
    "a certificate": question([GOOD]),
}
LARGE["a certificate"].attributes.source.certificate = "%41" * (HUGE // 3)
LARGE["a forwarded certificate"].attributes.source.principal = "spiffe://a/proxy"


@pytest.mark.parametrize("request_of", LARGE.values(), ids=LARGE.keys())
def test_messages_as_large_as_they_can_be(door: ExtAuthz, decider: FakeDecider, request_of: Any) -> None:
    answer(door, decider, request_of.SerializeToString())


def test_a_door_with_the_default_configuration(decider: FakeDecider, authentication: Authentication) -> None:
    door = door_with(decider, authentication, context=DECLARED)
    source = random.Random(20261128)
    judged = sum(answer(door, decider, a_message(source).SerializeToString())[1] for _ in range(rounds(500)))
    assert judged > 100
