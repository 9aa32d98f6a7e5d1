"""Proofs of possession: the client shows with each request that it holds the key of its token (RFC 9449, section 4.3).

The steps of that section, in the order in which they cost:

     1      exactly one `DPoP` header
     2, 3   one JWT with all claims that are needed
     4, 5   `typ` is `dpop+jwt`, `alg` is asymmetric and one that is accepted
     7      the key in the header is public
    12 b    its thumbprint is that of the token: before the key is built, so that no other key ever is
     8, 9   `htm` and `htu` are those of the request
    11      `iat` is in the window
    12 a    `ath` is the hash of the token
     6      the signature is that key's
    10      the nonce is ours, if nonces are demanded
            the proof was not used before (section 11.1)

A proof is used up when all else holds, and only then: nobody can fill the memory without a token and its key.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, final

from pdp.cedar.wire.strict_json import Json
from pdp.config.credentials import DpopConfig
from pdp.identity import base64url
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.htu import normalised
from pdp.identity.jws import UnverifiedJws, parse_jws, parse_object
from pdp.identity.nonces import Nonces
from pdp.identity.presented import Presented
from pdp.identity.proof_key import thumbprint, verification_key
from pdp.identity.replay import ReplayMemory

TYPE: Final = "dpop+jwt"

_NOT_HERE: Final = ("crit", "b64", "jku", "x5c", "x5u")
"""Header parameters that refuse a proof: extensions that it wants understood, and other keys than the one in `jwk`."""

_MAX_DATE: Final = 253_402_300_799
"""The last second of the year 9999."""


@final
class ProofVerifier:
    """Verifies proofs by the configured rules. `leeway` is how far (ms) clocks may differ. May be used from any thread.

    `nonces` is None where no nonce is demanded, and is replaced when their secret changes.
    """

    def __init__(self, config: DpopConfig, leeway: int, memory: ReplayMemory, nonces: Nonces | None = None) -> None:
        self.algorithms: Final = config.algorithms
        self._window = config.window
        self._leeway = leeway
        self._memory = memory
        self.nonces = nonces

    def verify(self, presented: Presented, jkt: str, now: int) -> None:
        """Returns if this request has a good proof for its token, and uses the proof up.

        `jkt` is the thumbprint that the token names. Raises IdentityError: PROOF, CONFIRMATION for a proof by another
        key, NONCE with the nonce to use, REPLAYED, REPLAY_MEMORY.
        """
        if len(presented.proofs) != 1:
            raise _refused("there must be exactly one DPoP proof")
        jws = _parse(presented.proofs[0])
        algorithm = self._check_header(jws.header)
        jwk = jws.header.get("jwk")
        if thumbprint(jwk) != jkt:
            raise IdentityError("the DPoP proof is by another key than the token's", Refusal.CONFIRMATION)
        claims = _claims(jws.payload)
        _check_request(claims, presented)
        until = self._check_dates(claims, now)
        if claims.get("ath") != base64url.encode(sha256(presented.token.encode("utf-8", "surrogatepass")).digest()):
            raise _refused("the DPoP proof is not for this token")
        jti = _text(claims, "jti")
        key = verification_key(jwk)
        if algorithm not in key.algorithms or not key.verifies(algorithm, jws.signing_input, jws.signature):
            raise _refused("the signature of the DPoP proof is wrong")
        self._check_nonce(claims, now)
        self._memory.use(jkt, jti, until, now)

    def _check_header(self, header: Mapping[str, Json]) -> str:
        """The algorithm of a header that is a proof's."""
        if header.get("typ") != TYPE:
            raise _refused(f"the DPoP proof is not of the type `{TYPE}`")
        for name in _NOT_HERE:
            if name in header:
                raise _refused(f"the header of the DPoP proof has `{name}`, which is not accepted")
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise _refused("the signature algorithm of the DPoP proof is not accepted")
        jwk = header.get("jwk")
        if isinstance(jwk, dict) and jwk.get("alg", algorithm) != algorithm:
            raise _refused("the signature algorithm of the DPoP proof is not the one of its key")
        return algorithm

    def _check_dates(self, claims: Mapping[str, Json], now: int) -> int:
        """The first instant (ms) at which the proof is too old. It is neither that nor ahead of its time."""
        made = _date(claims, "iat")
        if made is None:
            raise _refused("the DPoP proof does not say when it was made")
        until = made + self._window + self._leeway
        if now >= until:
            raise _refused("the DPoP proof is too old")
        if made > now + self._leeway:
            raise _refused("the DPoP proof was made in the future")
        # Not for proofs, but what a JWT says of its own time holds for every JWT (RFC 7519, section 4.1).
        ends, starts = _date(claims, "exp"), _date(claims, "nbf")
        if (ends is not None and now >= ends + self._leeway) or (starts is not None and starts > now + self._leeway):
            raise _refused("the DPoP proof has expired or is not valid yet")
        return until

    def _check_nonce(self, claims: Mapping[str, Json], now: int) -> None:
        nonces, nonce = self.nonces, claims.get("nonce")
        if nonces is not None and (not isinstance(nonce, str) or not nonces.accepts(nonce, now)):
            raise IdentityError("the DPoP proof must have the nonce that is given", Refusal.NONCE, nonces.current(now))


def _parse(proof: str) -> UnverifiedJws:
    try:
        return parse_jws(proof)
    except IdentityError:
        raise _refused("the DPoP proof is not a signed JWT") from None


def _claims(payload: bytes) -> Mapping[str, Json]:
    try:
        return parse_object(payload, "claims")
    except IdentityError:
        raise _refused("the DPoP proof does not hold claims") from None


def _check_request(claims: Mapping[str, Json], presented: Presented) -> None:
    """Methods are compared character by character, and targets without query and fragment, normalised."""
    if not presented.method or not presented.url:
        raise _refused("a DPoP proof cannot be checked here: the client's request is not known")
    if _text(claims, "htm") != presented.method:
        raise _refused("the DPoP proof is for another method")
    target = normalised(presented.url)
    if target is None or normalised(_text(claims, "htu")) != target:
        raise _refused("the DPoP proof is for another target")


def _text(claims: Mapping[str, Json], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _refused(f"the DPoP proof has no text `{name}`")
    return value


def _date(claims: Mapping[str, Json], name: str) -> int | None:
    """A date in milliseconds; None when it is absent."""
    if name not in claims:
        return None
    seconds = claims[name]
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= _MAX_DATE:
        raise _refused(f"`{name}` of the DPoP proof must be a date in whole seconds since 1970")
    return seconds * 1000


def _refused(message: str) -> IdentityError:
    return IdentityError(message, Refusal.PROOF)
