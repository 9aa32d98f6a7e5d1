"""An issuer of tokens: keys of every kind, key sets, and tokens proper and improper."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import get_algorithm_by_name
from prometheus_client import CollectorRegistry

from pdp.cedar.source import Source
from pdp.config import IssuerConfig
from pdp.config.identity import TokenCacheConfig
from pdp.identity import base64url
from pdp.identity.binding import WITHOUT_PROOFS, Bindings
from pdp.identity.keyset import KeySet, read_key_set
from pdp.identity.revocations import Revocations
from pdp.identity.tokens import Issuer, TokenVerifier
from pdp.telemetry.identity import IdentityMetrics

CURVES: Mapping[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def private_key(algorithm: str, number: int = 0) -> Any:
    """A private key for an algorithm, always the same one for a number. All RSA algorithms share their keys."""
    return _private_key(algorithm if algorithm == "EdDSA" or algorithm in CURVES else "RSA", number)


@cache
def _private_key(kind: str, number: int) -> Any:  # `number` tells keys of one kind apart
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "RSA":
        return rsa.generate_private_key(65_537, 2048)
    return ec.generate_private_key(CURVES[kind]())


@dataclass(frozen=True)
class Signer:
    """Signs with one key."""

    algorithm: str = "EdDSA"
    kid: str | None = "key-1"
    number: int = 0

    @property
    def private(self) -> Any:
        """The private key, as `cryptography` has it."""
        return private_key(self.algorithm, self.number)

    def jwk(self, **members: object) -> dict[str, object]:
        """The public key as a JWK. `members` replace and add; None removes."""
        jwk = dict(get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True))
        jwk.pop("key_ops", None)
        jwk |= {"kid": self.kid, "alg": self.algorithm, "use": "sig", **members}
        return {name: member for name, member in jwk.items() if member is not None}

    def token(self, claims: object, **header: object) -> str:
        """A signed token. `header` replaces and adds; None removes. Bytes as claims are signed as they are."""
        head = {"alg": self.algorithm, "kid": self.kid, **header}
        return self.sign(
            json.dumps({name: value for name, value in head.items() if value is not None}).encode(),
            claims if isinstance(claims, bytes) else json.dumps(claims).encode(),
        )

    def sign(self, header: bytes, payload: bytes) -> str:
        """A token of exactly this header and this payload, with a good signature of this signer's algorithm."""
        signing_input = f"{base64url.encode(header)}.{base64url.encode(payload)}"
        signature = get_algorithm_by_name(self.algorithm).sign(signing_input.encode(), self.private)
        return f"{signing_input}.{base64url.encode(signature)}"


def key_set(*jwks: Mapping[str, object]) -> KeySet:
    """The key set of these JWKs."""
    return read_key_set(Source("keys.json", json.dumps({"keys": jwks})))


@dataclass
class HeldKeys:
    """Keys that a test holds and replaces."""

    keys: KeySet

    def current(self, now: int) -> KeySet:
        """The keys."""
        return self.keys

    def newer(self, kid: str, now: int) -> KeySet:
        """The same."""
        return self.keys


def verifier(
    config: IssuerConfig,
    keys: KeySet | HeldKeys,
    leeway: int = 5_000,
    *,
    bindings: Bindings = WITHOUT_PROOFS,
    revocations: Revocations | None = None,
    cache: TokenCacheConfig | None = None,
) -> TokenVerifier:
    """A verifier of the tokens of one issuer."""
    source = HeldKeys(keys) if isinstance(keys, KeySet) else keys
    return TokenVerifier(
        [Issuer(config, source)],
        leeway,
        metrics=IdentityMetrics(CollectorRegistry()),
        bindings=bindings,
        revocations=revocations,
        cache=cache,
    )
