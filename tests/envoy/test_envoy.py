"""A real Envoy with `deploy/envoy/envoy.yaml` before a real decision point: what gets through, and nothing else does.

The decision point is `pdp serve` with the sample world, the service behind Envoy is the demo's. Run with `-m envoy`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pytest
import yaml
from envoy_stack import Answer, Envoy, Pdp, StartEnvoy, ask, eventually, replaced

pytestmark = pytest.mark.envoy

Claims: TypeAlias = Mapping[str, Any]

ANA: Final[Claims] = {"sub": "ana", "device_id": "laptop-ana", "acr": "mfa"}
DORA: Final[Claims] = {"sub": "dora", "device_id": "laptop-dora", "acr": "phishing-resistant", "amr": ["hwk"]}
SHOP: Final[Claims] = {"sub": "arbor-shop", "principal_type": "service"}

ORDER: Final = "/orders/4711"
APPLICANT: Final = "/applicants/501"
"""Dora works on it; Ana must not see it."""


@pytest.fixture(scope="session")
def careless(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """An Envoy that neither removes headers nor tidies up paths: the decision point alone must do."""
    parsed = yaml.safe_load(configuration)
    [listener] = parsed["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for care in ("early_header_mutation_extensions", "normalize_path", "merge_slashes"):
        del manager[care]
    del manager["path_with_escaped_slashes_action"]
    del manager["common_http_protocol_options"]["headers_with_underscores_action"]
    with start_envoy("careless", yaml.safe_dump(parsed)) as running:
        yield running


@pytest.fixture(scope="session")
def elsewhere(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """An Envoy in another region, behind a proxy of its operator's that speaks the PROXY protocol."""
    parsed = yaml.safe_load(replaced(configuration, "region: eu-central", "region: us-east"))
    [listener] = parsed["static_resources"]["listeners"]
    proxied = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    listener["listener_filters"] = [
        {
            "name": "envoy.filters.listener.proxy_protocol",
            "typed_config": {"@type": proxied, "allow_requests_without_proxy_protocol": True},
        }
    ]
    listener["filter_chains"][0]["filters"][0]["typed_config"]["xff_num_trusted_hops"] = 1
    with start_envoy("elsewhere", yaml.safe_dump(parsed)) as running:
        yield running


def bearer(issuer: Any, claims: Claims) -> dict[str, str]:
    """The header of a request with a token of these claims."""
    return {"authorization": f"Bearer {issuer.token(**claims)}"}


def values(answer: Answer, prefix: str = "") -> list[tuple[str, str]]:
    """The headers that reached the service and whose name begins so, in order."""
    pairs = (line.split(": ", 1) for line in answer.json()["headers"])
    return [(name, value) for name, value in pairs if name.startswith(prefix)]


def test_a_permitted_request_reaches_the_service(envoy: Envoy, pdp: Pdp, issuer: Any, seen: list[str]) -> None:
    answer = ask(envoy.port, f"{ORDER}?lines=all", headers=bearer(issuer, ANA))
    assert answer.status == 200
    assert seen == [f"GET {ORDER}?lines=all"]
    revision = ask(pdp.http_port, "/readyz").json()["policy_revision"]
    assert values(answer, "x-pdp-") == [("x-pdp-principal", 'User::"ana"'), ("x-pdp-policy-revision", revision)]
    assert values(answer, "x-request-id") == [("x-request-id", answer.headers["x-request-id"])]


def test_the_service_gets_the_headers_that_the_policy_asks_for(envoy: Envoy, issuer: Any) -> None:
    answer = ask(envoy.port, APPLICANT, headers=bearer(issuer, DORA))
    assert answer.status == 200
    assert values(answer, "x-data-class") == [("x-data-class", "regulated")]
    assert values(answer, "x-pdp-obligations") == [("x-pdp-obligations", "mask:iban;mask:tax-number")]


FORGED: Final = [
    ("x-pdp-principal", 'User::"root"'),
    ("X-PDP-Principal", 'User::"root"'),
    ("x-pdp-obligations", "none"),
    ("x-pdp-role", "admin"),
    ("x-data-class", "public"),
    ("X-Data-Class", "public"),
    ("x-scope", "everything"),
]


@pytest.mark.parametrize("careful", [True, False], ids=["careful", "careless"])
def test_no_copy_that_a_client_forged_reaches_the_service(
    envoy: Envoy, careless: Envoy, issuer: Any, *, careful: bool
) -> None:
    port = (envoy if careful else careless).port
    asked = ask(port, APPLICANT, headers=[*bearer(issuer, DORA).items(), *FORGED])
    assert asked.status == 200
    assert values(asked, "x-data-class") == [("x-data-class", "regulated")]
    assert values(asked, "x-scope") == []
    assert [name for name, _ in values(asked, "x-pdp-")] == [
        *("x-pdp-principal", "x-pdp-policy-revision", "x-pdp-obligations"),
    ]
    assert ("x-pdp-principal", 'User::"dora"') in values(asked, "x-pdp-")
    unasked = ask(port, ORDER, headers=[*bearer(issuer, ANA).items(), *FORGED])
    assert unasked.status == 200
    assert values(unasked, "x-data-class") == []
    assert [name for name, _ in values(unasked, "x-pdp-")] == ["x-pdp-principal", "x-pdp-policy-revision"]


def test_a_careless_envoy_passes_no_forged_header_with_underscores(careless: Envoy, issuer: Any) -> None:
    forged = {"x_pdp_principal": "root", "x-pdp_role": "admin", "x_data_class": "public"}
    answer = ask(careless.port, APPLICANT, headers={**bearer(issuer, DORA), **forged})
    assert answer.status == 200
    assert not forged.keys() & dict(values(answer)).keys()


def test_a_client_cannot_have_a_header_dropped_on_the_way(envoy: Envoy, issuer: Any) -> None:
    hop = {"connection": "close, x-data-class, x-pdp-principal", "te": "trailers"}
    answer = ask(envoy.port, APPLICANT, headers={**bearer(issuer, DORA), **hop})
    assert answer.status == 200
    assert values(answer, "x-data-class") == [("x-data-class", "regulated")]
    assert ("x-pdp-principal", 'User::"dora"') in values(answer)


def test_headers_that_name_another_request_do_not_reach_the_service(envoy: Envoy, issuer: Any) -> None:
    other = {
        "x-http-method-override": "DELETE",
        "x-original-url": APPLICANT,
        "x-rewrite-url": APPLICANT,
        "x-forwarded-host": "partners.consortium.example",
        "forwarded": "host=partners.consortium.example",
    }
    answer = ask(envoy.port, ORDER, headers={**bearer(issuer, ANA), **other})
    assert answer.status == 200
    assert not other.keys() & dict(values(answer)).keys()


def test_headers_with_underscores_are_refused(envoy: Envoy, issuer: Any, seen: list[str]) -> None:
    assert ask(envoy.port, ORDER, headers={**bearer(issuer, ANA), "x_pdp_principal": "root"}).status == 400
    assert seen == []


@dataclass(frozen=True)
class Refusal:
    """A request that is refused, and what the client is told; `policies` are some of those that forbid it."""

    claims: Claims | None
    path: str
    status: int
    reason: str
    policies: tuple[str, ...] = ()
    challenge: str | None = None
    method: str = "GET"
    host: str = "api.consortium.example"


STEP_UP: Final = (
    'Bearer error="insufficient_user_authentication", error_description="[^"]*second factor[^"]*", '
    'acr_values="mfa phishing-resistant", max_age="1800"'
)
UNKNOWN: Final = ("guardrail/unknown-route",)

REFUSALS: Final = {
    "no token": Refusal(None, ORDER, 401, "unauthenticated", challenge='Bearer realm="pdp"'),
    "an expired token": Refusal(
        {**ANA, "exp": 1_700_000_000},
        *(ORDER, 401, "unauthenticated"),
        challenge='Bearer error="invalid_token", error_description="the token has expired"',
    ),
    "a token of another audience": Refusal(
        {**ANA, "aud": "https://elsewhere.example"},
        *(ORDER, 401, "unauthenticated"),
        challenge='Bearer error="invalid_token", error_description="the token is for another audience"',
    ),
    "a stale device": Refusal(
        {**ANA, "device_id": "tablet-ana"}, ORDER, 403, "forbidden", ("guardrail/device-not-reporting",)
    ),
    "no device": Refusal(
        {"sub": "ana", "acr": "mfa"}, ORDER, 403, "forbidden", ("guardrail/device-not-reporting",)
    ),
    "a suspended account": Refusal(
        {"sub": "ivan", "device_id": "laptop-ivan"}, ORDER, 403, "forbidden", ("guardrail/inactive-principal",)
    ),
    "another organisation's order": Refusal(
        ANA, "/orders/5100", 403, "forbidden", ("guardrail/cross-organisation",)
    ),
    "another role's work": Refusal({**ANA, "sub": "boris", "device_id": "laptop-boris"}, ORDER, 403, "not_permitted"),
    "a weak sign-in": Refusal(
        {**DORA, "acr": "password"}, APPLICANT, 401, "forbidden", ("guardrail/weak-sign-in",), STEP_UP
    ),
    "an old sign-in": Refusal(
        {**DORA, "auth_time": 1_700_000_000}, APPLICANT, 401, "forbidden", ("guardrail/weak-sign-in",), STEP_UP
    ),
    "an unknown path": Refusal(ANA, "/internal/metrics", 403, "forbidden", UNKNOWN),
    "another method": Refusal(ANA, ORDER, 403, "forbidden", ("guardrail/wrong-method",), method="DELETE"),
    "an unknown host": Refusal(ANA, ORDER, 403, "forbidden", UNKNOWN, host="admin.consortium.example"),
    "two hosts": Refusal(ANA, ORDER, 403, "forbidden", UNKNOWN, host="api.consortium.example,admin.example"),
    "a service account off its network": Refusal(
        SHOP, "/v2/catalogues/kestrel", 403, "forbidden", ("guardrail/service-account-off-network",),
        host="partners.consortium.example",
    ),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_says_why(envoy: Envoy, issuer: Any, seen: list[str], refusal: Refusal) -> None:
    headers = {} if refusal.claims is None else bearer(issuer, refusal.claims)
    answer = ask(envoy.port, refusal.path, method=refusal.method, host=refusal.host, headers=headers)
    assert answer.status == refusal.status
    body = answer.json()
    assert (body["decision"], body["reason"]) == ("deny", refusal.reason)
    assert set(refusal.policies) <= set(body["policies"])
    assert body["message"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    challenge = answer.headers.get("www-authenticate")
    assert challenge == refusal.challenge or re.fullmatch(refusal.challenge or "", challenge or "-")
    assert seen == []


def test_a_token_that_somebody_else_signed_is_refused(envoy: Envoy, issuer: Any, demo: Any, seen: list[str]) -> None:
    other = demo.Issuer(issuer.name, issuer.audience, kid=issuer.kid)
    answer = ask(envoy.port, ORDER, headers=bearer(other, ANA))
    assert (answer.status, answer.json()["reason"]) == (401, "unauthenticated")
    twice = [*bearer(issuer, ANA).items(), *bearer(other, ANA).items()]
    assert ask(envoy.port, ORDER, headers=twice).status == 401
    assert seen == []


def test_the_region_is_envoys_and_not_the_clients(elsewhere: Envoy, issuer: Any, seen: list[str]) -> None:
    headers = {**bearer(issuer, ANA), "region": "eu-central", "x-region": "eu-central"}
    answer = ask(elsewhere.port, f"{ORDER}?region=eu-central", headers=headers)
    assert answer.status == 403
    assert answer.json()["policies"] == ["guardrail/data-leaves-its-region"]
    assert seen == []


def test_the_address_is_the_connections_and_no_header_changes_it(
    envoy: Envoy, elsewhere: Envoy, issuer: Any, seen: list[str]
) -> None:
    def ask_from(port: int, preface: bytes = b"") -> Answer:
        # Of the shop's own network, which it may call from.
        headers = {**bearer(issuer, SHOP), "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9"}
        return ask(port, "/v2/catalogues/kestrel", host="partners.consortium.example", headers=headers, preface=preface)

    assert ask_from(envoy.port).status == 403
    # Also where Envoy trusts a hop of `x-forwarded-for`: that is for its own headers and logs.
    assert ask_from(elsewhere.port).status == 403
    assert ask_from(elsewhere.port, b"PROXY TCP4 198.51.100.9 127.0.0.1 5555 443\r\n").status == 403
    assert seen == []
    answer = ask_from(elsewhere.port, b"PROXY TCP4 203.0.113.9 127.0.0.1 5555 443\r\n")
    assert answer.status == 200
    assert values(answer, "x-scope") == [("x-scope", "catalogue.read")]


HIDDEN: Final = [
    *("//applicants/501", "/applicants//501", "///applicants/501", "/applicants/501/", "/applicants/501//"),
    *("/orders/../applicants/501", "/orders/4711/../../applicants/501", "/./applicants/501", "/applicants/./501"),
    *("/orders/%2e%2e/applicants/501", "/orders/%2E%2E/applicants/501", "/orders/.%2e/applicants/501"),
    *("/orders/..%2fapplicants/501", "/orders%2f..%2fapplicants%2f501", "/applicants%2F501", "/%2Fapplicants/501"),
    *("/orders/..\\applicants/501", "/orders\\..\\applicants\\501", "/applicants\\501", "/orders/..%5Capplicants/501"),
    *(
        "/orders/%252e%252e/applicants/501",
        "/orders/..%252fapplicants/501",
        "/applicants%252F501",
        "/%2561pplicants/501",
    ),
    *("/%61pplicants/501", "/applicants/%35%30%31", "/applicants/501%20", "/applicants/501%00", "/applicants/501%0a"),
    *("/applicants/501;x=1", "/applicants;x=1/501", "/orders/..;/applicants/501", "/applicants/501?x=/orders/4711"),
    *(
        "/applicants/501#/orders/4711",
        "/applicants/501%23",
        "/applicants/501%3f",
        "/APPLICANTS/501",
        "/applicants/%zz501",
    ),
    *("http://api.consortium.example/applicants/501", "http://other.example/applicants/501", "/orders/%c0%ae%c0%ae/"),
    *(
        "/orders/%uff0e%uff0e/applicants/501",
        "/applicants/501%ef%bc%8f",
        "applicants/501",
        "*",
        "/..",
        "/",
        "%2fapplicants",
    ),
]
"""Spellings of a path that Ana must not reach, or that some servers take for it."""


@pytest.mark.parametrize("path", HIDDEN)
def test_no_spelling_opens_a_path_that_is_closed(
    envoy: Envoy, careless: Envoy, issuer: Any, seen: list[str], path: str
) -> None:
    for port in (envoy.port, careless.port):
        answer = ask(port, path, headers=bearer(issuer, ANA))
        assert answer.status in {400, 403}
    assert seen == []


@pytest.mark.parametrize(
    "path",
    [
        *("//orders/4711", "/orders//4711", "/applicants/../orders/4711", "/orders/./4711", "/%6frders/4711"),
        *("/orders/%34711", "/applicants/%2e%2e/orders/4711", "/orders\\4711"),
    ],
)
def test_what_is_judged_is_what_the_service_gets(envoy: Envoy, issuer: Any, seen: list[str], path: str) -> None:
    assert ask(envoy.port, path, headers=bearer(issuer, ANA)).status == 200
    assert seen == [f"GET {ORDER}"]


def test_the_access_log_says_what_was_decided(envoy: Envoy, pdp: Pdp, issuer: Any) -> None:
    allowed = ask(envoy.port, f"{APPLICANT}?token=secret", headers=bearer(issuer, DORA)).headers["x-request-id"]
    denied = ask(envoy.port, APPLICANT, headers=bearer(issuer, ANA)).headers["x-request-id"]

    def lines() -> dict[str, dict[str, Any]]:
        return {line["request_id"]: line for line in envoy.log()}

    eventually(lambda: {allowed, denied} <= lines().keys(), "the access log")
    revisions = ask(pdp.http_port, "/readyz").json()
    for id, status, decision, reason, details in (
        (allowed, 200, "allow", "allowed", "via_upstream"),
        (denied, 403, "deny", "forbidden", "ext_authz_denied"),
    ):
        line = lines()[id]
        assert (line["status"], line["details"]) == (status, details)
        assert (line["decision"], line["reason"]) == (decision, reason)
        assert (line["method"], line["path"], line["host"]) == ("GET", APPLICANT, "api.consortium.example")
        assert (line["policy_revision"], line["context_revision"]) == (
            revisions["policy_revision"],
            revisions["context_revision"],
        )
    assert lines()[allowed]["policies"] == ["onboarding/work-on-assigned-applicants"]
    assert "secret" not in envoy.output.read_text()
