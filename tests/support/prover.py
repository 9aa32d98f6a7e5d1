"""A client that proves to hold the key of its token (DPoP)."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from issuer import Signer

from pdp.identity import base64url
from pdp.identity.presented import Presented, Scheme

METHOD, URL = "POST", "https://api.consortium.example/orders/4711"

_NUMBERS = count()


@dataclass(frozen=True)
class Prover:
    """Holds one key, another one than issuers of the same algorithm."""

    signer: Signer = field(default_factory=lambda: Signer(kid=None, number=7))

    def jwk(self) -> dict[str, object]:
        """The public key, as a proof carries it."""
        return self.signer.jwk(kid=None, alg=None, use=None)

    @property
    def jkt(self) -> str:
        """The thumbprint of the key, made as RFC 7638 words it, independently of the code under test."""
        members = {name: value for name, value in self.jwk().items() if name in {"kty", "crv", "x", "y", "n", "e"}}
        text = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return base64url.encode(sha256(text.encode()).digest())

    def proof(
        self, token: str, seconds: int, *absent: str, head: dict[str, object] | None = None, **claims: object
    ) -> str:
        """A good proof for `token`, made at `seconds`, with these claims, without `absent` ones, and with a new `jti`.

        `head` replaces and adds members of the header; None removes.
        """
        said = {
            "jti": f"proof-{next(_NUMBERS)}",
            "htm": METHOD,
            "htu": URL,
            "iat": seconds,
            "ath": base64url.encode(sha256(token.encode()).digest()),
        }
        kept = {name: value for name, value in (said | claims).items() if name not in absent}
        return self.signer.token(kept, **{"typ": "dpop+jwt", "jwk": self.jwk(), **(head or {})})

    def presented(self, token: str, seconds: int, *absent: str, **claims: Any) -> Presented:
        """The token with a good proof, as `METHOD` and `URL` were requested with it."""
        return shown(token, self.proof(token, seconds, *absent, **claims))


def shown(token: str, *proofs: str, scheme: Scheme = Scheme.DPOP, method: str = METHOD, url: str = URL) -> Presented:
    """A token with these proofs."""
    return Presented(token, scheme, proofs, method, url)
