"""What it takes to try Envoy with the sample world: an issuer of tokens, and a service that says what it was sent.

    python deploy/envoy/demo.py make DIR    a fresh key, a configuration that trusts it, a token for each of `PEOPLE`
    python deploy/envoy/demo.py echo        the service behind Envoy

For trying and testing alone. The private key is never written down: run `make` again for fresh tokens, and a running
decision point takes up the new key by itself.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
import typer
import yaml
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
    for section, key in (("policies", "directory"), ("context", "directory"), ("inventory", "routes")):
        config[section][key] = str((SAMPLE / config[section][key]).resolve())
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "keys.json").write_text(json.dumps(issuer.key_set(), indent=2), "utf-8")
    (directory / "pdp.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return issuer


class Echo(BaseHTTPRequestHandler):
    """Answers every request with the request."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Says what came."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        body = json.dumps({"method": self.command, "path": self.path, "headers": headers}, indent=2).encode() + b"\n"
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
