"""What the claims of a token must say: of a JWT (RFC 7519, 8725, 9068), and in an answer of its issuer (RFC 7662).

    any       `iss` equal, `aud` equal or containing, `exp` ahead, `nbf`, `iat` and `auth_time` not ahead
    jwt       `typ` that of an access token, of a plain JWT, or none
    rfc9068   `typ` that of an access token; `sub`, `client_id`, `iat` and `jti` are there, too
    answer    `active` is true; `iss` and `exp` may be missing, `aud` only where the configuration says so

Dates are whole seconds since 1970 UTC. RFC 7519 would allow fractions; tokens are read as Cedar reads JSON, which has
none, and a token with a fraction anywhere is refused. All times are compared with the `now` that is given, and at a
boundary the answer is the stricter one.
"""

from collections.abc import Mapping
from typing import Final

from pdp.cedar.wire.strict_json import Json
from pdp.config.issuers import RFC9068, IntrospectionConfig, IssuerConfig
from pdp.identity.binding import read_confirmation
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.mapping import text_claim, token_subject
from pdp.identity.subject import Method
from pdp.identity.verified import VerifiedToken

MAX_DATE: Final = 253_402_300_799
"""The last second of the year 9999. A later date is one in milliseconds, or one that means `never`."""

_ACCESS_TOKENS: Final = frozenset({"at+jwt", "application/at+jwt"})
_TYPES: Final = _ACCESS_TOKENS | {"jwt"}
"""Kinds of JWT that are accepted, in lower case: media types are compared without regard to it. Logout tokens, security
events and proofs of possession have names of their own, so that none is taken for a credential (RFC 8725, 3.11)."""

_REQUIRED: Final = ("sub", "client_id", "jti")
"""Texts that RFC 9068 (section 2.2) wants, beside what every token must have here, and `iat`."""


def check_jwt(
    header: Mapping[str, Json], claims: Mapping[str, Json], config: IssuerConfig, leeway: int, now: int
) -> VerifiedToken:
    """The token that a JWT of this issuer is, with its signature verified. Raises IdentityError."""
    strict = config.profile == RFC9068
    _check_type(header, _ACCESS_TOKENS if strict else _TYPES)
    if claims.get("iss") != config.issuer:
        raise IdentityError("the token is from another issuer", Refusal.ISSUER)
    check_audience(claims, config.audience)
    expires_at = expiry(claims, leeway, now)
    if expires_at is None:
        raise IdentityError("the token has no claim `exp`")
    if strict:
        for name in _REQUIRED:
            if text_claim(claims, name) is None:
                raise IdentityError(f"the token has no claim `{name}`")
        if "iat" not in claims:
            raise IdentityError("the token has no claim `iat`")
    return _token(claims, config, Method.JWT, expires_at, leeway, now)


def check_answer(
    claims: Mapping[str, Json],
    config: IssuerConfig,
    introspection: IntrospectionConfig,
    leeway: int,
    now: int,
    *,
    asked_at: int,
) -> VerifiedToken:
    """The token that an issuer's answer tells of, which was asked at `asked_at` (ms). Raises IdentityError.

    It ends when its issuer's word is no longer believed, if not before.
    """
    active = claims.get("active")
    if not isinstance(active, bool):
        raise IdentityError("the issuer's answer does not say whether the token is active", Refusal.INTROSPECTION)
    if not active:
        raise IdentityError("the token is not active", Refusal.INACTIVE)
    if "iss" in claims and claims["iss"] != config.issuer:
        raise IdentityError("the token is from another issuer", Refusal.ISSUER)
    if "aud" in claims or introspection.audience_required:
        check_audience(claims, config.audience)
    believed_until = max(asked_at + introspection.max_age, now + 1)
    expires_at = expiry(claims, leeway, now)
    ends = believed_until if expires_at is None else min(expires_at, believed_until)
    return _token(claims, config, Method.INTROSPECTION, ends, leeway, now)


def _token(
    claims: Mapping[str, Json], config: IssuerConfig, method: Method, expires_at: int, leeway: int, now: int
) -> VerifiedToken:
    not_before, dates = 0, dict[str, int | None]()
    for name in ("nbf", "iat", "auth_time"):
        dates[name] = date = not_ahead(claims, name, leeway, now)
        not_before = max(not_before, (date or 0) - leeway)
    # Names are read even where no mapping asks for them: what cannot be read cannot be revoked.
    subject = token_subject(
        claims, config.principal, method, authenticated_at=dates["auth_time"], expires_at=expires_at
    )
    return VerifiedToken(
        subject,
        config.issuer,
        not_before,
        name=text_claim(claims, "sub"),
        session=text_claim(claims, "sid"),
        token_id=text_claim(claims, "jti"),
        client=text_claim(claims, "client_id"),
        issued_at=dates["iat"],
        confirmation=read_confirmation(claims),
    )


def _check_type(header: Mapping[str, Json], accepted: frozenset[str]) -> None:
    if "typ" not in header and "jwt" in accepted:
        return
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower() not in accepted:
        raise IdentityError("the token is of a type that is not accepted", Refusal.TYPE)


def check_audience(claims: Mapping[str, Json], audience: str) -> None:
    """Returns if the claims are for this audience, among others. Raises IdentityError (AUDIENCE)."""
    stated = claims.get("aud")
    meant = stated if isinstance(stated, list) else [stated]
    if audience not in meant:
        raise IdentityError("the token is for another audience", Refusal.AUDIENCE)
    if not all(isinstance(one, str) for one in meant):
        raise IdentityError("the claim `aud` must be a text or a list of texts")


def expiry(claims: Mapping[str, Json], leeway: int, now: int) -> int | None:
    """The instant (ms) from which on the token is not accepted (RFC 7519, section 4.1.4); None if it does not say."""
    date = date_claim(claims, "exp")
    if date is None:
        return None
    if now >= date + leeway:
        raise IdentityError("the token has expired", Refusal.EXPIRED)
    return date + leeway


def not_ahead(claims: Mapping[str, Json], name: str, leeway: int, now: int) -> int | None:
    """A date (ms) that is not in the future; None when it is absent. Raises IdentityError (NOT_YET_VALID)."""
    date = date_claim(claims, name)
    if date is not None and now < date - leeway:
        raise IdentityError(f"the claim `{name}` is in the future", Refusal.NOT_YET_VALID)
    return date


def date_claim(claims: Mapping[str, Json], name: str) -> int | None:
    """A claim that is a date, in milliseconds; None when it is absent."""
    if name not in claims:
        return None
    seconds = claims[name]
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= MAX_DATE:
        raise IdentityError(f"the claim `{name}` must be a date in whole seconds since 1970")
    return seconds * 1000
