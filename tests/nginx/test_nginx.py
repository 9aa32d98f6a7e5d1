"""A real NGINX with `deploy/nginx/nginx.conf` before a real decision point: what gets through, and nothing else does.

The decision point is `pdp serve` with the sample world, the service behind NGINX is the demo's. Run with `-m nginx`.
"""

import json
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias

import pytest
from envoy_stack import Answer, Pdp, ask, replaced
from nginx_stack import Nginx

pytestmark = pytest.mark.nginx

Claims: TypeAlias = Mapping[str, Any]

ANA: Final[Claims] = {"sub": "ana", "device_id": "laptop-ana", "acr": "mfa"}
DORA: Final[Claims] = {"sub": "dora", "device_id": "laptop-dora", "acr": "phishing-resistant", "amr": ["hwk"]}
SHOP: Final[Claims] = {"sub": "arbor-shop", "principal_type": "service"}

ORDER: Final = "/orders/4711"
APPLICANT: Final = "/applicants/501"
"""Dora works on it; Ana must not see it."""


def bearer(issuer: Any, claims: Claims) -> dict[str, str]:
    """The header of a request with a token of these claims."""
    return {"authorization": f"Bearer {issuer.token(**claims)}"}


def values(answer: Answer, prefix: str) -> list[tuple[str, str]]:
    """The headers that reached the service and whose name begins so, in order."""
    pairs = (line.split(": ", 1) for line in answer.json()["headers"])
    return [(name, value) for name, value in pairs if name.startswith(prefix)]


def test_a_permitted_request_reaches_the_service(nginx: Nginx, pdp: Pdp, issuer: Any, seen: list[str]) -> None:
    answer = ask(nginx.port, f"{ORDER}?lines=all", headers=bearer(issuer, ANA))
    assert answer.status == 200
    assert seen == [f"GET {ORDER}?lines=all HTTP/1.1"]
    revision = ask(pdp.http_port, "/readyz").json()["policy_revision"]
    assert values(answer, "x-pdp-") == [("x-pdp-principal", 'User::"ana"'), ("x-pdp-policy-revision", revision)]
    assert values(answer, "x-original-") == []
    assert values(answer, "x-data-class") == []


def test_the_service_gets_the_headers_and_obligations_of_the_policies(nginx: Nginx, issuer: Any) -> None:
    answer = ask(nginx.port, APPLICANT, headers=bearer(issuer, DORA))
    assert values(answer, "x-data-class") == [("x-data-class", "regulated")]
    assert values(answer, "x-pdp-obligations") == [("x-pdp-obligations", "mask:iban;mask:tax-number")]


def test_a_body_reaches_the_service_and_not_the_decision_point(nginx: Nginx, issuer: Any, seen: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=20) as connection:
        token = issuer.token(**ANA)
        connection.sendall(
            f"GET {ORDER} HTTP/1.1\r\nhost: api.consortium.example\r\nauthorization: Bearer {token}\r\n"
            "content-length: 200000\r\nconnection: close\r\n\r\n".encode()
            + b"x" * 200_000
        )
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("claims", "path", "method", "status"),
    [
        (ANA, APPLICANT, "GET", 403),
        (ANA, "/internal/metrics", "GET", 403),
        (ANA, ORDER, "DELETE", 403),
        ({**ANA, "device_id": "tablet-ana"}, ORDER, "GET", 403),
        ({"sub": "ivan", "device_id": "laptop-ivan", "acr": "mfa"}, ORDER, "GET", 403),
        ({**ANA, "aud": "https://elsewhere.example"}, ORDER, "GET", 401),
        ({**ANA, "exp": 1}, ORDER, "GET", 401),
        # From this machine, the shop calls from outside of its network.
        (SHOP, "/partner/catalogue/garden", "GET", 403),
    ],
)
def test_what_is_denied_does_not_reach_the_service(
    nginx: Nginx, issuer: Any, seen: list[str], claims: Claims, path: str, method: str, status: int
) -> None:
    answer = ask(nginx.port, path, method=method, headers=bearer(issuer, claims))
    assert (answer.status, seen) == (status, [])


def test_a_client_is_told_why(nginx: Nginx, issuer: Any, seen: list[str]) -> None:
    answer = ask(nginx.port, "/internal/metrics", headers=bearer(issuer, ANA))
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    told = answer.json()
    assert (told["decision"], told["reason"]) == ("deny", "forbidden")
    assert told["policies"] == ["guardrail/unknown-route"]
    assert "inventory" in told["message"]
    assert not [name for name in answer.headers if name.startswith("x-pdp-")]
    assert seen == []


def test_a_wrong_method_a_deprecated_version_and_an_unknown_path_are_told_apart(
    nginx: Nginx, issuer: Any, seen: list[str]
) -> None:
    def policies(method: str, path: str, host: str = "api.consortium.example") -> list[str]:
        answer = ask(nginx.port, path, method=method, host=host, headers=bearer(issuer, ANA))
        assert answer.status == 403
        found: list[str] = answer.json()["policies"]
        return found

    assert policies("GET", "/orders/4711/secrets") == ["guardrail/unknown-route"]
    assert policies("DELETE", ORDER) == ["guardrail/wrong-method"]
    assert policies("GET", "/v1/status/x", "partners.consortium.example") == ["guardrail/deprecated-version"]
    assert seen == []


def test_without_a_token_the_client_is_asked_for_one(nginx: Nginx, seen: list[str]) -> None:
    answer = ask(nginx.port, ORDER)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="pdp"')
    assert answer.json()["reason"] == "unauthenticated"
    assert seen == []


def test_a_step_up_challenge_reaches_the_client(nginx: Nginx, issuer: Any, seen: list[str]) -> None:
    weak = {**DORA, "acr": "password", "amr": ["pwd"]}
    answer = ask(nginx.port, APPLICANT, headers=bearer(issuer, weak))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="insufficient_user_authentication"')
    assert 'acr_values="mfa phishing-resistant", max_age="1800"' in answer.headers["www-authenticate"]
    assert answer.json()["policies"] == ["guardrail/weak-sign-in"]
    assert seen == []


@pytest.mark.parametrize(
    "forged",
    [
        {"x-original-uri": ORDER, "x-original-method": "GET"},
        {"x-original-host": "api.consortium.example", "x-original-ip": "10.0.0.1"},
        {"X-Original-URI": ORDER, "x-forwarded-uri": ORDER, "x-forwarded-method": "GET"},
        {"x-original-url": ORDER, "x-rewrite-url": ORDER, "x-http-method-override": "GET"},
    ],
)
def test_a_client_cannot_write_the_request_that_is_judged(
    nginx: Nginx, issuer: Any, seen: list[str], forged: dict[str, str]
) -> None:
    assert ask(nginx.port, APPLICANT, headers={**bearer(issuer, ANA), **forged}).status == 403
    assert seen == []


@pytest.mark.parametrize("name", ["x-pdp-principal", "X-PDP-Obligations", "x-data-class", "x-scope", "x-pdp-role"])
def test_a_client_cannot_write_what_only_the_decision_point_says(
    nginx: Nginx, issuer: Any, seen: list[str], name: str
) -> None:
    assert ask(nginx.port, ORDER, headers={**bearer(issuer, ANA), name: 'User::"root"'}).status == 403
    assert seen == []


def test_a_header_with_an_underscore_does_not_reach_the_service(nginx: Nginx, issuer: Any) -> None:
    answer = ask(nginx.port, ORDER, headers={**bearer(issuer, ANA), "x_pdp_principal": "root"})
    assert answer.status == 200
    assert "root" not in json.dumps(answer.json())


def test_two_credentials_are_none(nginx: Nginx, issuer: Any, seen: list[str]) -> None:
    [token] = bearer(issuer, ANA).values()
    answer = ask(nginx.port, ORDER, headers=[("authorization", token), ("authorization", "Bearer x")])
    assert answer.status in {400, 401}
    assert seen == []


@pytest.mark.parametrize("path", ["/_pdp", "/_pdp?region=x", "/%5fpdp", "//_pdp"])
def test_clients_cannot_ask_the_decision_point_themselves(
    nginx: Nginx, issuer: Any, seen: list[str], path: str
) -> None:
    answer = ask(nginx.port, path, headers=bearer(issuer, ANA))
    assert answer.status in {403, 404}
    assert seen == []


TRICKS: Final = [
    *("/orders/../applicants/501", "/orders/%2e%2e/applicants/501", "/orders/..%2fapplicants/501", "//orders/4711"),
    *("/orders//4711", "/orders/./4711", "/orders/4711/", "/orders/4711;x=1", "/orders/4711%00", "/orders/4711%2f"),
    *("/orders/4711%2500", "/orders/4711%3b", "/orders%2f4711", "/orders%5c4711", "/orders\\4711", "/ORDERS/4711"),
    *(
        "/applicants/501%20",
        "/orders/4711%0a",
        "/orders/%ff",
        "/orders/4711%c0%af",
        "/x/../orders/4711",
        "/orders/4711/.",
    ),
    *("/orders/4711?/../../applicants/501", "/orders/4711#x", "/orders/%34711", "/%6frders/4711", "/orders/4711%"),
]


@pytest.mark.parametrize("path", TRICKS)
def test_the_service_gets_the_path_that_was_judged_or_nothing(
    nginx: Nginx, issuer: Any, seen: list[str], path: str
) -> None:
    answer = ask(nginx.port, path, headers=bearer(issuer, ANA))
    if answer.status == 200:
        # The order is the one resource here that Ana may read: decoded once, it is what the service was asked for.
        assert seen == [f"GET {path} HTTP/1.1"]
        assert path.partition("?")[0].replace("%34", "4").replace("%6f", "o") == ORDER
    else:
        assert answer.status in {400, 403, 404}
        assert seen == []


def test_an_absolute_target_is_judged_by_its_own_host(nginx: Nginx, issuer: Any, seen: list[str]) -> None:
    def send(target: str, host: str) -> bytes:
        with socket.create_connection(("127.0.0.1", nginx.port), timeout=20) as connection:
            token = issuer.token(**ANA)
            connection.sendall(
                f"GET {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
                "connection: close\r\n\r\n".encode()
            )
            return connection.recv(12)

    assert send(f"http://evil.example{ORDER}", "api.consortium.example") == b"HTTP/1.1 403"
    assert send(ORDER, "evil.example") == b"HTTP/1.1 403"
    assert seen == []
    assert send(f"http://api.consortium.example{ORDER}", "evil.example") == b"HTTP/1.1 200"
    assert seen == [f"GET {ORDER} HTTP/1.1"]


def test_the_region_is_the_configurations(
    start_nginx: Callable[[str, str], AbstractContextManager[Nginx]],
    configuration: str,
    issuer: Any,
    seen: list[str],
) -> None:
    with start_nginx("elsewhere", replaced(configuration, "region=eu-central", "region=us-east")) as elsewhere:
        assert ask(elsewhere.port, ORDER, headers=bearer(issuer, ANA)).status == 403
    assert seen == []


@pytest.mark.parametrize("line", ["Method", "Host", "URI", "IP", "Scheme", "Client"])
def test_a_line_that_is_missing_is_seen_at_once_and_not_filled_in_by_a_client(
    start_nginx: Callable[[str, str], AbstractContextManager[Nginx]],
    configuration: str,
    issuer: Any,
    seen: list[str],
    line: str,
) -> None:
    name = f"proxy_set_header X-Original-{line} "
    [missing] = [each for each in configuration.splitlines() if name in each and '""' not in each]
    with start_nginx(f"without-{line}", replaced(configuration, missing, "")) as careless:
        assert ask(careless.port, ORDER, headers=bearer(issuer, ANA)).status == 403
    assert seen == []


def test_when_the_decision_point_is_gone_nothing_gets_through(
    nginx: Nginx, pdp: Pdp, issuer: Any, seen: list[str]
) -> None:
    headers = bearer(issuer, ANA)
    pdp.send(signal.SIGKILL)
    try:
        assert ask(nginx.port, ORDER, headers=headers).status == 500
        assert seen == []
    finally:
        pdp.start()
    assert ask(nginx.port, ORDER, headers=headers).status == 200


def test_when_the_decision_point_hangs_nothing_gets_through(
    nginx: Nginx, pdp: Pdp, issuer: Any, seen: list[str]
) -> None:
    headers = bearer(issuer, ANA)
    pdp.send(signal.SIGSTOP)
    try:
        assert ask(nginx.port, ORDER, headers=headers).status == 500
        assert seen == []
    finally:
        pdp.send(signal.SIGCONT)
    assert ask(nginx.port, ORDER, headers=headers).status == 200
