"""What policies see of a request through Envoy: what is configured and declared, read strictly, and nothing else."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import pytest
from certificates import Issued, authority
from doors import FakeDecider
from ext_authz_doors import config_of, door_with, question, schema_with, told

from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.documents import DocumentError
from pdp.transport.authentication import Authentication
from pdp.transport.grpc.ext_authz_context import ContextPlan
from pdp.transport.peer_certificates import certificate_facts

GOOD: Final = ("authorization", "Bearer good")
SHOP: Final = authority("clients").issue("shop", uris=("spiffe://a/shop",), dns=("shop.example",))
PROXY: Final = authority("clients").issue("proxy", uris=("spiffe://a/proxy",))


def encoded(issued: Issued) -> str:
    return quote(issued.pem, safe="")


class Asking:
    """A door with one configuration, and what the engine was asked."""

    def __init__(self, decider: FakeDecider, authentication: Authentication, config: str, context: str) -> None:
        self._decider = decider
        self._door = door_with(decider, authentication, config=config, context=context)

    def context(self, request: Any) -> Mapping[str, Value]:
        """The context of an allowed request."""
        self._decider.asked.clear()
        response = told(self._door, request)
        assert response.status.code == 0, response.denied_response.body
        return self._decider.asked[0].context.fields

    def refusal(self, request: Any) -> str:
        """What a client is told whose request is refused before the engine is asked."""
        self._decider.asked.clear()
        response = told(self._door, request)
        assert (response.status.code, response.denied_response.status.code) == (7, 403)
        assert self._decider.asked == []
        body = json.loads(response.denied_response.body)
        assert body["reason"] == "invalid_request"
        return str(body["message"])


@pytest.fixture
def asking(decider: FakeDecider, authentication: Authentication) -> Any:
    def made(sources: Mapping[str, str], context: str, more: str = "") -> Asking:
        lines = "".join(f"  {name}: {source}\n" for name, source in sources.items())
        return Asking(decider, authentication, f"context:\n{lines}{more}", context)

    return made


def asked(*headers: tuple[str, str | bytes], **http: Any) -> Any:
    return question([GOOD, *headers], **http)


EVERYTHING: Final = {
    "a": "method",
    "b": "host",
    "c": "path",
    "d": "scheme",
    "e": "protocol",
    "f": "sni",
    "g": "header:x-tenant",
    "h": "query:page",
    "i": "source:principal",
    "j": "source:address",
    "k": "destination:principal",
    "l": "destination:address",
    "m": "client:principal",
    "n": "extension:tier",
}
TEXTS: Final = ", ".join(f"{name}?: String" for name in EVERYTHING)


def test_every_text_of_a_request(asking: Any) -> None:
    request = asked(("X-Tenant", "acme"), path="/orders/4711?page=2&x=1", scheme="https", protocol="HTTP/2")
    attributes = request.attributes
    attributes.source.principal, attributes.destination.principal = "spiffe://a/shop", "spiffe://a/envoy"
    attributes.destination.address.socket_address.address = "192.0.2.1"
    attributes.tls_session.sni = "api.example"
    attributes.context_extensions["tier"] = "gold"
    assert asking(EVERYTHING, TEXTS).context(request) == {
        "a": "GET",
        "b": "api.example",
        "c": "/orders/4711",
        "d": "https",
        "e": "HTTP/2",
        "f": "api.example",
        "g": "acme",
        "h": "2",
        "i": "spiffe://a/shop",
        "j": "192.0.2.7",
        "k": "spiffe://a/envoy",
        "l": "192.0.2.1",
        "m": "spiffe://a/shop",
        "n": "gold",
    }


def test_what_is_missing_is_absent(asking: Any) -> None:
    assert asking(EVERYTHING, TEXTS).context(asked(source="", path="/")) == {
        "a": "GET",
        "b": "api.example",
        "c": "/",
    }


def test_nothing_is_read_that_the_schema_does_not_declare_for_the_action(asking: Any) -> None:
    # The query could not be read, and nobody asks for it.
    door = asking({"a": "header:x-a"}, "a?: String")
    assert door.context(asked(("x-a", "1"), path="/orders?page=%zz;", source="::1")) == {"a": "1"}


TYPED: Final[dict[str, tuple[str, str, Value]]] = {
    "a Long": ("Long", "-12", -12),
    "the least Long": ("Long", "-9223372036854775808", -(2**63)),
    "a Bool": ("Bool", "true", True),
    "a decimal": ("decimal", "1.50", Decimal(15_000)),
    "an ipaddr": ("ipaddr", "::ffff:192.0.2.7", IPAddr(4, 0xC0000207, 32)),
    "a datetime": ("datetime", "1970-01-02", Datetime(86_400_000)),
    "a duration": ("duration", "1m", Duration(60_000)),
    "an entity": ("Tenant", 'a"b', EntityUID("Tenant", 'a"b')),
    "a set of one": ("Set<String>", "a, b", Set(["a, b"])),
    "a set of entities": ("Set<Tenant>", "a", Set([EntityUID("Tenant", "a")])),
}


@pytest.mark.parametrize(("type", "text", "value"), TYPED.values(), ids=TYPED.keys())
def test_a_text_becomes_what_the_schema_says(asking: Any, type: str, text: str, value: Value) -> None:
    door = asking({"a": "header:x-a"}, f"a?: {type}")
    assert door.context(asked(("x-a", text))) == {"a": value}
    assert door.context(asked()) == {}


@pytest.mark.parametrize(
    ("type", "text"),
    [
        *(("Long", text) for text in ("", "01", "+1", "1.0", " 1", "1_0", "١", "9223372036854775808", "9" * 5000)),
        *(("Bool", text) for text in ("", "True", "1", "yes")),
        *(("ipaddr", text) for text in ("", "10.0.0.0/8", "localhost")),
        *(("decimal", "1"), ("datetime", "today"), ("duration", "1 m"), ("Set<Long>", "a")),
    ],
)
def test_a_text_that_does_not_fit_is_refused_and_not_left_out(asking: Any, type: str, text: str) -> None:
    assert "the header `x-a` is no " in asking({"a": "header:x-a"}, f"a?: {type}").refusal(asked(("x-a", text)))


def test_a_header_that_came_twice(asking: Any) -> None:
    twice = asked(("x-a", "1"), ("X-A", "2"))
    assert "more than once" in asking({"a": "header:x-a"}, "a?: String").refusal(twice)
    assert asking({"a": "header:x-a"}, "a?: Set<Long>").context(twice) == {"a": Set([1, 2])}


def test_a_header_that_envoy_may_have_joined_is_refused_in_either_form_of_the_attribute(asking: Any) -> None:
    for type in ("String", "Set<String>"):
        door = asking({"a": "header:x-a"}, f"a?: {type}")
        merged = question({"authorization": "Bearer good", "x-a": "1,2"})
        assert "may have been sent more than once" in door.refusal(merged)
    assert asking({"a": "header:x-a"}, "a?: String").context(
        question({"authorization": "Bearer good", "x-a": "é"})
    ) == {"a": "é"}


@pytest.mark.parametrize("value", [b"\xff", b"\xc3", b"a\0b", b"a\tb", b"a\r\nb", b"\x7f"])
def test_a_header_that_is_no_plain_text_is_refused(asking: Any, value: bytes) -> None:
    assert "the header `x-a`" in asking({"a": "header:x-a"}, "a?: String").refusal(asked(("x-a", value)))


def test_a_header_in_utf_8(asking: Any) -> None:
    door = asking({"a": "header:x-a"}, "a?: String")
    assert door.context(asked(("x-a", "é€".encode()))) == {"a": "é€"}
    assert door.context(asked(("x-a", b""))) == {"a": ""}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("page=2", "2"),
        ("a=1&page=a%20b+c%26&z=", "a b c&"),
        ("p%61ge=%C3%A9", "é"),
        ("page", ""),
        ("page=a=b", "a=b"),
        ("&&page=1&", "1"),
        ("a?page=1", None),
        ("pages=1&xpage=2", None),
        ("", None),
    ],
)
def test_query_parameters(asking: Any, query: str, value: str | None) -> None:
    found = asking({"page": "query:page"}, "page?: String").context(asked(path=f"/orders?{query}"))
    assert found.get("page") == value


@pytest.mark.parametrize(
    ("query", "message"),
    [
        *(("page=1&page=1", "more than once"), ("page=1&p%61ge=2", "more than once"), ("a=1;page=2", "`;`")),
        *(("Page=1", "other letters"), ("page=1&PAGE=2", "other letters"), ("page=%", "invalid escape")),
        *(("a=%zz", "invalid escape"), ("%=1", "invalid escape"), ("a=%ff", "not UTF-8"), ("page=%00", "control")),
        *(("x=%0d%0a", "control"), ("page=1#page=2", "`#`"), ("&a" * 300, "more than 256")),
        ("a" * 65_537, "more than 65536 characters"),
    ],
)
def test_a_query_with_two_readings_is_refused(asking: Any, query: str, message: str) -> None:
    door = asking({"page": "query:page"}, "page?: String")
    assert message in door.refusal(asked(path=f"/orders?{query}"))


def test_a_parameter_that_came_twice_can_be_a_set(asking: Any) -> None:
    door = asking({"id": "query:id"}, "id?: Set<Long>")
    assert door.context(asked(path="/orders?id=1&id=2&id=1")) == {"id": Set([1, 2])}


ORDER: Final = "order?: {amount: Long, note?: String, to?: Tenant, when?: datetime, lines?: Set<{sku: String}>}"
JSON: Final = ("content-type", "application/json")


def body(asking: Any, more: str = "", context: str = ORDER) -> Asking:
    door: Asking = asking({"order": "body:json"}, context, more)
    return door


@pytest.mark.parametrize("field", ["body", "raw_body"])
def test_a_body_in_json(asking: Any, field: str) -> None:
    text = '{"amount": 1e2, "note": "é", "to": "acme", "when": "1970-01-01", "lines": [{"sku": "a"}, {"sku": "b"}]}'
    said: dict[str, Any] = {field: text if field == "body" else text.encode()}
    length = ("content-length", str(len(text.encode())))
    partial = ("x-envoy-auth-partial-body", "false")
    assert body(asking).context(asked(JSON, length, partial, **said)) == {
        "order": Record(
            {
                "amount": 100,
                "note": "é",
                "to": EntityUID("Tenant", "acme"),
                "when": Datetime(0),
                "lines": Set([Record({"sku": "a"}), Record({"sku": "b"})]),
            }
        )
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ('{"amount": 1, "amount": 2}', "one name twice"),
        ('{"amount": 1, "am\\u006funt": 2}', "one name twice"),
        ('{"amount": 1, "Amount": 2}', '"Amount"'),
        ('{"amount": 1, "x": 2}', '"x"'),
        ('{"amount": 1, "lines": [{"sku": "a", "SKU": "b"}]}', '"SKU"'),
        ('{"amount": 1.5}', "amount"),
        ('{"amount": null}', "amount"),
        ('{"amount": 1, "when": "today"}', "when"),
        ('{"amount": ' + "[" * 80 + "]" * 80 + "}", "nested"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_a_body_that_is_refused(asking: Any, text: str, message: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    assert message in body(asking).refusal(asked(JSON, raw_body=data))


def test_fields_that_are_not_declared_may_be_ignored_but_not_in_other_letters(asking: Any) -> None:
    door = body(asking, "body: {unknown_fields: ignore}\n")
    text = '{"amount": 1, "x": 1.5, "lines": [{"sku": "a", "y": null}]}'
    assert door.context(asked(JSON, body=text)) == {
        "order": Record({"amount": 1, "lines": Set([Record({"sku": "a"})])}),
    }
    assert "in other letters" in door.refusal(asked(JSON, body='{"amount": 1, "AMOUNT": 2}'))
    assert "in other letters" in door.refusal(asked(JSON, body='{"amount": 1, "lines": [{"sku": "a", "Sku": 1}]}'))


@pytest.mark.parametrize("type", ["application/json; charset=utf-8", "Application/Vnd.Order+JSON", "application/json;"])
def test_bodies_that_are_said_to_be_json(asking: Any, type: str) -> None:
    found = body(asking).context(asked(("content-type", type), body='{"amount": 1}'))
    assert found == {"order": Record({"amount": 1})}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "not said to be JSON"),
        ([("content-type", "text/plain")], "not said to be JSON"),
        ([("content-type", "application/json; charset=utf-16")], "not said to be JSON"),
        ([JSON, ("content-type", "text/plain")], "more than one header"),
        ([JSON, ("content-encoding", "gzip")], "compressed"),
        ([JSON, ("content-length", "12")], "longer than what was sent"),
        ([JSON, ("x-envoy-auth-partial-body", "true")], "longer than what was sent"),
        ([JSON, ("x-envoy-auth-partial-body", "false"), ("x-envoy-auth-partial-body", "true")], "longer than what"),
        ([JSON, ("x-envoy-auth-partial-body", "")], "longer than what"),
    ],
)
def test_bodies_that_are_not_clearly_whole_and_json(asking: Any, headers: list[tuple[str, str]], message: str) -> None:
    assert message in body(asking).refusal(asked(*headers, body='{"amount": 1}'))


@pytest.mark.parametrize("header", [("content-length", "3"), ("transfer-encoding", "chunked"), ("content-length", "x")])
def test_a_body_that_envoy_did_not_send_is_not_taken_for_none(asking: Any, header: tuple[str, str]) -> None:
    assert "was not sent along" in body(asking).refusal(asked(JSON, header))


def test_no_body_is_absent(asking: Any) -> None:
    assert body(asking).context(asked()) == {}
    assert body(asking).context(asked(("content-length", "0"))) == {}


def test_bodies_have_a_bound_and_cannot_be_two(asking: Any) -> None:
    door = asking({"text": "body:text"}, "text?: String", "body: {max_bytes: 5}\n")
    assert door.context(asked(body="héll")) == {"text": "héll"}
    assert "more than 5 bytes" in door.refusal(asked(body="héllo"))
    assert "two bodies" in door.refusal(asked(body="a", raw_body=b"b"))
    assert "not UTF-8" in door.refusal(asked(raw_body=b"\xff"))


def test_a_part_of_a_body_is_visible_and_is_not_the_body(asking: Any) -> None:
    door = asking(
        {"text": "body:text", "cut": "body:partial"}, "text?: String, cut?: Bool", "body: {partial: absent}\n"
    )
    assert door.context(asked(("x-envoy-auth-partial-body", "true"), body="hel")) == {"cut": True}
    assert door.context(asked(("x-envoy-auth-partial-body", "false"), body="hello")) == {"text": "hello", "cut": False}
    assert door.context(asked()) == {"cut": False}


CERTIFICATE: Final = "{subject: String, fingerprint: String, uris: Set<String>, not_after: datetime}"


def test_certificates(asking: Any) -> None:
    names = {"mine": "client:certificate", "theirs": "destination:certificate", "peer": "source:certificate"}
    door = asking(names, ", ".join(f"{name}?: {CERTIFICATE}" for name in names))
    assert door.context(asked()) == {}
    request = asked()
    request.attributes.source.certificate = encoded(SHOP)
    request.attributes.destination.certificate = encoded(PROXY)
    shop, proxy = (
        Record(
            {
                name: certificate_facts(issued.der).fields[name]
                for name in ("subject", "fingerprint", "uris", "not_after")
            }
        )
        for issued in (SHOP, PROXY)
    )
    assert door.context(request) == {"mine": shop, "theirs": proxy, "peer": shop}
    request.attributes.source.certificate = encoded(SHOP)[:-100]
    assert "cannot be read" in door.refusal(request)


FORWARDING: Final = "forwarders: [spiffe://a/proxy]\n"
CLIENT: Final = {"client": "client:principal", "peer": "source:principal", "cert": "client:certificate"}
CLIENTS: Final = "client?: String, peer?: String, cert?: {uris: Set<String>}"


def forwarded(*values: str, by: str = "spiffe://a/proxy") -> Any:
    request = asked(*(("x-forwarded-client-cert", value) for value in values))
    request.attributes.source.principal, request.attributes.source.certificate = by, encoded(PROXY)
    return request


def test_a_proxy_that_is_trusted_says_who_its_client_is(asking: Any, decider: FakeDecider) -> None:
    door = asking(CLIENT, CLIENTS, FORWARDING)
    found = door.context(forwarded(f'By=spiffe://a/envoy;Cert="{encoded(SHOP)}";URI=spiffe://a/shop'))
    assert found == {
        "client": "spiffe://a/shop",
        "peer": "spiffe://a/proxy",
        "cert": Record({"uris": Set(["spiffe://a/shop"])}),
    }
    assert door.context(forwarded()) == {"peer": "spiffe://a/proxy"}


@pytest.mark.parametrize("by", ["spiffe://a/shop", "", "spiffe://a/proxy2", "SPIFFE://A/PROXY"])
def test_nobody_else_is_believed(asking: Any, by: str) -> None:
    door = asking(CLIENT, CLIENTS, FORWARDING)
    found = door.context(forwarded(f'Cert="{encoded(SHOP)}";URI=spiffe://a/admin', "nonsense", by=by))
    assert found.get("client", "") == by
    assert found["cert"] == Record({"uris": Set(["spiffe://a/proxy"])})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["URI=spiffe://a/shop,URI=spiffe://a/admin"], "several clients"),
        (["URI=spiffe://a/shop", "URI=spiffe://a/admin"], "more than one header"),
        (["URI=spiffe://a/proxy"], "names the proxy"),
        (["nonsense"], "malformed"),
    ],
)
def test_a_proxy_that_does_not_speak_clearly_is_refused(asking: Any, values: list[str], message: str) -> None:
    assert message in asking(CLIENT, CLIENTS, FORWARDING).refusal(forwarded(*values))


def test_metadata_is_read_as_far_as_it_is_declared(asking: Any) -> None:
    declared = "{sub: String, age?: Long, tenant?: Tenant, tags?: Set<String>, nested?: {on: Bool}, since?: datetime}"
    sources = {"claims": "metadata:envoy.filters.http.jwt_authn", "route": "route_metadata:a.b"}
    door = asking(sources, f"claims?: {declared}, route?: {{tier: String}}")
    assert door.context(asked()) == {}
    request = asked()
    known = request.attributes.metadata_context.filter_metadata
    known["other"].update({"sub": "root"})
    assert door.context(request) == {}
    assert "envoy.filters.http.jwt_authn" not in known
    known["envoy.filters.http.jwt_authn"].update(
        {
            "sub": "ana",
            "age": 7,
            "tenant": "acme",
            "tags": ["a"],
            "nested": {"on": True, "off": None},
            "since": "1970-01-01",
            "undeclared": 1.5,
        }
    )
    request.attributes.route_metadata_context.filter_metadata["a.b"].update({"tier": "gold"})
    assert door.context(request) == {
        "claims": Record(
            {
                "sub": "ana",
                "age": 7,
                "tenant": EntityUID("Tenant", "acme"),
                "tags": Set(["a"]),
                "nested": Record({"on": True}),
                "since": Datetime(0),
            }
        ),
        "route": Record({"tier": "gold"}),
    }
    for wrong in ({"age": 1.5}, {"age": None}, {"age": 1e300}, {"tags": [None]}, {"sub": {"a": 1}}, {"since": "x"}):
        damaged = asked()
        damaged.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].update(wrong)
        assert "the metadata `envoy.filters.http.jwt_authn`" in door.refusal(damaged)


REFUSED: Final[dict[str, tuple[str, str, str]]] = {
    "an attribute that no action declares": ("z: method", "a?: String", "declares `context.z` for no action"),
    "an attribute of the engine": ("auth: method", "a?: String", "written by the decision point alone"),
    "an attribute of the inventory": ("api: method", "api?: String", "written by the decision point alone"),
    "a text as a record": ("a: method", "a?: {}", "`method` cannot be the empty record"),
    "one text as a set": ("a: sni", "a?: Set<String>", "`sni` cannot be Set<String>"),
    "a header as a record": ("a: header:x-a", "a?: Set<{b: Long}>", "cannot be Set<a record>"),
    "an address as a number": ("a: source:address", "a?: Long", "`source:address` cannot be Long"),
    "a body as a set": ("a: body:json", "a?: Set<Long>", "`body:json` cannot be Set<Long>"),
    "a text body as a Long": ("a: body:text", "a?: Long", "`body:text` cannot be Long"),
    "whether it is a part as a text": ("a: body:partial", "a?: String", "`body:partial` cannot be String"),
    "a certificate as a text": ("a: source:certificate", "a?: String", "`source:certificate` cannot be String"),
    "a certificate with what it has not": ("a: client:certificate", "a?: {name: String}", "cannot be a record"),
    "a certificate with other types": ("a: client:certificate", "a?: {uris: String}", "cannot be a record"),
    "metadata as a text": ("a: metadata:b", "a?: String", "`metadata:b` cannot be String"),
}


@pytest.mark.parametrize(("source", "context", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_configuration_that_does_not_fit_the_schema_is_refused_with_its_place(
    source: str, context: str, message: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        ContextPlan(config_of(f"context:\n  {source}\n"), schema_with(context))
    assert message in caught.value.message
    assert caught.value.render().startswith("pdp.yaml:2:")


def test_a_default_that_the_schema_uses_for_something_else_is_left_out() -> None:
    plan = ContextPlan(config_of("denial_body: brief"), schema_with("region?: Set<Long>, ip?: Bool"))
    asked_of: Any = None
    assert plan.read(EntityUID("Action", "list"), asked_of) == {}
    assert plan.read(EntityUID("Action", "unheard-of"), asked_of) == {}
