"""Bearer tokens: JWTs (RFC 7519, with the practices of RFC 8725) of one issuer for one audience.

    the header    `alg` one that is configured and that the key is for, `kid` a known key, `typ` an access token or none
    the claims    `iss` equal, `aud` equal or containing, `exp` ahead, `nbf`, `iat` and `auth_time` not ahead, no `cnf`

Dates are whole seconds since 1970 UTC. RFC 7519 would allow fractions; tokens are read as Cedar reads JSON, which has
none, and a token with a fraction anywhere is refused. All times are compared with the `now` that is given, and at a
boundary the answer is the stricter one.
"""

from collections.abc import Mapping
from typing import Final, final

from pdp.cedar.wire.strict_json import Json
from pdp.config import IdentityConfig
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.jws import parse_object, verify_jws
from pdp.identity.keyset import KeySet, KeySetError
from pdp.identity.mapping import token_subject
from pdp.identity.subject import Subject

__all__ = ["IdentityError", "TokenVerifier"]

MAX_DATE: Final = 253_402_300_799
"""The last second of the year 9999. A later date is one in milliseconds, or one that means `never`."""

_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Kinds of JWT that are accepted, in lower case: media types are compared without regard to it. Logout tokens, security
events and proofs of possession have names of their own, so that none is taken for a credential (RFC 8725, 3.11)."""


@final
class TokenVerifier:
    """Verifies tokens by the configured rules with one set of keys. May be used from any thread."""

    def __init__(self, config: IdentityConfig, keys: KeySet) -> None:
        """Raises KeySetError when no key could verify an algorithm that is accepted: every token would be refused."""
        self._config = config
        self._keys = keys
        self._algorithms = frozenset(config.algorithms)
        if not any(self._algorithms & key.algorithms.keys() for key in keys.keys):
            raise KeySetError(
                f"no key of `{config.jwks}` is one for {', '.join(config.algorithms)}",
                help="let `identity.algorithms` list what the issuer signs with",
            )

    def verify(self, token: str, now: int) -> Subject:
        """The subject of a token at `now` (ms since 1970 UTC). Raises IdentityError.

        The subject's `expires_at` is the first instant at which the token is no longer accepted.
        """
        jws = verify_jws(token, self._keys, self._algorithms)
        _check_type(jws.header)
        claims = parse_object(jws.payload, "claims")
        config = self._config
        _check_issuer(claims, config.issuer)
        _check_audience(claims, config.audience)
        expires_at = _expiry(claims, config.leeway, now)
        for name in ("nbf", "iat"):
            _not_ahead(claims, name, config.leeway, now)
        authenticated_at = _not_ahead(claims, "auth_time", config.leeway, now)
        if "cnf" in claims:
            # RFC 7800: only whoever holds the confirmed key may use the token. Nobody has proved that here, and a
            # token that was bound to its sender may as well be a stolen one (RFC 9449, section 7.2).
            raise IdentityError("the token is bound to a key and cannot be used alone", Refusal.CONFIRMATION)
        return token_subject(claims, config.principal, authenticated_at=authenticated_at, expires_at=expires_at)


def _check_type(header: Mapping[str, Json]) -> None:
    if "typ" not in header:
        return
    kind = header["typ"]
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise IdentityError("the token is of a type that is not accepted", Refusal.TYPE)


def _check_issuer(claims: Mapping[str, Json], issuer: str) -> None:
    if claims.get("iss") != issuer:
        raise IdentityError("the token is from another issuer", Refusal.ISSUER)


def _check_audience(claims: Mapping[str, Json], audience: str) -> None:
    stated = claims.get("aud")
    meant = stated if isinstance(stated, list) else [stated]
    if audience not in meant:
        raise IdentityError("the token is for another audience", Refusal.AUDIENCE)
    if not all(isinstance(one, str) for one in meant):
        raise IdentityError("the claim `aud` must be a text or a list of texts")


def _expiry(claims: Mapping[str, Json], leeway: int, now: int) -> int:
    """The instant (ms) from which on the token is not accepted (RFC 7519, section 4.1.4)."""
    expiry = _date(claims, "exp")
    if expiry is None:
        raise IdentityError("the token has no claim `exp`")
    if now >= expiry + leeway:
        raise IdentityError("the token has expired", Refusal.EXPIRED)
    return expiry + leeway


def _not_ahead(claims: Mapping[str, Json], name: str, leeway: int, now: int) -> int | None:
    """A date (ms) that must not be in the future."""
    date = _date(claims, name)
    if date is not None and date > now + leeway:
        raise IdentityError(f"the claim `{name}` is in the future", Refusal.NOT_YET_VALID)
    return date


def _date(claims: Mapping[str, Json], name: str) -> int | None:
    """A claim that is a date, in milliseconds; None when it is absent."""
    if name not in claims:
        return None
    seconds = claims[name]
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= MAX_DATE:
        raise IdentityError(f"the claim `{name}` must be a date in whole seconds since 1970")
    return seconds * 1000
