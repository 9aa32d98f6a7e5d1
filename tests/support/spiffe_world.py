"""Trust domains: authorities, the certificates and tokens of workloads, and bundles."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from issuer import Signer
from jwt import get_algorithm_by_name

from pdp.cedar.source import Source
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig
from pdp.identity.trust_bundles import TrustBundles, read_trust_bundle

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
HOUR = 3_600_000
OWN, PARTNER = "consortium.example", "partner.example"

BOTH_ENDS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])

Extensions = Sequence[tuple[x509.ExtensionType, bool]]
"""Extensions, each with whether it is critical."""


@cache
def a_key(name: str) -> Any:
    """A private key, always the same one for a name."""
    return ec.generate_private_key(ec.SECP256R1())


def usage(**uses: bool) -> x509.KeyUsage:
    """A key usage with these uses alone."""
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})


def uris(*names: str) -> x509.SubjectAlternativeName:
    """Names that are URIs."""
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names])


def of_authority(name: str | None = None) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions of an authority."""
    own: Extensions = [] if name is None else [(uris(name), False)]
    return [(x509.BasicConstraints(ca=True, path_length=None), True), (usage(key_cert_sign=True), True), *own]


def of_workload(name: str) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions of a workload's certificate."""
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage(digital_signature=True), True),
        (BOTH_ENDS, False),
        (uris(name), False),
    ]


def at(milliseconds: int) -> datetime:
    """An instant as the library has it."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


@dataclass(frozen=True)
class Authority:
    """Whoever issues certificates: an anchor, or an intermediate if `certificate` is by another one."""

    name: str
    certificate: x509.Certificate
    key: Any

    def issue(
        self,
        subject: str,
        extensions: Extensions,
        key: Any = None,
        begins: int = NOW - HOUR,
        ends: int = NOW + HOUR,
    ) -> x509.Certificate:
        """A certificate of this authority. `subject` may be empty; `begins` and `ends` are ms since 1970."""
        return certificate(subject, (key or a_key(subject)).public_key(), self.name, self.key, extensions, begins, ends)

    def workload(self, name: str, **dates: int) -> bytes:
        """The certificate (DER) of a workload."""
        return der(self.issue("workload", of_workload(name), **dates))

    def intermediate(self, name: str, extensions: Extensions, **dates: int) -> "Authority":
        """Another authority below this one."""
        return Authority(name, self.issue(name, extensions, **dates), a_key(name))

    def jwk(self) -> dict[str, object]:
        """The certificate as an entry of a bundle."""
        return authority_entry(self.certificate)


def certificate(
    subject: str,
    public: Any,
    issuer: str,
    key: Any,
    extensions: Extensions,
    begins: int = NOW - HOUR,
    ends: int = NOW + HOUR,
) -> x509.Certificate:
    """A certificate of these parts."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject))
        .issuer_name(_common_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at(begins))
        .not_valid_after(at(ends))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def anchor(name: str, extensions: Extensions | None = None, days: int = 365) -> Authority:
    """An authority that vouches for itself; the same key for the same name."""
    key, span = a_key(name), timedelta(days=days) // timedelta(milliseconds=1)
    chosen = of_authority() if extensions is None else extensions
    return Authority(name, certificate(name, key.public_key(), name, key, chosen, NOW - span, NOW + span), key)


def der(certificate: x509.Certificate) -> bytes:
    """The bytes of a certificate."""
    return certificate.public_bytes(Encoding.DER)


def authority_entry(certificate: x509.Certificate, **members: object) -> dict[str, object]:
    """A certificate as an entry of a bundle. `members` replace and add; None removes."""
    public = certificate.public_key()
    algorithm = "ES256" if isinstance(public, ec.EllipticCurvePublicKey) else "RS256"
    jwk = dict(get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True))
    jwk.pop("key_ops", None)
    jwk |= {"use": "x509-svid", "x5c": [b64encode(der(certificate)).decode()], **members}
    return {name: member for name, member in jwk.items() if member is not None}


def token_entry(signer: Signer, **members: object) -> dict[str, object]:
    """The key of a signer of JWT-SVIDs as an entry of a bundle."""
    return signer.jwk(use="jwt-svid", alg=None, **members)


def bundle_text(entries: Iterable[Mapping[str, object]], **members: object) -> str:
    """A bundle of these entries."""
    return json.dumps({"keys": list(entries), **members})


def spiffe_config(**changes: Any) -> SpiffeConfig:
    """Our own trust domain and a partner's."""
    domains = {
        OWN: TrustDomainConfig(Path("own.json"), "Workload"),
        PARTNER: TrustDomainConfig(Path("partner.json"), "PartnerWorkload"),
    }
    parts = {"trust_domain": "trust_domain", "path": "path"}
    return SpiffeConfig(**{"trust_domain": OWN, "domains": domains, "audience": "pdp", "attributes": parts} | changes)


def bundles(**entries: Iterable[Mapping[str, object]]) -> TrustBundles:
    """The bundles of these trust domains, `own` and `partner`, without files."""
    names = {"own": OWN, "partner": PARTNER}
    made = TrustBundles(spiffe_config())
    made._bundles = {
        names[name]: read_trust_bundle(Source(f"{name}.json", bundle_text(listed)), names[name])
        for name, listed in entries.items()
    }
    return made
