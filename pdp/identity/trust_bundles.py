"""The keys of trust domains: SPIFFE bundles (SPIFFE Trust Domain and Bundle, section 4), each for one domain alone.

    x509-svid   a certificate that issues X.509-SVIDs: one in `x5c`, of which the first counts (X509-SVID, section 6)
    jwt-svid    a key that signs JWT-SVIDs, with its `kid` (JWT-SVID, section 5)

Entries of another `use`, or without one, and of an unknown type of key are passed over, as the specification wants it;
whatever else is wrong refuses the bundle, and the one before stays. A bundle without keys is good: it withdraws the
trust in all of its domain's workloads. During a rotation old and new keys stand in it beside each other.

The numbers `spiffe_sequence` of one domain's bundles must grow. `spiffe_refresh_hint` is how often to look for another
one; files are looked at more often than any hint says.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate
from cryptography.x509.verification import Store
from jwt import get_algorithm_by_name

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.wire.strict_json import Json
from pdp.config.spiffe import SpiffeConfig
from pdp.documents import Table, parse_json_document, read_source
from pdp.identity.certificates import BadCertificateError, Profile, read_certificate, refuse_as_authority
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.keyset import KeySet, VerificationKey, read_key, refuse_secrets

X509_SVID: Final = "x509-svid"
JWT_SVID: Final = "jwt-svid"

MAX_KEYS: Final = 1_000
"""Entries of one bundle."""

_KEY_TYPES: Final = ("EC", "RSA")
"""Types of keys that SVIDs are verified with. JWT-SVIDs have no algorithm for any other (JWT-SVID, section 2.1)."""

_MAX_SEQUENCE: Final = 2**63 - 1


class TrustBundleError(CedarError):
    """A trust bundle that cannot be read, or that is older than the one that it would replace."""

    code = "trust_bundle"


@final
@dataclass(frozen=True, slots=True)
class TrustBundle:
    """What is believed of one trust domain. `authorities` is None without certificates, `sequence` if it has none."""

    trust_domain: str
    text: str
    certificates: tuple[Certificate, ...]
    authorities: Store | None
    jwt_keys: KeySet
    sequence: int | None


def read_trust_bundle(source: Source, trust_domain: str) -> TrustBundle:
    """The bundle of a text. Raises TrustBundleError, KeySetError, DocumentError or JsonError, with a place."""
    table = parse_json_document(source).table()
    sequence, hint = table.get("spiffe_sequence"), table.get("spiffe_refresh_hint")
    if hint is not None:
        hint.integer(0, _MAX_SEQUENCE)
    listed = table.require("keys")
    nodes = listed.items()
    if len(nodes) > MAX_KEYS:
        listed.refuse(f"more than {MAX_KEYS} keys")
    refuse_secrets(nodes)
    certificates: list[Certificate] = []
    keys: dict[str | None, VerificationKey] = {}
    for node in nodes:
        entry = node.table()
        match _use(entry):
            case "x509-svid":
                certificates += _authority(entry)
            case "jwt-svid":
                entry.require("kid").text()
                key = read_key(node, JWT_SVID)
                if key.kid in keys:
                    node.refuse("an earlier key has the same `kid`", "a `kid` must name one key")
                keys[key.kid] = key
            case _:
                continue
    return TrustBundle(
        trust_domain,
        source.text,
        tuple(certificates),
        Store(certificates) if certificates else None,
        KeySet(keys.values()),
        None if sequence is None else sequence.integer(0, _MAX_SEQUENCE),
    )


def _use(entry: Table) -> Json:
    """What an entry is for; None for one that is passed over."""
    use, kty = entry.get("use"), entry.require("kty")
    return use.value if use is not None and kty.value in _KEY_TYPES else None


def _authority(entry: Table) -> list[Certificate]:
    """The certificate of an entry, none if it has none."""
    chain = entry.get("x5c")
    if chain is None or not chain.items():
        return []
    first = chain.items()[0]
    try:
        data = b64decode(first.text(), validate=True)
    except ValueError:
        first.refuse("this is not base64", "write the certificate in DER, in base64 with padding, on one line")
    try:
        certificate = read_certificate(data)
        refuse_as_authority(certificate, Profile.ANCHOR)
    except BadCertificateError as error:
        first.refuse(error.message)
    stated = {name: member.value for name in ("kty", "crv", "x", "y", "n", "e") if (member := entry.get(name))}
    if stated != _jwk(certificate):
        entry.node.refuse("the key is not the one of its certificate", "see RFC 7517, section 4.7")
    return [certificate]


def _jwk(certificate: Certificate) -> Mapping[str, object] | None:
    """The members that make the certificate's key, as RFC 7518 (section 6) writes them."""
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return None
    algorithm = get_algorithm_by_name("RS256" if isinstance(key, RSAPublicKey) else "ES256")
    jwk = algorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}


PutInPlace: TypeAlias = Callable[[], None]
"""Puts in place what was read, and cannot fail."""


@final
class TrustBundles:
    """The bundles of all trust domains that are believed, read from files. May be used from any thread."""

    def __init__(self, config: SpiffeConfig) -> None:
        self._files: Final = {name: domain.bundle for name, domain in config.domains.items()}
        self._bundles: Mapping[str, TrustBundle] = {}

    def of(self, trust_domain: str) -> TrustBundle:
        """The domain's bundle: the same object as long as the file is the same. Raises IdentityError (TRUST_DOMAIN).

        INVARIANT: an SVID is verified with the bundle of the trust domain in its own name, and with no other: then
        nobody vouches for the workloads of somebody else.
        """
        bundle = self._bundles.get(trust_domain)
        if bundle is None:
            raise IdentityError("the workload is of a trust domain that is not known here", Refusal.TRUST_DOMAIN)
        return bundle

    def load(self) -> PutInPlace:
        """Read all files. Raises CedarError for the first one at fault, with nothing changed."""
        before = self._bundles
        bundles = {}
        for name, path in self._files.items():
            help = f"`identity.spiffe` names a file with the SPIFFE bundle of `{name}`"
            source = read_source(path, TrustBundleError, help)
            old = before.get(name)
            bundles[name] = old if old is not None and old.text == source.text else _successor(source, name, old)

        def put() -> None:
            self._bundles = bundles

        return put


def _successor(source: Source, trust_domain: str, old: TrustBundle | None) -> TrustBundle:
    """The bundle of a text that differs from the old one's. An older bundle may hold keys that were withdrawn since."""
    bundle = read_trust_bundle(source, trust_domain)
    if old is not None and old.sequence is not None and (bundle.sequence is None or bundle.sequence <= old.sequence):
        raise TrustBundleError(
            f"the bundle of `{trust_domain}` has changed and is no later one than that in force",
            source=source,
            help=f"its `spiffe_sequence` must be above {old.sequence}; a restart takes any",
        )
    return bundle
