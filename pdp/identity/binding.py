"""To whom a token is bound (its claim `cnf`, RFC 7800), and whether that is who shows it.

    jkt         the thumbprint of a key, which the client proves to hold by DPoP (RFC 9449, section 6)
    x5t#S256    the hash of a certificate, with which the client's TLS session was authenticated (RFC 8705, section 3.1)

A token that has both must meet both. Any other member refuses the token: RFC 7800 would have it ignored where nobody
asked for it, but a token that is bound in a way which is not understood would then be good in every hand.

INVARIANT: `Bindings.check` is called for every use of a token, however well the token itself is known.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, final

from pdp.cedar.wire.strict_json import Json
from pdp.identity import base64url
from pdp.identity.dpop import ProofVerifier
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.presented import Presented, Scheme

_KEY: Final = "jkt"
_CERTIFICATE: Final = "x5t#S256"
_HASH: Final = 32
"""Bytes of a SHA-256."""


@final
@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a token is bound to, as base64url of SHA-256: the thumbprint of a key, the hash of a certificate."""

    jkt: str | None = None
    certificate: str | None = None


UNBOUND: Final = Confirmation()
"""A bearer token's: whoever has the token may use it."""


def read_confirmation(claims: Mapping[str, Json]) -> Confirmation:
    """What the claims bind their token to. Raises IdentityError (CONFIRMATION)."""
    if "cnf" not in claims:
        return UNBOUND
    stated = claims["cnf"]
    if not isinstance(stated, dict) or not stated:
        raise _refused("the claim `cnf` must be an object that is not empty")
    if not stated.keys() <= {_KEY, _CERTIFICATE}:
        raise _refused("the token is bound to its sender in a way that is not known here")
    return Confirmation(_hash(stated, _KEY), _hash(stated, _CERTIFICATE))


def _hash(stated: Mapping[str, Json], name: str) -> str | None:
    if name not in stated:
        return None
    value = stated[name]
    decoded = base64url.decode(value) if isinstance(value, str) else None
    if not isinstance(value, str) or decoded is None or len(decoded) != _HASH:
        raise _refused(f"the claim `cnf` must hold a SHA-256 in base64url as its `{name}`")
    return value


@final
class Bindings:
    """Checks what tokens are bound to. `proofs` is None where DPoP is not configured: such tokens are refused then."""

    def __init__(self, proofs: ProofVerifier | None) -> None:
        self._proofs = proofs

    def check(self, confirmation: Confirmation, presented: Presented, now: int) -> None:
        """Returns if a verified token is shown by whom it is bound to. Raises IdentityError.

        A proof that came with it is used up: to be called once for one use, and last.
        """
        if confirmation.certificate is not None:
            _check_certificate(confirmation.certificate, presented.certificate)
        bound = confirmation.jkt is not None
        if bound != (presented.scheme is Scheme.DPOP):
            # RFC 9449, section 7.2: a stolen token that is bound must not pass as a bearer token. And a client that
            # means to prove something must not come to believe that the proof was asked for.
            raise _refused(
                "the token is bound to a key and cannot be used as a bearer token"
                if bound
                else "the token is not bound to a key and cannot be used with DPoP"
            )
        if confirmation.jkt is None:
            return
        if self._proofs is None:
            raise _refused("the token is bound to a key, and DPoP is not accepted here")
        self._proofs.verify(presented, confirmation.jkt, now)


WITHOUT_PROOFS: Final = Bindings(None)
"""For where DPoP is not configured."""


def _check_certificate(expected: str, certificate: bytes) -> None:
    if not certificate:
        raise _refused("the token is bound to a certificate, and the client showed none")
    if not hmac.compare_digest(base64url.encode(sha256(certificate).digest()), expected):
        raise _refused("the token is bound to another certificate than the client's")


def _refused(message: str) -> IdentityError:
    return IdentityError(message, Refusal.CONFIRMATION)
