"""JWT-SVIDs: JWTs that name a workload by its SPIFFE ID (JWT-SVID, sections 2 to 4).

    the header    `alg`, and `kid` and `typ` if any, and nothing else; `alg` one of RS, ES and PS; `typ` `JWT` or `JOSE`
    the key       one with the `use` `jwt-svid`, in the bundle of the trust domain that `sub` names
    the claims    `sub` a workload's id, `aud` containing ours, `exp` ahead; `nbf` and `iat`, if any, not ahead

What else a JWT-SVID says is not looked at, but for `cnf`: if it is bound to its sender, it must be shown by that one.
"""

from collections.abc import Mapping
from typing import Final, final

from pdp.cedar.wire.strict_json import Json
from pdp.config.spiffe import SpiffeConfig
from pdp.identity.binding import read_confirmation
from pdp.identity.claims import check_audience, expiry, not_ahead
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.jws import UnverifiedJws, check_header, verify_signature
from pdp.identity.keyset import KeySet
from pdp.identity.keysource import KeySource
from pdp.identity.mapping import text_claim
from pdp.identity.spiffe_id import SpiffeId, parse_spiffe_id
from pdp.identity.subject import Method
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.verified import VerifiedToken
from pdp.identity.workloads import workload_subject

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
"""All that a JWT-SVID may be signed with (section 2.1)."""

_HEADER: Final = frozenset({"alg", "kid", "typ"})
_TYPES: Final = ("JWT", "JOSE")


@final
class BundleKeys:
    """The keys of one trust domain, as a source of keys."""

    def __init__(self, bundles: TrustBundles, trust_domain: str) -> None:
        self._bundles = bundles
        self._trust_domain = trust_domain

    def current(self, now: int) -> KeySet:  # noqa: ARG002  the port's
        """The keys that are believed: the same object as long as the bundle is the same. Raises IdentityError."""
        return self._bundles.of(self._trust_domain).jwt_keys

    def newer(self, kid: str, now: int) -> KeySet:  # noqa: ARG002  the port's
        """The same: whoever changes the file has it loaded."""
        return self.current(now)


@final
class JwtSvids:
    """Verifies JWT-SVIDs of the trust domains that are believed. May be used from any thread."""

    def __init__(self, config: SpiffeConfig, bundles: TrustBundles) -> None:
        self._config = config
        self._sources = {name: BundleKeys(bundles, name) for name in config.domains}

    def verify(
        self, jws: UnverifiedJws, claims: Mapping[str, Json], leeway: int, now: int
    ) -> tuple[VerifiedToken, KeySource, KeySet]:
        """The token that a JWT-SVID is, and the keys that it was verified with. `claims` are those of `jws`.

        Raises IdentityError.
        """
        _check_header(jws.header)
        workload = parse_spiffe_id(text_claim(claims, "sub") or "")
        if workload is None or not workload.path:
            raise IdentityError("the token does not name a workload of SPIFFE")
        source = self._sources.get(workload.trust_domain)
        if source is None:
            raise IdentityError("the workload is of a trust domain that is not known here", Refusal.TRUST_DOMAIN)
        keys = source.current(now)
        verify_signature(jws, keys)
        return self._token(workload, claims, leeway, now), source, keys

    def _token(self, workload: SpiffeId, claims: Mapping[str, Json], leeway: int, now: int) -> VerifiedToken:
        audience = self._config.audience
        if audience is None:
            raise IdentityError("tokens of workloads are not accepted here", Refusal.AUDIENCE)
        check_audience(claims, audience)
        ends = expiry(claims, leeway, now)
        if ends is None:
            raise IdentityError("the token has no claim `exp`")
        issued, begins = (not_ahead(claims, name, leeway, now) for name in ("iat", "nbf"))
        return VerifiedToken(
            workload_subject(workload, self._config, Method.JWT_SVID, ends),
            f"spiffe://{workload.trust_domain}",
            max(issued or 0, begins or 0) - leeway,
            name=str(workload),
            token_id=text_claim(claims, "jti"),
            issued_at=issued,
            confirmation=read_confirmation(claims),
        )


def names_workload(claims: Mapping[str, Json]) -> bool:
    """Whether claims say that they are a JWT-SVID's: which rules a token is held to, and nothing else, hangs on it."""
    name = claims.get("sub")
    return isinstance(name, str) and name.startswith("spiffe://")


def _check_header(header: Mapping[str, Json]) -> None:
    check_header(header, ALGORITHMS)
    if not header.keys() <= _HEADER:
        raise IdentityError("the token's header has more than a JWT-SVID may have", Refusal.HEADER)
    if header.get("typ", "JWT") not in _TYPES:
        raise IdentityError("the token is of a type that is not accepted", Refusal.TYPE)
