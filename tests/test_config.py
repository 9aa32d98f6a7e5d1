"""The configuration: its defaults, every key with what it takes and what it refuses, and where the refusal points."""

import dataclasses
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.cedar.source import Position, Source
from pdp.config import (
    ALGORITHMS,
    CacheConfig,
    CallersConfig,
    Config,
    ConfigError,
    ContextConfig,
    FreshnessConfig,
    GrpcConfig,
    HttpConfig,
    IdentityConfig,
    InventoryConfig,
    IssuerConfig,
    LogConfig,
    PolicyConfig,
    PrincipalConfig,
    ReloadIn,
    TlsConfig,
    load_config,
    read_config,
)
from pdp.config.credentials import DpopConfig, NonceConfig
from pdp.config.doors import AuthzenConfig, ForwardAuthConfig, KubernetesConfig
from pdp.config.ext_authz import BodyConfig, ContextSource, ExtAuthzConfig, Kind
from pdp.config.identity import TokenCacheConfig
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig
from pdp.config.telemetry import SlowDecisionsConfig, TracingConfig
from pdp.config.urls import HttpUrl
from pdp.documents import DocumentError

BASE = Path("/etc/pdp")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

LEAST = """\
identity:
  issuer: https://idp.example/
  audience: pdp
  algorithms: [ES256]
  jwks: keys.json
policies: {directory: bundle}
context: {directory: context}
inventory: {routes: routes.yaml}
"""

MOST = """\
identity:
  issuer: https://idp.example/
  audience: pdp
  algorithms: [ES256, EdDSA]
  jwks: /run/keys.json
  leeway: 1m
  accept_asserted: true
  shared_principals: true
  revocations: revoked.json
  profile: rfc9068
  token_cache:
    entries: 5
    characters: 20000
  dpop: {algorithms: [EdDSA], window: 30s, places: 1000, nonce: {period: 1m, secret: nonce.txt}}
  spiffe: {trust_domain: a, bundle: a.json, type: Robot, id: path, audience: mesh, attributes: {realm: trust_domain}}
  principal:
    id_claim: user
    id_prefix: acme/
    type: Staff::User
    type_claim: kind
    types: {human: User, "service account": Service}
    attributes: {level: clearance}
    groups_claim: groups
    groups_type: Team
    device_claim: dev
    device_type: Laptop
policies:
  directory: .
  built: built.pdpb
  built_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  rebuild: false
  reload: thread
  build_timeout: 1m
context:
  directory: facts
  relative_times: true
  data: kept
  history: 90d
inventory:
  routes: ../routes.yaml
  documents: apis
grpc:
  listen: "[::1]:50052"
  workers: 64
  streams: 1024
  watchers: 1
  explain: true
  tls: {certificate: tls/grpc.pem, key: tls/grpc.key, client_ca: /etc/ca.pem}
http:
  listen: localhost:0
  tls: {certificate: tls/http.pem, key: tls/http.key, client_ca: ca.pem, require_client_certificate: false}
callers:
  policies: callers
log:
  format: json
tracing: {endpoint: "https://a.example/v1/traces", one_in: 5, parents: false, per_second: 7, principal: true}
slow_decisions: {threshold: 5ms, per_second: 2}
freshness:
  authentication: 1ms
  device: 366d
  workload: 1h30m
cache:
  enabled: false
  bytes: 1048576
ext_authz:
  context: {order: "body:json", cut: "body:partial"}
  body: {max_bytes: 1000, partial: absent, unknown_fields: ignore}
  forwarders: ["spiffe://a/proxy"]
  certificate_subjects: true
  denial_body: brief
authzen:
  url: https://pdp.example:8443/tenant-1/a
  types: {user: User, "doc ument": Files::Document}
  actions: {user: Staff::Action}
  device_property: device_id
  device_type: Phone
forward_auth:
  headers: [x-data-class, x-b]
kubernetes:
  namespace: Cluster::One
  not_permitted: no_opinion
"""


def read(text: str) -> Config:
    return read_config(Source("pdp.yaml", text), BASE)


def refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.source is not None
    assert caught.value.position is not None
    return caught.value


def test_the_least_configuration_has_the_documented_defaults() -> None:
    config = read(LEAST)
    assert config == Config(
        identity=IdentityConfig((IssuerConfig("https://idp.example/", "pdp", ("ES256",), BASE / "keys.json"),)),
        policies=PolicyConfig(BASE / "bundle"),
        context=ContextConfig(BASE / "context"),
        inventory=InventoryConfig(BASE / "routes.yaml"),
    )
    assert config.grpc == GrpcConfig("127.0.0.1:50051", workers=8, streams=32, watchers=32, explain=False)
    assert config.http == HttpConfig("127.0.0.1:8080")
    assert config.log == LogConfig("text")
    assert config.freshness == FreshnessConfig(12 * HOUR, HOUR, HOUR)
    assert config.cache == CacheConfig(True, 64 * 2**20)
    assert (config.identity.leeway, config.identity.accept_asserted, config.context.relative_times) == (
        5_000,
        False,
        False,
    )
    (issuer,) = config.identity.issuers
    assert issuer.principal == PrincipalConfig("sub", "User", None, {}, {}, None, "Group", None, "Device", "")


def test_every_key_is_read() -> None:
    config = read(MOST)
    principal = PrincipalConfig(
        id_claim="user",
        type="Staff::User",
        type_claim="kind",
        types={"human": "User", "service account": "Service"},
        attributes={"level": "clearance"},
        groups_claim="groups",
        groups_type="Team",
        device_claim="dev",
        device_type="Laptop",
        id_prefix="acme/",
    )
    algorithms, keys = ("ES256", "EdDSA"), Path("/run/keys.json")
    assert config == Config(
        IdentityConfig(
            (IssuerConfig("https://idp.example/", "pdp", algorithms, keys, "rfc9068", None, principal),),
            MINUTE,
            accept_asserted=True,
            shared_principals=True,
            revocations=BASE / "revoked.json",
            token_cache=TokenCacheConfig(5, 20_000),
            dpop=DpopConfig(("EdDSA",), 30_000, 1_000, NonceConfig(MINUTE, BASE / "nonce.txt")),
            spiffe=SpiffeConfig(
                "a", {"a": TrustDomainConfig(BASE / "a.json", "Robot", "path")}, "mesh", {"realm": "trust_domain"}
            ),
        ),
        PolicyConfig(BASE, BASE / "built.pdpb", "0123456789abcdef" * 4, False, ReloadIn.THREAD, MINUTE),
        ContextConfig(BASE / "facts", relative_times=True, data=BASE / "kept", history=90 * DAY),
        InventoryConfig(BASE / "../routes.yaml", BASE / "apis"),
        GrpcConfig(
            "[::1]:50052",
            workers=64,
            streams=1024,
            watchers=1,
            explain=True,
            tls=TlsConfig(
                BASE / "tls/grpc.pem", BASE / "tls/grpc.key", Path("/etc/ca.pem"), require_client_certificate=True
            ),
        ),
        HttpConfig(
            "localhost:0",
            TlsConfig(BASE / "tls/http.pem", BASE / "tls/http.key", BASE / "ca.pem", require_client_certificate=False),
        ),
        callers=CallersConfig(BASE / "callers"),
        log=LogConfig("json"),
        tracing=TracingConfig(HttpUrl("https://a.example/v1/traces"), 5, False, 7, True),
        slow_decisions=SlowDecisionsConfig(5, 2),
        freshness=FreshnessConfig(1, 366 * DAY, 90 * MINUTE),
        cache=CacheConfig(enabled=False, bytes=2**20),
        ext_authz=ExtAuthzConfig(
            {"order": ContextSource(Kind.BODY, "json"), "cut": ContextSource(Kind.BODY, "partial")},
            BodyConfig(1000, "absent", "ignore"),
            ("spiffe://a/proxy",),
            certificate_subjects=True,
            denial_body="brief",
        ),
        authzen=AuthzenConfig(
            "https://pdp.example:8443/tenant-1/a",
            {"user": "User", "doc ument": "Files::Document"},
            {"user": "Staff::Action"},
            "device_id",
            "Phone",
        ),
        forward_auth=ForwardAuthConfig(("x-data-class", "x-b")),
        kubernetes=KubernetesConfig("Cluster::One", "no_opinion"),
    )


def test_every_field_of_the_configuration_differs_from_its_default_in_that_test() -> None:
    def leaves(value: Any) -> list[Any]:
        if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            return [leaf for element in value for leaf in leaves(element)]
        if dataclasses.is_dataclass(value):
            return [leaf for field in dataclasses.fields(value) for leaf in leaves(getattr(value, field.name))]
        return [value]

    proofs = "  dpop: {nonce: {}}\n  spiffe: {trust_domain: b, bundle: b.json}\n"
    least = LEAST.replace("policies:", f"{proofs}policies:", 1)
    least += "authzen: {url: https://other.example}\nforward_auth: {}\nkubernetes: {}\n"
    least += "tracing: {}\nslow_decisions: {threshold: 1m}\n"
    least += "".join(f"{name}: {{tls: {{certificate: c, key: k, client_ca: a}}}}\n" for name in ("grpc", "http"))
    assert [same for same, other in zip(leaves(read(least)), leaves(read(MOST)), strict=True) if same == other] == [
        "https://idp.example/",
        "pdp",
        None,  # `introspection`, which these have not
        True,  # of gRPC, a caller's certificate is required always
        *(False, False),  # no `insecure` beside `tls`: see below
    ]


@pytest.mark.parametrize("section", ["grpc", "http"])
def test_plain_text_for_others_is_asked_for_by_name_and_not_beside_tls(section: str) -> None:
    def insecure(text: str) -> bool:
        config = read(_with(section, text)[0])
        return config.grpc.insecure if section == "grpc" else config.http.insecure

    assert insecure("{insecure: true}")
    assert not insecure("{insecure: false}")
    both = _with(section, "{tls: {certificate: c, key: k}, insecure: true}")[0]
    assert refused(both).message == "`insecure` is given with `tls`"
    socket = _with(section, "{listen: unix:s, tls: {certificate: c, key: k}}")[0]
    assert refused(socket).message == "`tls` is given for a unix socket"


def test_clients_without_certificates_are_for_http_alone_and_said_only_where_others_have_some() -> None:
    tls = "{tls: {certificate: c, key: k, client_ca: a, require_client_certificate: false}}"
    assert refused(_with("grpc", tls)[0]).message == 'unknown key "require_client_certificate"'
    http = read(_with("http", "{tls: {certificate: c, key: k, client_ca: a}}")[0]).http
    assert http.tls == TlsConfig(BASE / "c", BASE / "k", BASE / "a", require_client_certificate=True)
    without = _with("http", "{tls: {certificate: c, key: k, require_client_certificate: true}}")[0]
    assert refused(without).message == "`require_client_certificate` is given without `client_ca`"


SECTIONS = (
    *("identity", "principal", "policies", "context", "inventory", "grpc", "http", "log", "freshness"),
    *("token_cache", "cache", "callers", "authzen", "forward_auth", "kubernetes"),
)


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_is_refused_at_every_level(section: str) -> None:
    lines = MOST.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == f"{section}:")
    indent = lines[at + 1][: len(lines[at + 1]) - len(lines[at + 1].lstrip())]
    lines.insert(at + 1, f"{indent}wrokers: 1")
    error = refused("\n".join(lines))
    assert error.message == 'unknown key "wrokers"'
    assert error.position == Position(at + 2, len(indent) + 1)
    assert error.help == ("did you mean `workers`?" if section == "grpc" else error.help)
    assert error.help


def test_an_unknown_key_of_the_file_itself() -> None:
    error = refused(LEAST + "identitty: {}\n")
    assert (error.message, error.position) == ('unknown key "identitty"', Position(9, 1))
    assert error.help == "did you mean `identity`?"


@pytest.mark.parametrize(
    ("line", "key", "at"),
    [
        ("  issuer: https://idp.example/\n", "issuer", (2, 3)),
        ("  audience: pdp\n", "audience", (2, 3)),
        ("  algorithms: [ES256]\n", "algorithms", (2, 3)),
        ("  jwks: keys.json\n", "jwks", (2, 3)),
        ("policies: {directory: bundle}\n", "policies", (1, 1)),
        ("context: {directory: context}\n", "context", (1, 1)),
        ("inventory: {routes: routes.yaml}\n", "inventory", (1, 1)),
        ("directory: bundle", "directory", (6, 11)),
        ("directory: context", "directory", (7, 10)),
        ("routes: routes.yaml", "routes", (8, 12)),
    ],
)
def test_what_has_no_default_is_required(line: str, key: str, at: tuple[int, int]) -> None:
    assert line in LEAST
    error = refused(LEAST.replace(line, ""))
    assert (error.message, error.position) == (f"`{key}` is missing", Position(*at))


WORDS = ("5", "true", "null", "''", "[x]", "{x: y}")
WRONG = {
    "identity": ("5", "text", "null", "[]"),
    "issuer": WORDS,
    "audience": WORDS,
    "algorithms": ("5", "ES256", "null", "{}", "[]", "[5]", "[none]", "[HS256]", "[es256]", "[ES256, RS1]"),
    "jwks": (*WORDS, '"a\\0b"'),
    "leeway": ("5", "soon", "61s", "-1s", "1m1ms", "null", "[1s]"),
    "accept_asserted": ("yes", "1", "'true'", "null"),
    "shared_principals": ("yes", "1", "'true'", "null"),
    "revocations": (*WORDS, '"a\\0b"'),
    "profile": ("5", "null", "JWT", "at+jwt", "[jwt]"),
    "token_cache": ("5", "null", "[]"),
    "entries": ("-1", "1000001", "true", "null", "'5'"),
    "characters": ("0", "16383", "4294967297", "true", "null", "1e6"),
    "dpop": ("5", "null", "[]", "{window: 1ms}", "{places: 1}", "{algorithms: [HS256]}", "{nonce: {secret: ''}}"),
    "spiffe": ("5", "null", "[]", "{}", "{trust_domain: A, bundle: b}", "{trust_domain: a, bundle: b, id: sub}"),
    "principal": ("5", "null", "[]"),
    "id_claim": WORDS,
    "id_prefix": WORDS,
    "type": (*WORDS, "User Name", "'User::'", "in", "a-b", "__cedar::X"),
    "type_claim": WORDS,
    "types": ("5", "null", "[]", "{a: 5}", "{a: ''}", "{a: 'a b'}"),
    "attributes": ("5", "null", "[]", "{a: 5}", "{a: ''}", "{a: null}"),
    "groups_claim": WORDS,
    "groups_type": (*WORDS, "if"),
    "device_claim": WORDS,
    "device_type": (*WORDS, "9"),
    "built": (*WORDS, '"a\\0b"'),
    "built_sha256": ("5", "null", "abc", "''", f"'{'A' * 64}'"),
    "rebuild": ("yes", "1", "'true'", "null"),
    "reload": ("fork", "5", "null", "''"),
    "build_timeout": ("5", "999ms", "61m", "null", "[1m]"),
    "relative_times": ("no", "0", "null"),
    "data": (*WORDS, '"a\\0b"'),
    "history": ("5", "soon", "59m59s", "3654d", "-1h", "null", "[1d]"),
    "routes": WORDS,
    "documents": (*WORDS, '"a\\0b"'),
    "workers": ("0", "65", "-1", "8.5", "'8'", "true", "null"),
    "streams": ("0", "1025", "-1", "8.5", "'8'", "true", "null"),
    "watchers": ("0", "1025", "-1", "8.5", "'8'", "true", "null"),
    "explain": ("yes", "1", "'true'", "null"),
    "format": ("xml", "5", "null", "[text]", "''"),
    "authentication": ("0ms", "-1h", "367d", "12", "1.5h", "null"),
    "device": ("0ms", "366d1ms", "h"),
    "workload": ("0ms", "8785h", "[1h]"),
    "policies": ("5", "null", "."),
    "context": ("5", "null", "."),
    "inventory": ("5", "null", "x.yaml"),
    "grpc": ("5", "null", "[]"),
    "http": ("5", "null", "[]"),
    "tls": ("true", "null", "{}", "{certificate: a}", "{certificate: a, key: ''}", "{certificate: a, key: b, ca: c}"),
    "callers": ("5", "null", "[]", "{policies: 5}", "{policies: ''}", "{policies: null}", "{allow: all}"),
    "log": ("5", "null", "json"),
    "tracing": ("5", "null", "[]", "on"),
    "slow_decisions": ("5", "null", "[]", "5ms", "{}"),
    "freshness": ("5", "null", "1h"),
    "cache": ("5", "null", "[]", "on"),
    "enabled": ("yes", "1", "'true'", "null"),
    "bytes": ("1048575", "68719476737", "64MiB", "1e9", "true", "null"),
    "ext_authz": ("5", "null", "[]"),
    "body": ("5", "null", "[]", "{max_bytes: 0}", "{max_bytes: 1048577}", "{partial: keep}", "{unknown_fields: keep}"),
    "forwarders": ("5", "null", "{}", "[5]", "['']", "spiffe://a"),
    "certificate_subjects": ("yes", "1", "'true'", "null"),
    "denial_body": ("none", "5", "null", "[full]", "''"),
    "authzen": ("5", "null", "{}", "[]"),
    "url": (
        *WORDS,
        *("http://pdp.example", "HTTPS://pdp.example", "https://", "https:///x", "https://pdp.example/"),
        *("https://pdp.example/a/", "https://pdp.example//a", "https://pdp.example?q=1", "'https://pdp.example#x'"),
        *("https://user@pdp.example", "https://pdp.example/%2e", "https://pdp.example/{id}", "pdp.example"),
        *('"https://pdp.example\\n"', "https://pdp.exämple"),
    ),
    "actions": ("5", "null", "[]", "{a: 5}", "{a: ''}", "{a: User}", "{a: 'Files::Actions'}", "{a: 'a b::Action'}"),
    "device_property": WORDS,
    "forward_auth": ("5", "null", "[]"),
    "headers": ("5", "null", "{}", "[5]", "[X-Data]", "['x data']", "['x:']", "['']", "['1']"),
    "kubernetes": ("5", "null", "[]"),
    "namespace": (*WORDS, "a b", "'k8s::'", "in"),
    "not_permitted": ("allow", "5", "null", "[deny]", "''"),
}


def _with(key: str, value: str) -> tuple[str, int, int]:
    """The full configuration with another value under a key, and the line and column of that value."""
    lines = MOST.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
    indent = len(lines[at]) - len(lines[at].lstrip())
    below = next((n for n in range(at + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) <= indent), len(lines))
    lines[at:below] = [f"{' ' * indent}{key}: {value}"]
    return "\n".join(lines), at + 1, indent + len(key) + 3


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_what_does_not_fit_is_refused_where_it_stands(key: str, value: str) -> None:
    text, line, column = _with(key, value)
    error = refused(text)
    assert error.position is not None
    assert error.position.line == line
    # Of a list or a mapping, the element that does not fit may be meant.
    assert column <= error.position.column <= column + len(value)


def test_every_key_with_a_value_of_its_own_is_in_that_table() -> None:
    keys = {line.strip().partition(":")[0] for line in MOST.splitlines()}
    assert keys - WRONG.keys() == {"directory", "listen"}  # these stand at two places


@pytest.mark.parametrize("section", ["policies", "context"])
@pytest.mark.parametrize("value", WORDS)
def test_directories(section: str, value: str) -> None:
    text, line, column = _with(section, f"{{directory: {value}}}")
    assert refused(text).position == Position(line, column + 12)


@pytest.mark.parametrize(
    ("key", "help"),
    [
        ("algorithms: []", f"list some of {', '.join(ALGORITHMS)}"),
        ("algorithms: [ES265]", "did you mean `ES256`?"),
        ("algorithms: [none]", "one of " + ", ".join(f"`{name}`" for name in ALGORITHMS)),
        ("leeway: 5", "write it as in `1h30m`, with the units d, h, m, s, ms in this order"),
        ("type: a b", "write it as in `Files::User`"),
        ("format: jsn", "did you mean `json`?"),
    ],
)
def test_help(key: str, help: str) -> None:
    assert refused(_with(*key.split(": ", 1))[0]).help == help


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ("type_claim", "types"),
        ("types", "type_claim"),
        ("groups_type", "groups_claim"),
        ("device_type", "device_claim"),
    ],
)
def test_a_key_that_means_nothing_without_another(given: str, other: str) -> None:
    lines = [line for line in MOST.splitlines() if not line.strip().startswith(f"{other}:")]
    error = refused("\n".join(lines))
    assert error.message == f"`{given}` is given without `{other}`"
    assert error.position == Position(1 + next(n for n, line in enumerate(lines) if line.strip().startswith(given)), 5)


def test_doors_that_are_not_configured_are_none_and_empty_sections_are_their_defaults() -> None:
    config = read(LEAST)
    assert (config.authzen, config.forward_auth, config.kubernetes) == (None, None, None)
    served = read(LEAST + "authzen: {url: https://a.example}\nforward_auth: {}\nkubernetes: {}\n")
    assert served.authzen == AuthzenConfig("https://a.example", {}, {}, None, "Device")
    assert served.forward_auth == ForwardAuthConfig(())
    assert served.kubernetes == KubernetesConfig("K8s", "deny")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("device_type: Phone", "`device_type` is given without `device_property`"),
        ("types: {user: a b}", '"a b" is no name of an entity type'),
        ("types: [User]", "`authzen.types` must be a mapping, found a list"),
        ("device_property: d, device_type: a-b", '"a-b" is no name of an entity type'),
    ],
)
def test_what_of_authzen_has_the_name_of_another_key(keys: str, message: str) -> None:
    assert refused(LEAST + f"authzen: {{url: https://a.example, {keys}}}\n").message == message


NO_ADDRESSES = [
    *WORDS,
    "localhost",
    "':80'",
    "'localhost:'",
    "localhost:http",
    "localhost:65536",
    "localhost:123456",
    "localhost:-1",
    "127.0.0.1:80:80",
    "'a b:80'",
    "'a/b:80'",
    '"a\\n:80"',
    "'::1:80'",
    "'[::1]'",
    "'[]:80'",
    "'[1.2.3.4]:80'",
    "'[::x]:80'",
    "'[a]:80'",
    "localhost:\u0661",
    "https://localhost:80",
]


@pytest.mark.parametrize("section", ["grpc", "http"])
@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address(section: str, address: str) -> None:
    text, line, column = _with(section, f"{{listen: {address}}}")
    assert refused(text).position == Position(line, column + 9)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "0.0.0.0:65535", "my-host.example:80", "a_b:1", "[::]:80", "[fe80::1%eth0]:80"]
)
def test_addresses(address: str) -> None:
    assert read(_with("grpc", f"{{listen: '{address}'}}")[0]).grpc.listen == address
    assert read(_with("http", f"{{listen: '{address}'}}")[0]).http == HttpConfig(address)


@pytest.mark.parametrize("section", ["grpc", "http"])
def test_sockets_are_files_relative_to_the_configuration(section: str) -> None:
    def listen(text: str) -> str:
        config = read(_with(section, f"{{listen: {text}}}")[0])
        return config.grpc.listen if section == "grpc" else config.http.listen

    assert listen("unix:pdp.sock") == "unix:/etc/pdp/pdp.sock"
    assert listen("'unix:/run/pdp.sock'") == "unix:/run/pdp.sock"
    assert listen("'unix:///run/pdp.sock'") == "unix:/run/pdp.sock"
    assert refused(_with(section, "{listen: 'unix:'}")[0]).message == '"" is no path'
    assert refused(_with(section, '{listen: "unix:a\\0b"}')[0]).message == '"a\\0b" is no path'
    assert refused(_with(section, "{listen: unix}")[0]).message == "this is no address to listen on"


def test_empty_sections_are_the_defaults() -> None:
    text = LEAST.replace("jwks: keys.json", "jwks: keys.json\n  principal: {}")
    assert read(text + "grpc: {}\nhttp: {}\nlog: {}\nfreshness: {}\n") == read(LEAST)


def test_a_refusal_as_it_is_shown() -> None:
    assert refused(LEAST + "grpc:\n  workers: 100\n").render() == (
        "pdp.yaml:10:12: `grpc.workers` must be a whole number from 1 to 64, found `100`\n"
        "   |\n"
        "10 |   workers: 100\n"
        "   |            ^^^"
    )


def test_a_file_is_read_with_its_paths_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "pdp.yaml").write_text(LEAST)
    assert load_config(tmp_path / "pdp.yaml") == read_config(Source("x", LEAST), tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"identity:\n  issuer: caf\xe9")
    with pytest.raises(ConfigError) as latin:
        load_config(tmp_path / "latin")
    assert (latin.value.position, latin.value.code) == (Position(2, 14), "config")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.help == "give the path of a file with `--config`"
        assert str(tmp_path) in caught.value.render()


def test_damaged_configurations_raise_only_our_errors() -> None:
    rng = random.Random(20261124)
    inputs = damaged(rng, [LEAST.encode(), MOST.encode()], ":-{}[]'\"\\0 \n,.%5é", rounds(1_500))
    errors = [refusal(partial(read, data.decode("utf-8", "replace"))) for data in inputs]
    assert errors.count(None) > 20
    assert all(error.position is not None and error.render() for error in errors if error is not None)
