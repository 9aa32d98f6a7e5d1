"""Workloads as subjects: from a verified SPIFFE ID to a Cedar entity, and the verifier of certificates that name one.

Nothing is taken from a certificate or a JWT-SVID but the id: its trust domain says of which type the entity is, and the
configuration which parts of the id become its attributes. The facts that are stored of a workload are joined to it by
the engine, as with every subject.
"""

from hashlib import sha256
from typing import Final, final

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID
from pdp.config.spiffe import PATH, SPIFFE_ID, TRUST_DOMAIN, SpiffeConfig
from pdp.identity.presented import Presented
from pdp.identity.spiffe_id import SpiffeId
from pdp.identity.subject import Method, Subject
from pdp.identity.token_cache import TokenCache
from pdp.identity.trust_bundles import TrustBundle, TrustBundles
from pdp.identity.x509_svid import X509Svid, refuse_large, verify_x509_svid

CACHED: Final = 10_000
"""Certificates that are remembered after they were verified, with what came with them."""


def workload_subject(workload: SpiffeId, config: SpiffeConfig, method: Method, expires_at: int) -> Subject:
    """The subject that a workload of one of the configured trust domains is."""
    domain = config.domains[workload.trust_domain]
    parts = {SPIFFE_ID: str(workload), TRUST_DOMAIN: workload.trust_domain, PATH: workload.path}
    uid = EntityUID(domain.type, parts[domain.id])
    attributes = {name: parts[part] for name, part in config.attributes.items()}
    return Subject(Entity(uid, attributes), method, expires_at=expires_at)


@final
class CertificateVerifier:
    """Verifies X.509-SVIDs of the trust domains that are believed. May be used from any thread.

    What was verified is remembered by the hash of all that was shown, as long as the bundle is the same.
    """

    def __init__(self, config: SpiffeConfig, bundles: TrustBundles) -> None:
        self._config = config
        self._bundles = bundles
        self._known: TokenCache[tuple[X509Svid, TrustBundle]] = TokenCache(CACHED, CACHED)

    def verify(self, presented: Presented, now: int) -> Subject:
        """The subject of a certificate at `now` (ms since 1970 UTC). Raises IdentityError."""
        svid = self._verified(presented, now)
        return workload_subject(svid.workload, self._config, Method.X509_SVID, svid.expires_at)

    def _verified(self, presented: Presented, now: int) -> X509Svid:
        refuse_large(presented.certificate, presented.chain)
        key = _key(presented)
        known = self._known.get(key, now)
        if known is not None:
            svid, bundle = known
            if svid.not_before <= now and self._bundles.of(svid.workload.trust_domain) is bundle:
                return svid
        svid, bundle = verify_x509_svid(presented.certificate, presented.chain, self._bundles, now)
        self._known.put(key, (svid, bundle), svid.expires_at, 1)
        return svid


def _key(presented: Presented) -> bytes:
    """Canonical: how long each certificate is, and the certificate."""
    hashed = sha256()
    for certificate in (presented.certificate, *presented.chain):
        hashed.update(len(certificate).to_bytes(8))
        hashed.update(certificate)
    return hashed.digest()
