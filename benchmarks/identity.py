"""What a credential costs: verified for the first time, and shown again.

    raw       the signature checks alone that the credential needs, by `cryptography`, in the same turns
    first     the whole verification: strict reading, header, signature, claims, mapping; nothing is remembered
    cached    the same credential again: its hash, its times, whether it was revoked, and to whom it is bound

An opaque token is asked about over loopback HTTP, at a server in this process: its `first` is that exchange, a new
connection each time. A token that is bound by DPoP comes with a new proof each time, whose signature cannot be
remembered. Kinds take turns, one call each; times are of `perf_counter_ns` around the call.

Last, what a cached token adds to a Check: the same question to the sample world's decision point, from the request's
bytes to the answer's, once with a token and once with the principal named by a caller on this machine.
"""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    AuthorityKeyIdentifier,
    BasicConstraints,
    Certificate,
    CertificateBuilder,
    ExtendedKeyUsage,
    ExtensionType,
    KeyUsage,
    Name,
    NameAttribute,
    SubjectAlternativeName,
    SubjectKeyIdentifier,
    UniformResourceIdentifier,
    random_serial_number,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from jwt import get_algorithm_by_name
from prometheus_client import CollectorRegistry
from rich.table import Table

from benchmarks import report
from pdp.app import App
from pdp.cedar.ext.ipaddr import parse as parse_ip
from pdp.clock import now_ms
from pdp.config import IdentityConfig, IssuerConfig, load_config
from pdp.config.credentials import DpopConfig
from pdp.config.identity import TokenCacheConfig
from pdp.config.issuers import IntrospectionConfig
from pdp.config.servers import GrpcConfig, HttpConfig
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig
from pdp.config.urls import HttpUrl
from pdp.identity import base64url
from pdp.identity.jws import parse_jws
from pdp.identity.keyset import PublicKey
from pdp.identity.presented import Presented, Scheme
from pdp.identity.service import IdentityService
from pdp.identity.subject import Method, Subject
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.workloads import CertificateVerifier, workload_subject
from pdp.identity.x509_svid import verify_x509_svid
from pdp.telemetry.identity import IdentityMetrics
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.callers import Caller, Way
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import DecisionService

_ISSUER: Final = "https://issuer.example"
_URL: Final = "https://api.example/orders/4711"
_WORKLOAD: Final = "spiffe://bench.example/orders/api"
_NONE_KEPT: Final = TokenCacheConfig(entries=0)
_WARM: Final = 20
"""Calls of each kind before the first that is measured."""


@dataclass(frozen=True)
class _Signer:
    """A key, and how `cryptography` checks its signatures, with nothing around it."""

    algorithm: str
    private: Any

    def jwk(self) -> dict[str, Any]:
        jwk = dict(get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True))
        return {name: value for name, value in jwk.items() if name != "key_ops"}

    def token(self, claims: Mapping[str, object], **header: object) -> str:
        head = {"alg": self.algorithm, "kid": "bench", **header}
        parts = [json.dumps({name: value for name, value in head.items() if value is not None}), json.dumps(claims)]
        text = ".".join(base64url.encode(part.encode()) for part in parts)
        signature = get_algorithm_by_name(self.algorithm).sign(text.encode(), self.private)
        return f"{text}.{base64url.encode(signature)}"

    def raw_check(self, token: str) -> Callable[[], object]:
        """The check of a token's signature; it raises when the signature is wrong."""
        jws = parse_jws(token)
        public: PublicKey = self.private.public_key()
        message, signature = jws.signing_input, jws.signature
        match public:
            case rsa.RSAPublicKey():
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
                scheme = padding.PKCS1v15() if self.algorithm.startswith("RS") else pss
                return lambda: public.verify(signature, message, scheme, hashes.SHA256())
            case ec.EllipticCurvePublicKey():
                half = len(signature) // 2
                r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
                der = encode_dss_signature(r, s)
                hash = ec.ECDSA(hashes.SHA256() if self.algorithm == "ES256" else hashes.SHA384())
                return lambda: public.verify(der, message, hash)
            case ed25519.Ed25519PublicKey():
                return lambda: public.verify(signature, message)


@dataclass(frozen=True)
class _Kind:
    """A kind of credential: how it is shown each time, and what verifies it for the first time, and again."""

    name: str
    show: Callable[[], Presented]
    raw: Callable[[], object]
    first: Callable[[Presented, int], Subject]
    again: Callable[[Presented, int], Subject]


def run(policies: Path, times: int, results: Path) -> None:
    """Measure each kind, and a Check with and without a token; print a table, write the figures."""
    with TemporaryDirectory() as folder, _issuer() as url:
        figures = [_measure(kind, times) for kind in _kinds(Path(folder), url)]
    figures.append(_check(policies, times))
    console = report.console()
    console.print(_table(figures[:-1]))
    check = figures[-1]
    times_of = (check["named_ns"]["p50"], check["token_ns"]["p50"], check["added_p50_ns"])
    named, token, added = map(report.microseconds, times_of)
    console.print(f"a Check: named principal {named} us, cached token {token} us, added {added} us (p50)")
    console.print(f"written: {report.write(results, 'identity', figures)}")


def _measure(kind: _Kind, times: int) -> dict[str, Any]:
    """Raw, first and again in turns. Every answer is the same subject, or the figures are of nothing."""
    shown = [kind.show() for _ in range(2 * times + 2 * _WARM)]
    spent: dict[str, list[int]] = {"raw": [], "first": [], "cached": []}
    subjects = set()
    for turn in range(times + _WARM):
        now, one, other = now_ms(), shown[2 * turn], shown[2 * turn + 1]
        for name, call in (
            ("raw", kind.raw),
            ("first", lambda one=one, now=now: kind.first(one, now)),
            ("cached", lambda other=other, now=now: kind.again(other, now)),
        ):
            start = perf_counter_ns()
            found = call()
            stop = perf_counter_ns()
            if turn >= _WARM:
                spent[name].append(stop - start)
            if isinstance(found, Subject):
                # Without the end of an answer's belief, which moves with each answer.
                subjects.add(str(replace(found, expires_at=None)))
    if len(subjects) != 1:
        raise SystemExit(f"{kind.name}: verified for the first time and again, it is not the same subject")
    return {"workload": kind.name, **{f"{name}_ns": report.summary(samples) for name, samples in spent.items()}}


def _kinds(folder: Path, url: HttpUrl) -> Iterator[_Kind]:
    """All kinds, one after the other; each has a decision point's verifiers of its own."""
    signers = [
        _Signer("RS256", rsa.generate_private_key(65_537, 2048)),
        _Signer("PS256", rsa.generate_private_key(65_537, 2048)),
        _Signer("ES256", ec.generate_private_key(ec.SECP256R1())),
        _Signer("ES384", ec.generate_private_key(ec.SECP384R1())),
        _Signer("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ]
    for signer in signers:
        token = signer.token(_claims())
        yield _kind(f"JWT {signer.algorithm}", _issuer_config(folder, signer), token, signer.raw_check(token))
    secret = folder / "secret"
    secret.write_text("secret", encoding="utf-8")
    opaque = IssuerConfig(_ISSUER, "pdp", introspection=IntrospectionConfig(url, "bench", secret, timeout=10_000))
    yield _kind("opaque, asked about", opaque, "2YotnFZFEjr1zCsicMWpAA", lambda: None)
    yield _bound(folder, signers[2], signers[4])
    yield from _workloads(folder, signers[2])


def _kind(name: str, issuer: IssuerConfig, token: str, raw: Callable[[], object]) -> _Kind:
    """A token that is shown as it is."""
    forgetful = issuer
    if issuer.introspection is not None:
        forgetful = replace(issuer, introspection=replace(issuer.introspection, max_age=0))
    return _Kind(
        name, lambda: Presented(token), raw, _verifier(forgetful, _NONE_KEPT), _verifier(issuer, TokenCacheConfig())
    )


def _bound(folder: Path, signer: _Signer, prover: _Signer) -> _Kind:
    """A JWT that is bound to a key of its client, and a proof of that key which is new each time."""
    jwk = {name: value for name, value in prover.jwk().items() if name in {"kty", "crv", "x", "y"}}
    thumbprint = sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest()
    token = signer.token(_claims() | {"cnf": {"jkt": base64url.encode(thumbprint)}})
    hashed, seconds = base64url.encode(sha256(token.encode()).digest()), now_ms() // 1000
    number = iter(range(10**9))

    def proof() -> str:
        said = {"jti": f"proof-{next(number)}", "htm": "GET", "htu": _URL, "iat": seconds, "ath": hashed}
        return prover.token(said, typ="dpop+jwt", jwk=jwk, kid=None)

    def show() -> Presented:
        return Presented(token, Scheme.DPOP, (proof(),), "GET", _URL)

    token_check, proof_check = signer.raw_check(token), prover.raw_check(proof())
    issuer = _issuer_config(folder, signer)
    return _Kind(
        f"JWT {signer.algorithm} bound by DPoP, proofs {prover.algorithm}",
        show,
        lambda: (token_check(), proof_check()),
        _verifier(issuer, _NONE_KEPT, dpop=True),
        _verifier(issuer, TokenCacheConfig(), dpop=True),
    )


def _workloads(folder: Path, signer: _Signer) -> Iterator[_Kind]:
    """A workload's JWT-SVID and its X.509-SVID, of one trust domain."""
    root = _Signer("ES256", ec.generate_private_key(ec.SECP256R1()))
    authority, leaf = _certificates(root.private)
    encoded = b64encode(authority.public_bytes(Encoding.DER)).decode("ascii")
    keys = [root.jwk() | {"use": "x509-svid", "x5c": [encoded]}, signer.jwk() | {"use": "jwt-svid", "kid": "bench"}]
    bundle = folder / "bundle.json"
    bundle.write_text(json.dumps({"keys": keys}), encoding="utf-8")
    spiffe = SpiffeConfig("bench.example", {"bench.example": TrustDomainConfig(bundle)}, audience="pdp")
    seconds = now_ms() // 1000
    token = signer.token({"sub": _WORKLOAD, "aud": ["pdp"], "iat": seconds, "exp": seconds + 3_600})
    issuer = _issuer_config(folder, signer)
    first, again = _verifier(issuer, _NONE_KEPT, spiffe=spiffe), _verifier(issuer, TokenCacheConfig(), spiffe=spiffe)
    yield _Kind(f"JWT-SVID {signer.algorithm}", lambda: Presented(token), signer.raw_check(token), first, again)

    bundles = TrustBundles(spiffe)
    bundles.load()()
    shown = Presented(certificate=leaf.public_bytes(Encoding.DER))
    public = root.private.public_key()

    def verify(presented: Presented, now: int) -> Subject:
        svid, _ = verify_x509_svid(presented.certificate, presented.chain, bundles, now)
        return workload_subject(svid.workload, spiffe, Method.X509_SVID, svid.expires_at)

    def raw() -> None:
        public.verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))

    yield _Kind("X.509-SVID ES256", lambda: shown, raw, verify, CertificateVerifier(spiffe, bundles).verify)


def _certificates(key: ec.EllipticCurvePrivateKey) -> tuple[Certificate, Certificate]:
    """An authority, and a workload's certificate by it."""

    def certificate(subject: str, extensions: list[tuple[ExtensionType, bool]], public: Any) -> Certificate:
        name, issuer = (Name([NameAttribute(NameOID.COMMON_NAME, text)]) for text in (subject, "bench"))
        begins = datetime.now(UTC) - timedelta(hours=1)
        builder = CertificateBuilder(issuer, name, public, random_serial_number(), begins, begins + timedelta(hours=24))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        identifier = AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())

    def usage(*, signs: bool) -> KeyUsage:
        return KeyUsage(not signs, *(False,) * 4, signs, *(False,) * 3)

    own = ec.generate_private_key(ec.SECP256R1()).public_key()
    of_authority: list[tuple[ExtensionType, bool]] = [
        (BasicConstraints(ca=True, path_length=None), True),
        (usage(signs=True), True),
        (SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    of_workload: list[tuple[ExtensionType, bool]] = [
        (BasicConstraints(ca=False, path_length=None), True),
        (usage(signs=False), True),
        (ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (SubjectAlternativeName([UniformResourceIdentifier(_WORKLOAD)]), False),
    ]
    return certificate("bench", of_authority, key.public_key()), certificate("workload", of_workload, own)


def _claims() -> dict[str, object]:
    """The claims of an ordinary access token."""
    seconds = now_ms() // 1000
    return {
        "iss": _ISSUER,
        "aud": "pdp",
        "sub": "ana",
        "client_id": "app",
        "jti": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "sid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "iat": seconds,
        "auth_time": seconds - 60,
        "exp": seconds + 3_600,
        "acr": "phishing-resistant",
        "amr": ["hwk", "pin"],
        "scope": "orders:read orders:write",
    }


def _issuer_config(folder: Path, signer: _Signer) -> IssuerConfig:
    path = folder / f"keys-{signer.algorithm}.json"
    path.write_text(json.dumps({"keys": [signer.jwk() | {"kid": "bench"}]}), encoding="utf-8")
    return IssuerConfig(_ISSUER, "pdp", (signer.algorithm,), path)


def _verifier(
    issuer: IssuerConfig, cache: TokenCacheConfig, *, dpop: bool = False, spiffe: SpiffeConfig | None = None
) -> Callable[[Presented, int], Subject]:
    """A decision point's verifier for this issuer."""
    config = IdentityConfig((issuer,), token_cache=cache, dpop=DpopConfig() if dpop else None, spiffe=spiffe)
    metrics = IdentityMetrics(CollectorRegistry())
    # As if started a while ago: just after its start, a decision point takes no proofs.
    service = IdentityService(config, metrics=metrics, report=lambda *_: None, clock=lambda: now_ms() - 600_000)
    service.load()()
    return service.verifier.verify


@contextmanager
def _issuer() -> Iterator[HttpUrl]:
    """An introspection endpoint to which every token is the same active one."""
    body = json.dumps({"active": True, **_claims()}).encode()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield HttpUrl(f"http://127.0.0.1:{server.server_port}/introspect")
        finally:
            server.shutdown()
            serving.join()


def _check(policies: Path, times: int) -> dict[str, Any]:
    """One question about the sample world in two forms, in turns."""
    signer = _Signer("ES256", ec.generate_private_key(ec.SECP256R1()))
    loaded = load_config(policies / "pdp.yaml")
    with TemporaryDirectory() as folder:
        identity = replace(loaded.identity, issuers=(_issuer_config(Path(folder), signer),))
        free = "127.0.0.1:0"
        config = replace(loaded, identity=identity, grpc=GrpcConfig(free), http=HttpConfig(free))
        app = App(config, EventLog(StringIO(), LogFormat.TEXT, now_ms))
        try:
            app.start()
            return _ask(DecisionService(app.decider, app._authentication), signer.token(_claims()), times)
        finally:
            app.stop()


def _ask(decisions: DecisionService, token: str, times: int) -> dict[str, Any]:
    caller = Caller(Way.LOOPBACK, parse_ip("127.0.0.1"))
    named, shown = pb.CheckRequest(), pb.CheckRequest(token=token)
    named.principal.type, named.principal.id = "User", "ana"
    for request in (named, shown):
        request.action.type, request.action.id = "Procurement::Action", "viewOrder"
        request.resource.type, request.resource.id = "Procurement::Order", "4711"
        request.device.type, request.device.id = "Device", "laptop-ana"
        request.context.fields["region"].string_value = "eu-central"
    forms = {"named": named.SerializeToString(), "token": shown.SerializeToString()}
    spent: dict[str, list[int]] = {name: [] for name in forms}
    reasons = {name: decisions.check(data, caller)[0].reason.value for name, data in forms.items()}
    if set(reasons.values()) != {"allowed"}:
        raise SystemExit(f"the question is not allowed in both forms: {reasons}")
    for turn in range(times + _WARM):
        for name, data in forms.items():
            start = perf_counter_ns()
            decisions.check(data, caller)
            stop = perf_counter_ns()
            if turn >= _WARM:
                spent[name].append(stop - start)
    sums = {name: report.summary(samples) for name, samples in spent.items()}
    return {
        "workload": "a Check by a cached token",
        "reasons": reasons,
        "named_ns": sums["named"],
        "token_ns": sums["token"],
        "added_p50_ns": sums["token"]["p50"] - sums["named"]["p50"],
    }


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table("credential", *("raw p50", "first p50", "first p99", "cached p50", "cached p99"), "first/raw")
    for row in figures:
        raw, first, cached = (row[f"{name}_ns"] for name in ("raw", "first", "cached"))
        cells = (raw["p50"], first["p50"], first["p99"], cached["p50"], cached["p99"])
        asked = row["workload"].startswith("opaque")
        ratio = "-" if asked else f"{first['p50'] / raw['p50']:.2f}"
        shown = [report.microseconds(cell) for cell in cells]
        table.add_row(row["workload"], "-" if asked else shown[0], *shown[1:], ratio)
    return table
