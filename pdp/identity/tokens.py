"""Tokens of the configured issuers: verified once, and looked at again on every use.

    whose        a JWT says by `iss` whose it is, and is verified with that issuer's keys and by its rules alone; one
                 that names a workload and no such issuer is a JWT-SVID (`jwt_svid`); of any other token, and of JWTs of
                 an issuer without keys, the issuer is asked (`introspection`)
    once         header, signature, claims (`jws`, `claims`), or the issuer's answer
    every time   its time has come and is not over, its keys are still the issuer's and still believed, it was not
                 revoked (`revocations`), and who shows it is whom it is bound to (`binding`), in this order

What was verified is remembered by the hash of the whole token (`token_cache`), so that a token which differs anywhere
is another one. INVARIANT: a remembered token has the answer that it would have if it were verified again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.wire.strict_json import Json
from pdp.config.identity import TokenCacheConfig
from pdp.config.issuers import IssuerConfig
from pdp.identity import base64url
from pdp.identity.binding import WITHOUT_PROOFS, Bindings
from pdp.identity.claims import check_answer, check_jwt
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.introspection import Introspector
from pdp.identity.jws import MAX_TOKEN, UnverifiedJws, check_header, key_id, parse_jws, parse_object, verify_signature
from pdp.identity.jwt_svid import JwtSvids, names_workload
from pdp.identity.keyset import KeySet
from pdp.identity.keysource import KeySource
from pdp.identity.presented import Presented
from pdp.identity.revocations import Revocations
from pdp.identity.subject import Subject
from pdp.identity.token_cache import TokenCache, token_key
from pdp.identity.verified import VerifiedToken
from pdp.telemetry.identity import IdentityMetrics

__all__ = ["IdentityError", "Issuer", "TokenVerifier"]

_OPAQUE: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a token is that is sent as a credential (RFC 6750, section 2.1)."""


@final
@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer, its keys if it has any, and how it is asked if it is."""

    config: IssuerConfig
    keys: KeySource | None
    introspector: Introspector | None = None


@final
@dataclass(frozen=True, slots=True)
class _Known:
    """A verified token, and what it was verified with: nothing if its issuer was asked."""

    token: VerifiedToken
    source: KeySource | None = None
    keys: KeySet | None = None


@final
class TokenVerifier:
    """Verifies the tokens of these issuers. May be used from any thread. `leeway` is in ms."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        leeway: int,
        *,
        metrics: IdentityMetrics,
        bindings: Bindings = WITHOUT_PROOFS,
        revocations: Revocations | None = None,
        cache: TokenCacheConfig | None = None,
        svids: JwtSvids | None = None,
    ) -> None:
        bounds = cache or TokenCacheConfig()
        self.revocations: Final = Revocations() if revocations is None else revocations
        self.bindings = bindings
        self._svids = svids
        self._issuers: Final = {issuer.config.issuer: issuer for issuer in issuers}
        self._asked = next((issuer for issuer in self._issuers.values() if issuer.introspector is not None), None)
        self._leeway = leeway
        self._metrics = metrics
        self._known: TokenCache[_Known] = TokenCache(bounds.entries, bounds.characters)
        metrics.show(lambda: len(self._known), lambda: len(self.revocations))

    def verify(self, presented: Presented, now: int) -> Subject:
        """The subject of a token at `now` (ms since 1970 UTC). Raises IdentityError.

        The subject's `expires_at` is the first instant at which the token is no longer accepted.
        """
        token = self._verified(presented.token, now)
        self.revocations.refuse_revoked(token)
        self.bindings.check(token.confirmation, presented, now)
        return token.subject

    def _verified(self, text: str, now: int) -> VerifiedToken:
        """The token, remembered or verified now; what is asked of it every time is not asked here."""
        if len(text) > MAX_TOKEN:
            raise IdentityError(f"the token is longer than {MAX_TOKEN} characters", Refusal.MALFORMED)
        key = token_key(text)
        known = self._known.get(key, now)
        if known is not None and _holds(known, now):
            self._metrics.looked(found=True)
            return known.token
        self._metrics.looked(found=False)
        known = self._jwt(text, key, now) if _is_jws(text) else self._opaque(text, key, now)
        if known.source is not None or self._keeps_answers:
            self._known.put(key, known, known.token.subject.expires_at or now, len(text))
        return known.token

    @property
    def _keeps_answers(self) -> bool:
        """Whether an issuer's word is believed for longer than the request that asked for it."""
        introspection = None if self._asked is None else self._asked.config.introspection
        return introspection is not None and introspection.max_age > 0

    def _jwt(self, text: str, key: bytes, now: int) -> _Known:
        jws = parse_jws(text)
        claims = parse_object(jws.payload, "claims")
        if self._svids is not None and names_workload(claims) and not self._knows(claims.get("iss")):
            return _Known(*self._svids.verify(jws, claims, self._leeway, now))
        issuer = self._issuer(claims)
        config, source = issuer.config, issuer.keys
        if source is None:
            return self._opaque(text, key, now)
        check_header(jws.header, config.algorithms)
        keys = _signed_with(jws, source, now)
        return _Known(check_jwt(jws.header, claims, config, self._leeway, now), source, keys)

    def _knows(self, name: Json) -> bool:
        return isinstance(name, str) and name in self._issuers

    def _issuer(self, claims: Mapping[str, Json]) -> Issuer:
        """Whose token it says to be. Nothing of it is believed but by that issuer's own keys."""
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise IdentityError("the token is from another issuer", Refusal.ISSUER)
        return issuer

    def _opaque(self, text: str, key: bytes, now: int) -> _Known:
        issuer = self._asked
        if issuer is None or issuer.introspector is None or issuer.config.introspection is None:
            raise IdentityError("the token is not a signed JWT", Refusal.MALFORMED)
        if _OPAQUE.fullmatch(text) is None:
            raise IdentityError("the token holds characters that no token has", Refusal.MALFORMED)
        answer = issuer.introspector.ask(text, key, now)
        config, introspection = issuer.config, issuer.config.introspection
        return _Known(check_answer(answer.claims, config, introspection, self._leeway, now, asked_at=answer.asked_at))


def _holds(known: _Known, now: int) -> bool:
    """Whether verifying anew would come to the same. Raises IdentityError when the keys are no longer believed."""
    if now < known.token.not_before:  # the clock was set back
        return False
    return known.source is None or known.source.current(now) is known.keys


def _signed_with(jws: UnverifiedJws, source: KeySource, now: int) -> KeySet:
    """The issuer's keys, one of which has signed. Raises IdentityError."""
    keys, kid = source.current(now), key_id(jws.header)
    if kid is not None and keys.find(kid) is None:
        keys = source.newer(kid, now)
    verify_signature(jws, keys)
    return keys


def _is_jws(text: str) -> bool:
    """Whether a token has the shape of a signed JWT: three parts, and a first one that begins a JSON object."""
    head, dot, rest = text.partition(".")
    if not dot or rest.count(".") != 1:
        return False
    return (base64url.decode(head) or b"").lstrip(b" \t\r\n").startswith(b"{")
