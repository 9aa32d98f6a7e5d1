"""A real Envoy with `deploy/envoy/shop`: mutual TLS on both sides, bodies, and everything that an answer can change.

The decision point is `pdp serve` over mutual TLS, the service behind Envoy is the demo's. Run with `-m envoy`.
"""

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding
from envoy_stack import Answer, Envoy, StartEnvoy, ask, eventually, replaced
from issuer import Signer
from prover import Prover

pytestmark = pytest.mark.envoy

API: Final = "api.shop.example"
ORDER: Final = "/orders/7"


class Till:
    """A client of the shop with a certificate and a token."""

    def __init__(self, shop: Any, envoy: Envoy, certificate: str | None = "till-7", sni: str = API) -> None:
        self._shop = shop
        self._port = envoy.port
        self._tls = shop.tls(certificate, sni)

    def ask(
        self,
        path: str,
        *headers: tuple[str, str],
        method: str = "GET",
        body: bytes = b"",
        host: str = API,
        **claims: Any,
    ) -> Answer:
        """One request with a token of these claims."""
        token = self._shop.issuer.token(**{"sub": "kim", **claims})
        said = [("authorization", f"Bearer {token}"), *headers]
        return ask(self._port, path, method=method, host=host, headers=said, body=body, tls=self._tls)

    def order(self, body: object, *headers: tuple[str, str], **claims: Any) -> Answer:
        """Places an order: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = headers or (("content-type", "application/json"),)
        return self.ask("/orders", *said, method="POST", body=data, **claims)


@pytest.fixture
def till(shop: Any, shop_envoy: Envoy) -> Till:
    """The till number 7."""
    return Till(shop, shop_envoy)


def sent(answer: Answer) -> dict[str, str]:
    """The headers that reached the service."""
    assert answer.status == 200, answer.body
    pairs: list[tuple[str, str]] = [tuple(line.split(": ", 1)) for line in answer.json()["headers"]]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_an_allow_changes_the_request_and_the_answer(till: Till, seen: list[str]) -> None:
    answer = till.ask(f"{ORDER}?lines=all&debug=1")
    headers = sent(answer)
    assert headers["x-scope"] == "margins.read, orders.read"
    assert headers["x-pdp-principal"] == 'User::"kim"'
    assert "authorization" not in headers
    assert seen == [f"GET {ORDER}?lines=all&tenant=acme"]
    assert answer.headers["cache-control"] == "no-store"


FORGED: Final = [("x-scope", "root"), ("X-Scope", "admin"), ("x-order-checked", "yes"), ("x-decided-by", "me")]


def test_nothing_that_policies_set_can_be_forged(till: Till, seen: list[str]) -> None:
    headers = sent(till.ask(f"{ORDER}?tenant=evil&a=1&tenant=worse", *FORGED))
    assert headers["x-scope"] == "margins.read, orders.read"
    assert "x-order-checked" not in headers
    assert seen == [f"GET {ORDER}?a=1&tenant=acme"]


@pytest.mark.parametrize(
    "query", ["t%65nant=evil", "TENANT=evil", "a=1;tenant=evil", "tenant[]=evil", "tenant%00=evil"]
)
def test_a_parameter_in_a_spelling_that_envoy_would_pass_on_is_refused(till: Till, seen: list[str], query: str) -> None:
    answer = till.ask(f"{ORDER}?{query}")
    assert (answer.status, answer.json()["reason"]) == (403, "invalid_request")
    assert seen == []


def test_what_is_set_for_one_action_is_taken_away_from_another(till: Till, seen: list[str]) -> None:
    answer = till.ask(
        "/orders?tenant=evil&tenant=worse&x=1", ("content-type", "application/json"), *FORGED,
        method="POST", body=b'{"article": "a", "quantity": 1}',
    )  # fmt: skip
    headers = sent(answer)
    assert "x-scope" not in headers
    assert headers["x-order-checked"] == "yes"
    assert seen == ["POST /orders?x=1"]
    assert "cache-control" not in answer.headers


def test_a_client_without_the_certificate_of_a_till_is_refused(shop: Any, shop_envoy: Envoy, seen: list[str]) -> None:
    for certificate in (None, "cleaner", "envoy"):
        forged = ("x-forwarded-client-cert", "By=spiffe://shop.example/envoy;URI=spiffe://shop.example/till/7")
        answer = Till(shop, shop_envoy, certificate).ask(ORDER, forged)
        assert answer.status == 403
        assert answer.json()["policies"] == ["guardrail/not-a-till"]
    assert seen == []


def test_a_till_without_a_person_is_who_its_certificate_says(shop: Any, shop_envoy: Envoy, seen: list[str]) -> None:
    def ask_as(certificate: str | None, method: str = "GET", *headers: tuple[str, str]) -> Answer:
        return ask(
            shop_envoy.port, "/orders", method=method, host=API, headers=list(headers), tls=shop.tls(certificate)
        )

    assert sent(ask_as("till-8"))["x-pdp-principal"] == 'Till::"spiffe://shop.example/till/8"'
    assert seen == ["GET /orders?tenant=acme"]
    seen.clear()
    assert ask_as("till-8", "POST").json()["reason"] == "invalid_request"
    assert ask_as("cleaner").json()["policies"] == ["guardrail/not-a-till"]
    # What is neither a till's certificate nor a token.
    for answer in (ask_as(None), ask_as("till-8", "GET", ("authorization", "Bearer forged"))):
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert seen == []


def hash_of(shop: Any, name: str) -> str:
    """What a token says that is bound to the certificate of this name (RFC 8705, section 3.1)."""
    der = shop.certificate(name).public_bytes(Encoding.DER)
    return urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def test_a_token_that_is_bound_to_a_certificate_is_good_with_it_alone(
    shop: Any, shop_envoy: Envoy, seen: list[str]
) -> None:
    bound: Any = {"cnf": {"x5t#S256": hash_of(shop, "till-7")}}
    assert Till(shop, shop_envoy, "till-7").ask(ORDER, **bound).status == 200
    assert len(seen) == 1
    for other in ("till-8", None):
        answer = Till(shop, shop_envoy, other).ask(ORDER, **bound)
        assert (answer.status, answer.json()["reason"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert len(seen) == 1


def test_a_token_that_is_bound_to_a_key_is_good_with_a_proof_alone(
    shop: Any, shop_envoy: Envoy, seen: list[str]
) -> None:
    prover = Prover()
    token = shop.issuer.token(sub="kim", cnf={"jkt": prover.jkt})

    def ask_with(scheme: str, *proofs: str) -> Answer:
        headers = [("authorization", f"{scheme} {token}"), *(("dpop", proof) for proof in proofs)]
        return ask(shop_envoy.port, f"{ORDER}?x=1", host=API, headers=headers, tls=shop.tls("till-7"))

    def proof(**claims: Any) -> str:
        said: Any = {"htm": "GET", "htu": f"https://{API}{ORDER}", **claims}
        return prover.proof(token, int(time.time()), **said)

    # A decision point that has just started cannot know whether a proof was used before.
    eventually(lambda: ask_with("DPoP", proof()).status == 200, "a proof that is newer than the decision point")
    good = proof()
    assert "authorization" not in sent(ask_with("DPoP", good))
    seen.clear()
    refused = {
        "used again": ask_with("DPoP", good),
        "for another method": ask_with("DPoP", proof(htm="POST")),
        "for another address": ask_with("DPoP", proof(htu=f"https://{API}/orders/8")),
        "for another name": ask_with("DPoP", proof(htu=f"https://www.shop.example{ORDER}")),
        "twice": ask_with("DPoP", proof(), proof()),
        "of another key": ask_with(
            "DPoP", Prover(Signer(kid=None, number=8)).proof(token, int(time.time()), htm="GET")
        ),
        "none": ask_with("DPoP"),
        "as a bearer": ask_with("Bearer", proof()),
    }
    for how, answer in refused.items():
        assert answer.status == 401, how
        assert "DPoP " in answer.headers["www-authenticate"], how
        assert 'algs="' in answer.headers["www-authenticate"], how
    assert 'error="invalid_dpop_proof"' in refused["used again"].headers["www-authenticate"]
    assert seen == []


@pytest.fixture(scope="module")
def fronted(start_shop_envoy: StartEnvoy, shop: Any) -> Iterator[Envoy]:
    """An Envoy of the operator's own before the shop's, which is asked for the client's certificate in turn."""
    behind = replaced(shop.configuration, "client_cert_details: SANITIZE", "client_cert_details: FORWARD_ONLY")
    with start_shop_envoy("behind", behind) as inner:
        parsed = yaml.safe_load(shop.configuration)
        [listener] = parsed["static_resources"]["listeners"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"] = manager["http_filters"][-1:]
        manager["forward_client_cert_details"] = "SANITIZE_SET"
        manager["set_current_client_cert_details"] = {"cert": True, "uri": True}
        del manager["route_config"]["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"]
        # It asks nobody; its service is the other Envoy, to which it shows a certificate of its own.
        to, _ = parsed["static_resources"]["clusters"]
        tls = to["transport_socket"]["typed_config"]
        tls["sni"] = API
        tls["common_tls_context"]["validation_context"] = {
            "trusted_ca": {"filename": f"{shop.directory}/ca.pem"},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": API}}],
        }
        [identity] = tls["common_tls_context"]["tls_certificates"]
        identity["certificate_chain"] = {"filename": f"{shop.directory}/front.pem"}
        identity["private_key"] = {"filename": f"{shop.directory}/front.key"}
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = to["name"]
        with start_shop_envoy("front", yaml.safe_dump(parsed), inner.port) as outer:
            yield outer


def test_behind_a_proxy_that_is_trusted_the_client_is_whom_it_forwards_for(
    fronted: Envoy, shop: Any, seen: list[str]
) -> None:
    forged = ("x-forwarded-client-cert", "By=spiffe://shop.example/envoy;URI=spiffe://shop.example/till/9")
    bound: Any = {"cnf": {"x5t#S256": hash_of(shop, "till-7")}}
    assert Till(shop, fronted).ask(ORDER, forged, **bound).status == 200
    assert len(seen) == 1
    assert Till(shop, fronted, "till-8").ask(ORDER, forged, **bound).status == 401
    for certificate in ("cleaner", None):
        answer = Till(shop, fronted, certificate).ask(ORDER, forged)
        assert (answer.status, answer.json()["policies"]) == (403, ["guardrail/not-a-till"])
    assert len(seen) == 1


def test_the_name_of_the_tls_session_must_be_the_one_that_is_asked_for(
    shop: Any, shop_envoy: Envoy, till: Till, seen: list[str]
) -> None:
    fronted = till.ask(ORDER, host="www.shop.example")
    assert (fronted.status, fronted.json()["policies"]) == (421, ["guardrail/other-name"])
    assert seen == []
    assert Till(shop, shop_envoy, sni="www.shop.example").ask(ORDER, host="www.shop.example").status == 200


def test_headers_and_the_query_are_seen(till: Till, seen: list[str]) -> None:
    assert till.ask(ORDER, ("x-channel", "training")).json()["policies"] == ["shop/training"]
    assert till.ask("/orders?page=101").json()["policies"] == ["shop/deep-pages"]
    assert till.ask("/orders?page=1&page=2").json()["message"] == "the query parameter `page` is there more than once"
    assert till.ask("/orders?page=1", ("x-channel", "a"), ("x-channel", "training")).status == 403
    assert seen == []
    assert till.ask("/orders?page=100", ("x-channel", "floor")).status == 200


def test_a_header_that_is_no_text_is_refused(till: Till, seen: list[str]) -> None:
    answer = till.ask(ORDER, ("x-channel", "\xff"))
    assert (answer.status, answer.json()["message"]) == (403, "the header `x-channel` is not UTF-8")
    assert seen == []


@pytest.fixture(scope="module")
def joining(start_shop_envoy: StartEnvoy, shop: Any) -> Iterator[Envoy]:
    """An Envoy that joins the lines of a header before it asks."""
    text = replaced(shop.configuration, "encode_raw_headers: true", "encode_raw_headers: false")
    with start_shop_envoy("joining", text) as running:
        yield running


def test_where_envoy_joins_headers_one_that_may_be_two_is_refused(joining: Envoy, shop: Any, seen: list[str]) -> None:
    till = Till(shop, joining)
    assert till.ask(ORDER, ("x-channel", "floor")).status == 200
    seen.clear()
    for headers in ([("x-channel", "floor"), ("x-channel", "training")], [("x-channel", "floor,training")]):
        answer = till.ask(ORDER, *headers)
        assert (answer.status, answer.json()["message"]) == (
            403,
            "the header `x-channel` may have been sent more than once",
        )
    assert seen == []


SMALL: Final = {"article": "tea", "quantity": 10, "note": "é"}
LARGE: Final = {"article": "tea", "quantity": 11}


def test_a_body_is_judged_and_goes_on_as_it_was(till: Till, seen: list[str]) -> None:
    answer = till.order(SMALL)
    assert sent(answer)["x-order-checked"] == "yes"
    assert json.loads(answer.json()["body"]) == SMALL
    longest = json.dumps(SMALL).encode() + b" " * 4_000
    body = longest[:4096]
    assert till.order(body).json()["body"] == body.decode()
    assert seen == ["POST /orders"] * 2


def test_a_step_up_from_the_challenge_to_the_answer(till: Till, seen: list[str]) -> None:
    refused = till.order(LARGE, acr="pwd")
    assert (refused.status, refused.json()["policies"]) == (401, ["guardrail/large-order"])
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", '
        'error_description="More than ten of an article need a stronger sign-in", acr_values="mfa"'
    )
    assert seen == []
    # What the challenge asked for.
    assert till.order(LARGE, acr="mfa").status == 200
    assert seen == ["POST /orders"]


JSON: Final = ("content-type", "application/json")
BAD_BODIES: Final[dict[str, tuple[bytes, tuple[tuple[str, str], ...]]]] = {
    "another field": (b'{"article": "a", "quantity": 1, "price": 0}', (JSON,)),
    "a field in other letters": (b'{"article": "a", "quantity": 1, "Quantity": 99}', (JSON,)),
    "a field twice": (b'{"article": "a", "quantity": 1, "quantity": 99}', (JSON,)),
    "a fraction": (b'{"article": "a", "quantity": 1.5}', (JSON,)),
    "no JSON": (b"quantity=1", (JSON,)),
    "not said to be JSON": (b'{"article": "a", "quantity": 1}', (("content-type", "text/plain"),)),
    "said to be compressed": (b'{"article": "a", "quantity": 1}', (JSON, ("content-encoding", "gzip"))),
    "longer than what is sent along": (b'{"article": "a", "quantity": 1}' + b" " * 4_096, (JSON,)),
    "said to be whole": (
        b'{"article": "a", "quantity": 1}' + b" " * 4_096 + b"{}",
        (JSON, ("x-envoy-auth-partial-body", "false")),
    ),
    "not UTF-8": (b'{"article": "\xff", "quantity": 1}', (JSON,)),
}


@pytest.mark.parametrize(("body", "headers"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_cannot_be_judged_reaches_nobody(
    till: Till, seen: list[str], body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    answer = till.order(body, *headers, acr="mfa")
    assert (answer.status, answer.json()["reason"]) == (403, "invalid_request")
    assert seen == []


def test_no_body_is_absent(till: Till, seen: list[str]) -> None:
    answer = till.ask("/orders", method="POST", acr="mfa")
    assert (answer.status, answer.json()["reason"]) == (403, "not_permitted")
    assert seen == []


@pytest.fixture(scope="module")
def wholly(start_shop_envoy: StartEnvoy, shop: Any) -> Iterator[Envoy]:
    """An Envoy that sends bodies whole or not at all."""
    text = replaced(shop.configuration, "allow_partial_message: true", "allow_partial_message: false")
    with start_shop_envoy("wholly", text) as running:
        yield running


def test_without_partial_bodies_envoy_refuses_a_long_one_itself(wholly: Envoy, shop: Any, seen: list[str]) -> None:
    till = Till(shop, wholly)
    assert till.order(SMALL).status == 200
    assert till.order(json.dumps(SMALL).encode() + b" " * 5_000).status == 413
    assert seen == ["POST /orders"]


@pytest.fixture(scope="module")
def bodiless(start_shop_envoy: StartEnvoy, shop: Any) -> Iterator[Envoy]:
    """An Envoy whose operator forgot to have bodies sent along."""
    line = "with_request_body: {max_request_bytes: 4096, allow_partial_message: true, pack_as_bytes: true}"
    with start_shop_envoy("bodiless", replaced(shop.configuration, line, "")) as running:
        yield running


def test_a_body_that_envoy_does_not_send_along_is_not_taken_for_none(
    bodiless: Envoy, shop: Any, seen: list[str]
) -> None:
    answer = Till(shop, bodiless).order(SMALL)
    assert (answer.status, answer.json()["message"]) == (403, "the body was not sent along")
    assert seen == []
    assert Till(shop, bodiless).ask(ORDER).status == 200


@pytest.fixture(scope="module")
def suspicious(start_shop_envoy: StartEnvoy, shop: Any) -> Iterator[Envoy]:
    """An Envoy whose other filters take every client for a bot."""
    with start_shop_envoy("suspicious", replaced(shop.configuration, "bot: false", "bot: true")) as running:
        yield running


def test_what_other_filters_found_is_seen_and_a_denial_has_a_status_and_headers(
    suspicious: Envoy, shop: Any, seen: list[str]
) -> None:
    answer = Till(shop, suspicious).ask(ORDER)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert answer.json()["policies"] == ["guardrail/bot"]
    assert seen == []


def test_what_is_not_served_is_not_spoken_of(till: Till, shop_envoy: Envoy, seen: list[str]) -> None:
    answer = till.ask("/admin")
    assert answer.status == 404
    assert answer.json() == {"decision": "deny", "request_id": answer.headers["x-request-id"]}
    assert seen == []
    # Those who operate it see why.
    id = answer.headers["x-request-id"]
    eventually(lambda: any(line["request_id"] == id for line in shop_envoy.log()), "the access log")
    [line] = [line for line in shop_envoy.log() if line["request_id"] == id]
    assert (line["status"], line["reason"], line["policies"]) == (404, "forbidden", ["guardrail/unknown-route"])
    assert (line["message"], line["client"]) == ("There is no such address", "spiffe://shop.example/till/7")


def test_later_filters_see_what_was_decided(till: Till) -> None:
    decided = json.loads(sent(till.ask(ORDER, ("x-decided-by", "me")))["x-decided-by"])
    assert set(decided) == {"shop/view-orders", "shop/gold"}


def test_an_envoy_that_is_not_known_gets_no_allow(start_shop_envoy: StartEnvoy, shop: Any, seen: list[str]) -> None:
    """With a certificate of the same authority, and another name."""
    text = shop.configuration.replace("envoy.pem", "cleaner.pem").replace("envoy.key", "cleaner.key")
    with start_shop_envoy("cleaner", text) as envoy:
        answer = Till(shop, envoy).ask(ORDER)
    assert answer.status in {401, 403}
    assert answer.json()["decision"] == "deny"
    assert seen == []


def test_an_envoy_or_a_decision_point_without_its_certificate_gets_no_connection(
    start_shop_envoy: StartEnvoy, shop: Any, seen: list[str]
) -> None:
    certificates = (
        "            tls_certificates:\n"
        f"              - certificate_chain: {{filename: {shop.directory}/envoy.pem}}\n"
        f"                private_key: {{filename: {shop.directory}/envoy.key}}\n"
    )
    others = {
        "nameless": replaced(shop.configuration, certificates, ""),
        # The decision point is not whom this Envoy wants to ask.
        "misled": replaced(shop.configuration, "exact: pdp.shop.example", "exact: other.shop.example"),
    }
    for name, text in others.items():
        with start_shop_envoy(name, text) as envoy:
            answer = Till(shop, envoy).ask(ORDER)
            assert (answer.status, answer.body) == (403, b"")
            eventually(envoy.log, "the access log")
            assert envoy.log()[0]["details"] == "ext_authz_error"
    assert seen == []
