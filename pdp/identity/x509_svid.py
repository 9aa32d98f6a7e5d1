"""X.509-SVIDs: a workload that has proved, to whoever ended its TLS session, to hold the key of its certificate.

The library finds the way from the leaf to an anchor and checks it by RFC 5280, section 6: signatures, names, dates,
lengths of paths, name constraints. What SPIFFE wants beyond that is checked here, on the leaf before and on the whole
way after (`certificates`; X509-SVID, section 5). The library verifies what RSA keys and those of the NIST's curves have
signed; authorities with other keys are refused.

Revocation lists are not asked for: SPIFFE has none, but short lives. Dates are held against `now` without leeway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, final

from cryptography.x509 import BasicConstraints, Certificate, UnsupportedGeneralNameType
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from pdp.identity.certificates import (
    MAX_CERTIFICATE,
    BadCertificateError,
    Profile,
    read_certificate,
    refuse_as_authority,
    workload_of,
)
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.spiffe_id import SpiffeId
from pdp.identity.trust_bundles import TrustBundle, TrustBundles

MAX_CHAIN: Final = 8
"""Certificates that may come with a leaf, and that may stand between it and an anchor."""


@final
@dataclass(frozen=True, slots=True)
class X509Svid:
    """A verified certificate's workload. It is believed while `not_before <= now < expires_at` (ms since 1970 UTC)."""

    workload: SpiffeId
    not_before: int
    expires_at: int


def verify_x509_svid(
    certificate: bytes, chain: Sequence[bytes], bundles: TrustBundles, now: int
) -> tuple[X509Svid, TrustBundle]:
    """The workload of a certificate (DER) at `now`, and the bundle that vouches for it. `chain` are the certificates
    that came with it, in any order.

    Raises IdentityError: CERTIFICATE, TRUST_DOMAIN, EXPIRED, NOT_YET_VALID.
    """
    refuse_large(certificate, chain)
    try:
        leaf = read_certificate(certificate)
        workload = workload_of(leaf)
        bundle = bundles.of(workload.trust_domain)
        if bundle.authorities is None:
            raise IdentityError("the workload's trust domain has no certificates at present", Refusal.TRUST_DOMAIN)
        _check_dates([leaf], now)
        way = _way(leaf, [read_certificate(other) for other in chain], bundle.authorities, now)
        for between in way[1:-1]:
            refuse_as_authority(between, Profile.INTERMEDIATE, workload.trust_domain)
    except BadCertificateError as error:
        raise _refused(error.message) from None
    begins, ends = _check_dates(way, now)
    return X509Svid(workload, begins, ends), bundle


def refuse_large(certificate: bytes, chain: Sequence[bytes]) -> None:
    """Raises IdentityError (CERTIFICATE) for more than is looked at."""
    if len(chain) > MAX_CHAIN:
        raise _refused(f"more than {MAX_CHAIN} certificates came with the client's")
    if any(len(one) > MAX_CERTIFICATE for one in (certificate, *chain)):
        raise _refused(f"a certificate is longer than {MAX_CERTIFICATE} bytes")


_AUTHORITIES: Final = ExtensionPolicy.permit_all().require_present(BasicConstraints, Criticality.AGNOSTIC, None)
"""The library demands basic constraints, and that they are an authority's; the rest is for `refuse_as_authority`."""

_LEAVES: Final = ExtensionPolicy.permit_all()


def _way(leaf: Certificate, others: list[Certificate], authorities: Store, now: int) -> list[Certificate]:
    """The leaf, what is between, and the anchor: every one valid at `now`, and signed by the next one."""
    verifier = (
        PolicyBuilder()
        .store(authorities)
        .time(datetime.fromtimestamp(now // 1000, UTC))
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=_AUTHORITIES, ee_policy=_LEAVES)
        .build_client_verifier()
    )
    try:
        way = verifier.verify(leaf, others).chain
    except (VerificationError, UnsupportedGeneralNameType):
        # Not chained: the causes repeat what the certificates say.
        raise _refused("no authority of the workload's trust domain vouches for the certificate") from None
    if len(way) < 2:
        raise _refused("the certificate is one of those that vouch for others")
    return way


def _check_dates(certificates: Sequence[Certificate], now: int) -> tuple[int, int]:
    """When (ms) all of them begin and when the first of them ends: that is not before, and after, `now`."""
    begins = max(_ms(certificate.not_valid_before_utc) for certificate in certificates)
    ends = min(_ms(certificate.not_valid_after_utc) for certificate in certificates)
    if now < begins:
        raise IdentityError("the certificate is not valid yet", Refusal.NOT_YET_VALID)
    if now >= ends:
        raise IdentityError("the certificate has expired", Refusal.EXPIRED)
    return begins, ends


def _ms(date: datetime) -> int:
    return int(date.timestamp()) * 1000


def _refused(message: str) -> IdentityError:
    return IdentityError(message, Refusal.CERTIFICATE)
