"""The doors of NGINX and Traefik: what is believed, from whom, and that only 200 lets a request through."""

import json
import random
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from doors import ALICE, FakeDecider, FakeVerifier, an_allow

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID, IPAddr, Record
from pdp.config.doors import ForwardAuthConfig
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.inventory.routes import Route
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.http.endpoint import BodyError, HttpAsk
from pdp.transport.http.forward_auth import (
    FAMILIES,
    LAST_RESORT,
    NGINX,
    TRAEFIK,
    Family,
    ForwardAuth,
)
from pdp.transport.http_obligations import PolicyNames

ORDERS = Route(EntityUID("Action", "list"), EntityUID("Api", "orders"))


@dataclass
class FakeRoutes:
    """An inventory with one route; remembers what it was asked."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def match(self, method: str, host: str, path: str) -> Any:
        self.asked.append((method, host, path))
        return ORDERS


@pytest.fixture
def routes() -> FakeRoutes:
    return FakeRoutes()


@pytest.fixture(params=FAMILIES, ids=["traefik", "nginx"])
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


CONFIG = ForwardAuthConfig(headers=("x-reader",))


NAMES = PolicyNames(frozenset({"x-scope"}), frozenset({"tier"}))


def made(
    family: Family,
    decider: FakeDecider,
    authentication: Authentication,
    routes: FakeRoutes,
    config: ForwardAuthConfig = CONFIG,
) -> ForwardAuth:
    door = ForwardAuth(family, config, decider, authentication, lambda: NAMES)
    door.routes = routes  # type: ignore[assignment] # a fake of the same shape
    return door


@pytest.fixture
def door(family: Family, decider: FakeDecider, authentication: Authentication, routes: FakeRoutes) -> ForwardAuth:
    return made(family, decider, authentication, routes)


GOOD = ("authorization", "Bearer good")


def said(family: Family, **changes: str | None) -> list[tuple[str, str]]:
    """The headers of the family; None leaves one out."""
    whole: dict[str, str | None] = {
        "method": "GET",
        "host": "api.example",
        "uri": "/orders?x=1",
        "address": "192.0.2.7",
        "scheme": "https",
        "certificate": "cert=",
        **changes,
    }
    named = {name: getattr(family, name) for name in whole}
    return [(named[name], value) for name, value in whole.items() if value is not None and named[name] is not None]


def ask(
    door: ForwardAuth,
    headers: list[tuple[str, str]],
    query: str = "",
    body: bytes | BodyError = b"",
) -> Any:
    answered = door.check(HttpAsk(tuple(headers), body, query))
    reply = answered.reply
    assert reply.status in {200, 401, 403}
    assert (reply.status == 200) == (answered.verdicts[0].reason is ReasonClass.ALLOWED)
    assert reply.headers["cache-control"] == "no-store"
    if reply.status != 200:
        assert json.loads(reply.body)["decision"] == "deny"
    assert ("www-authenticate" in reply.headers) == (reply.status == 401)
    return reply


def test_a_request_is_mapped_and_the_engine_asked(
    family: Family, door: ForwardAuth, decider: FakeDecider, routes: FakeRoutes
) -> None:
    decider.verdict = an_allow(("header", "x-reader=yes"), ("mask", "iban"))
    reply = ask(door, [GOOD, *said(family), ("x-request-id", "7f-1")], query="region=eu")
    assert reply.status == 200
    assert dict(reply.headers) == {
        "x-pdp-principal": 'User::"alice"',
        "x-pdp-policy-revision": "ab12",
        "x-pdp-obligations": "mask:iban",
        "x-reader": "yes",
        "cache-control": "no-store",
    }
    assert reply.body == b""
    assert routes.asked == [("GET", "api.example", "/orders?x=1")]
    [request] = decider.asked
    assert (request.subject.uid, request.action, request.resource) == (ALICE, ORDERS.action, ORDERS.resource)
    assert request.context == Record({"region": "eu", "ip": IPAddr(4, 0xC0000207, 32)})
    assert (request.device, request.request_id) == (None, "7f-1")


def test_each_path_reads_its_own_family_alone(
    family: Family, door: ForwardAuth, decider: FakeDecider, routes: FakeRoutes
) -> None:
    other = NGINX if family is TRAEFIK else TRAEFIK
    forged = said(other, uri="/admin", method="DELETE", host="evil.example", address="10.0.0.1")
    assert ask(door, [GOOD, *said(family), *forged]).status == 200
    assert routes.asked == [("GET", "api.example", "/orders?x=1")]
    assert decider.asked[0].context == Record({"ip": IPAddr(4, 0xC0000207, 32)})
    assert ask(door, [GOOD, *forged]).status == 403
    assert len(decider.asked) == 1


@pytest.mark.parametrize("name", ["method", "host", "uri", "address"])
def test_a_header_of_the_family_must_be_there_exactly_once(
    family: Family, door: ForwardAuth, decider: FakeDecider, name: str
) -> None:
    assert ask(door, [GOOD, *said(family, **{name: None})]).status == 403
    assert ask(door, [GOOD, *said(family), (getattr(family, name), "x")]).status == 403
    assert decider.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"method": ""},
        {"uri": ""},
        {"uri": "/a\0"},
        {"uri": "/a\tb"},
        {"host": "a\x7fb"},
        {"method": "GET\x85"},
    ],
)
def test_what_describes_no_request_is_403(
    family: Family, door: ForwardAuth, decider: FakeDecider, changes: dict[str, str | None]
) -> None:
    reply = ask(door, [GOOD, *said(family, **changes)])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, "invalid_request")
    assert decider.asked == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("10.0.0.1, 192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("evil, 10.0.0.1,192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("::ffff:192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("2001:db8::1", IPAddr(6, 0x20010DB8 << 96 | 1, 128)),
        *((text, None) for text in ("", "unix:", "192.0.2.7,", "192.0.2.7:80", "unknown")),
    ],
)
def test_the_clients_address_is_what_the_proxy_saw(
    family: Family, door: ForwardAuth, decider: FakeDecider, address: str, expected: IPAddr | None
) -> None:
    assert ask(door, [GOOD, *said(family, address=address)]).status == 200
    assert decider.asked[0].context == Record({} if expected is None else {"ip": expected})


@pytest.mark.parametrize("query", ["region", "region=", "region=eu&region=us", "regio=eu", "x=1", "region=eu&x=1"])
def test_a_query_that_is_not_a_region_is_403(
    family: Family, door: ForwardAuth, decider: FakeDecider, query: str
) -> None:
    assert ask(door, [GOOD, *said(family)], query=query).status == 403
    assert decider.asked == []


def test_a_region_is_decoded(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    ask(door, [GOOD, *said(family)], query="region=eu%20central")
    assert decider.asked[0].context.fields["region"] == "eu central"


# The credential


def test_no_credential_is_401_with_a_bare_challenge(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    reply = ask(door, said(family))
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="pdp"')
    assert decider.asked == []


@pytest.mark.parametrize(
    "values", [["Bearer bad"], ["Basic good"], [""], ["Bearer good", "Bearer good"], ["Bearer good,Bearer good"]]
)
def test_a_bad_credential_is_401(
    family: Family, door: ForwardAuth, decider: FakeDecider, metrics: Metrics, values: list[str]
) -> None:
    reply = ask(door, [*(("authorization", value) for value in values), *said(family)])
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert decider.asked == []
    assert "pdp_identity_failures_total" in metrics.exposition().decode()


def test_a_subject_is_never_asserted(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    assert ask(door, [*said(family), ("x-pdp-principal", 'User::"alice"')]).status == 403
    assert decider.asked == []


# The answer


@pytest.mark.parametrize(
    "reason",
    [reason for reason in ReasonClass if reason not in {ReasonClass.ALLOWED, ReasonClass.UNAUTHENTICATED}],
)
def test_a_deny_is_403_whatever_the_reason(
    family: Family, door: ForwardAuth, decider: FakeDecider, reason: ReasonClass
) -> None:
    decider.verdict = deny(reason, "no")
    reply = ask(door, [GOOD, *said(family)])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, reason.value)


def test_a_deny_that_a_stronger_sign_in_lifts_is_401(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    decider.verdict = Verdict(
        Decision.DENY,
        ReasonClass.FORBIDDEN,
        "sign in again",
        (DeterminingPolicy("g", Effect.FORBID),),
        obligations=(Obligation("step-up", "phishing-resistant", "g"),),
    )
    reply = ask(door, [GOOD, *said(family)])
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", error_description="sign in again", '
        'acr_values="phishing-resistant"'
    )


def test_before_anything_is_loaded_the_answer_is_403(
    family: Family, door: ForwardAuth, decider: FakeDecider, authentication: Authentication
) -> None:
    authentication.verifier = None
    assert ask(door, [GOOD, *said(family)]).status == 403
    door.routes = None
    assert ask(door, [GOOD, *said(family)]).status == 403
    assert decider.asked == []


@pytest.mark.parametrize(
    "name",
    [
        *("x-pdp-principal", "x-pdp-policy-revision", "x-pdp-obligations", "x-pdp-anything", "x_pdp_principal"),
        *("x-scope", "x_scope", "x-reader"),
    ],
)
def test_a_request_that_brings_our_headers_along_is_denied(
    family: Family, door: ForwardAuth, decider: FakeDecider, name: str
) -> None:
    reply = ask(door, [GOOD, *said(family), (name, "root")])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, "invalid_request")
    assert decider.asked == []


@pytest.mark.parametrize("argument", ["x-scope=own", "host=evil", "x-pdp-role=admin", "", "x-reader"])
def test_an_allow_whose_header_would_be_lost_or_cannot_be_set_is_a_deny(
    family: Family, door: ForwardAuth, decider: FakeDecider, argument: str
) -> None:
    decider.verdict = an_allow(("header", argument))
    reply = ask(door, [GOOD, *said(family)])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, "policy_error")


@pytest.mark.parametrize("query", ["tier=gold", "a=1&tier", "t%69er=gold", "Tier=gold", "a=1;tier=gold", "tier[]=x"])
def test_a_query_with_a_parameter_that_policies_set_is_denied(
    family: Family, door: ForwardAuth, decider: FakeDecider, query: str
) -> None:
    reply = ask(door, [GOOD, *said(family, uri=f"/orders?{query}")])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, "invalid_request")
    assert decider.asked == []


@pytest.mark.parametrize(
    "duty",
    [
        *(("header-append", "x-scope=own"), ("header-remove", "x-reader"), ("query-set", "tier=gold")),
        *(
            ("query-remove", "page"),
            ("response-header", "x-reader=a"),
            ("status", "404"),
            ("header-apend", "x-reader=a"),
        ),
    ],
)
def test_an_allow_that_asks_for_more_than_a_proxy_can_do_is_a_deny(
    family: Family, door: ForwardAuth, decider: FakeDecider, duty: tuple[str, str]
) -> None:
    decider.verdict = an_allow(("header", "x-reader=yes"), duty)
    reply = ask(door, [GOOD, *said(family)])
    assert (reply.status, json.loads(reply.body)["reason"]) == (403, "policy_error")


def test_values_of_several_policies_go_in_one_header(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    decider.verdict = an_allow(("header-append", "x-reader=b"), ("header-append", "x-reader=a"))
    assert ask(door, [GOOD, *said(family)]).headers["x-reader"] == "a, b"


def test_bodies_and_odd_ids_change_nothing(family: Family, door: ForwardAuth, decider: FakeDecider) -> None:
    for body in (b"\xff" * 100, BodyError("too large", 413)):
        assert ask(door, [GOOD, *said(family), ("x-request-id", "a\tb")], body=body).status == 200
    assert all(len(request.request_id) == 32 for request in decider.asked)


def test_the_last_resort_is_a_403() -> None:
    assert LAST_RESORT.status == 403
    assert json.loads(LAST_RESORT.body)["reason"] == "internal_error"


def test_random_headers_raise_nothing_and_allow_nothing(
    family: Family, decider: FakeDecider, authentication: Authentication, routes: FakeRoutes
) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no")
    door = made(family, decider, authentication, routes)
    source = random.Random(20261125)
    names = [*(name for each in FAMILIES for name, _ in said(each)), "authorization", "x-request-id", "x-scope"]
    for _ in range(5_000):
        headers = [GOOD, *said(family)]
        for _ in range(source.randrange(4)):
            text = source.randbytes(source.randrange(12)).decode("latin-1")
            changed = (source.choice(names), text)
            if source.random() < 0.5 and headers:
                headers[source.randrange(len(headers))] = changed
            else:
                headers.append(changed)
        query = source.choice(("", "region=eu", source.randbytes(6).decode("latin-1")))
        assert ask(door, headers, query=query).status in {401, 403}
    assert len(decider.asked) > 500


PEM = f"-----BEGIN CERTIFICATE-----\n{b64encode(b'DER of a certificate').decode()}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("value", "certificate"),
    [
        ("cert=", b""),
        ("cert=" + quote(PEM), b"DER of a certificate"),
        ("cert=" + quote(PEM.replace("\n", "\r\n")), b"DER of a certificate"),
        ("", None),
        ("-", None),
        (quote(PEM), None),
        ("cert=x", None),
        ("cert=" + quote(PEM + PEM), None),
        ("cert=" + quote(PEM.replace("CERTIFICATE", "PRIVATE KEY")), None),
        ("cert=" + quote(PEM.replace("=\n", "==\n")), None),
        ("cert=" + "A" * 20_000, None),
    ],
)
def test_the_certificate_of_the_client_is_nginxs_word(
    decider: FakeDecider,
    authentication: Authentication,
    routes: FakeRoutes,
    value: str,
    certificate: bytes | None,
) -> None:
    shown: list[Presented] = []

    class Remembering(FakeVerifier):
        def verify(self, presented: Presented, now: int) -> Subject:
            shown.append(presented)
            return super().verify(presented, now)

    authentication.verifier = Remembering()
    decider.verdict = an_allow()
    reply = ask(made(NGINX, decider, authentication, routes), [GOOD, *said(NGINX, certificate=value)])
    assert reply.status == (403 if certificate is None else 200)
    assert [each.certificate for each in shown] == ([] if certificate is None else [certificate])
    assert all((each.method, each.url) == ("GET", "https://api.example/orders?x=1") for each in shown)


def test_a_denial_is_repeated_in_a_header_for_a_proxy_that_drops_its_body(
    family: Family, door: ForwardAuth, decider: FakeDecider
) -> None:
    decider.verdict = deny(ReasonClass.FORBIDDEN, "not today \u00e9\n")
    reply = ask(door, [GOOD, *said(family)])
    assert reply.headers.get("x-pdp-denial") == (reply.body.decode() if family is NGINX else None)
    assert "\n" not in reply.body.decode()
    decider.verdict = deny(ReasonClass.FORBIDDEN, "x" * 3000)
    assert "x-pdp-denial" not in ask(door, [GOOD, *said(family)]).headers
