"""What it takes to try Envoy with the sample world: an issuer of tokens, and a service that says what it was sent.

    python deploy/envoy/demo.py make DIR    a fresh key, a configuration that trusts it, a token for each of `PEOPLE`
    python deploy/envoy/demo.py make-shop DIR
                                            the shop of `shop/`, with an authority, certificates and tokens
    python deploy/envoy/demo.py echo        the service behind Envoy

For trying and testing alone. The private key is never written down: run `make` again for fresh tokens, and a running
decision point takes up the new key by itself.
"""

import json
import secrets
import shutil
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
import typer
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SAMPLE: Final = Path(__file__).parents[2] / "policies"
"""The sample world."""

MINUTES: Final = 15
"""How long a token is accepted."""

PEOPLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "ana": {"sub": "ana", "device_id": "laptop-ana", "acr": "mfa"},
    # Her tablet has not reported for hours.
    "ana-on-a-stale-device": {"sub": "ana", "device_id": "tablet-ana", "acr": "mfa"},
    "dora": {"sub": "dora", "device_id": "laptop-dora", "acr": "phishing-resistant", "amr": ["hwk"]},
    "dora-with-a-password": {"sub": "dora", "device_id": "laptop-dora", "acr": "password", "amr": ["pwd"]},
    "ivan-who-is-suspended": {"sub": "ivan", "device_id": "laptop-ivan", "acr": "mfa"},
}
"""Claims of each token, besides those that all have."""


@dataclass(frozen=True)
class Issuer:
    """Signs tokens as the sample's issuer, with a key of its own."""

    name: str
    audience: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    kid: str = field(default_factory=lambda: secrets.token_hex(8))

    def key_set(self) -> dict[str, Any]:
        """The public key as a JWK Set."""
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "alg": "ES256", "use": "sig"}]}

    def token(self, **claims: Any) -> str:
        """A token of a person who signed in just now, unless the claims say otherwise."""
        now = int(time.time())
        usual = {
            "iss": self.name,
            "aud": self.audience,
            "principal_type": "person",
            "iat": now,
            "auth_time": now,
            "exp": now + MINUTES * 60,
        }
        return jwt.encode({**usual, **claims}, self.key, algorithm="ES256", headers={"kid": self.kid, "typ": "at+jwt"})


def make_world(directory: Path) -> Issuer:
    """Writes `pdp.yaml` and `keys.json`: the sample world, whose tokens the returned issuer signs."""
    config = yaml.safe_load((SAMPLE / "pdp.yaml").read_text("utf-8"))
    identity = config["identity"]
    issuer = Issuer(identity["issuer"], identity["audience"])
    identity["jwks"] = "keys.json"
    identity["accept_asserted"] = False
    paths = (("policies", "directory"), ("context", "directory"), ("inventory", "routes"), ("inventory", "documents"))
    for section, key in paths:
        config[section][key] = str((SAMPLE / config[section][key]).resolve())
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "keys.json").write_text(json.dumps(issuer.key_set(), indent=2), "utf-8")
    (directory / "pdp.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return issuer


SHOP: Final = Path(__file__).parent / "shop"
"""The shop's policies, and configurations of Envoy and the decision point."""

NAMES: Final[Mapping[str, str]] = {
    "pdp": "DNS:pdp.shop.example",
    "envoy": "URI:spiffe://shop.example/envoy",
    "gateway": "DNS:api.shop.example DNS:www.shop.example",
    "till-7": "URI:spiffe://shop.example/till/7",
    "till-8": "URI:spiffe://shop.example/till/8",
    "cleaner": "URI:spiffe://shop.example/cleaner",
    "front": "URI:spiffe://shop.example/front",
}
"""Whose certificates the shop's authority issues, with their alternative names."""


def make_shop(directory: Path) -> Issuer:
    """Writes all that `shop/` needs: policies, configurations, a key set, an authority and certificates."""
    shutil.copytree(SHOP, directory, dirs_exist_ok=True)
    identity = yaml.safe_load((SHOP / "pdp.yaml").read_text("utf-8"))["identity"]
    issuer = Issuer(identity["issuer"], identity["audience"])
    (directory / "keys.json").write_text(json.dumps(issuer.key_set(), indent=2), "utf-8")
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _named("the shop's authority")
    own = _certificate(authority, authority, key, ca=True).sign(key, hashes.SHA256())
    _write(directory / "ca.pem", own.public_bytes(serialization.Encoding.PEM))
    _write(directory / "bundle.json", json.dumps(_trust_bundle(own, key), indent=2).encode())
    for name, others in NAMES.items():
        private = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate(_named(name), authority, private, ca=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_other_name, others.split()))), False)
        certificate = builder.sign(key, hashes.SHA256())
        _write(directory / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(directory / f"{name}.key", private.private_bytes(*form))
    return issuer


def _trust_bundle(own: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The authority as a SPIFFE bundle has it."""
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    encoded = b64encode(own.public_bytes(serialization.Encoding.DER)).decode("ascii")
    return {"keys": [{**jwk, "use": "x509-svid", "x5c": [encoded]}], "spiffe_sequence": 1}


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.CertificateBuilder:
    """A certificate as SPIFFE wants it: of an authority, or of whom that vouches for."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    usages = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage = x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=False, decipher_only=False, **usages)
    return builder.add_extension(usage, critical=True)


def _other_name(text: str) -> x509.GeneralName:
    kind, _, name = text.partition(":")
    return x509.UniformResourceIdentifier(name) if kind == "URI" else x509.DNSName(name)


class Echo(BaseHTTPRequestHandler):
    """Answers every request with the request."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Says what came."""
        sent = self.rfile.read(int(self.headers.get("content-length", "0"))).decode(errors="replace")
        headers = [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        said = {"method": self.command, "path": self.path, "headers": headers, "body": sent}
        body = json.dumps(said, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Envoy's access log tells it all."""


app = typer.Typer(no_args_is_help=True, add_completion=False, help="Try Envoy with the sample world.")


@app.command()
def make(directory: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")]) -> None:
    """Write a configuration, its key set, and a token for each sample principal."""
    issuer = make_world(directory)
    tokens = directory / "tokens"
    tokens.mkdir(mode=0o700, exist_ok=True)
    for name, claims in PEOPLE.items():
        (tokens / name).write_text(issuer.token(**claims), "utf-8")
    typer.echo(f"start the decision point:  pdp serve --config {directory / 'pdp.yaml'}")
    typer.echo(f"tokens, for {MINUTES} minutes:     {tokens}/")


@app.command("make-shop")
def make_shop_folder(
    directory: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")],
) -> None:
    """Write the shop: its policies and configurations, its keys and certificates, and two tokens."""
    issuer = make_shop(directory)
    tokens = directory / "tokens"
    tokens.mkdir(mode=0o700, exist_ok=True)
    for name, acr in (("kim", "pwd"), ("kim-with-a-second-factor", "mfa")):
        (tokens / name).write_text(issuer.token(sub="kim", acr=acr), "utf-8")
    typer.echo(f"start the decision point:  pdp serve --config {directory / 'pdp.yaml'}")
    typer.echo(f"start Envoy:               cd {directory} && envoy -c envoy.yaml")
    typer.echo(f"tokens, for {MINUTES} minutes:     {tokens}/")


@app.command()
def echo(port: Annotated[int, typer.Option(help="Of 127.0.0.1.")] = 10080) -> None:
    """Serve what Envoy sends, until interrupted."""
    with ThreadingHTTPServer(("127.0.0.1", port), Echo) as server:
        typer.echo(f"echo on 127.0.0.1:{port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("")


if __name__ == "__main__":
    app()
