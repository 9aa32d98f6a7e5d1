"""Workloads as subjects, and the memory of certificates that were verified."""

from dataclasses import replace
from pathlib import Path

import pytest
from spiffe_world import HOUR, NOW, OWN, PARTNER, anchor, bundles, der, of_authority, spiffe_config

from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.config.spiffe import TrustDomainConfig
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.presented import Presented
from pdp.identity.schema_check import MappingError, check_workloads
from pdp.identity.spiffe_id import SpiffeId
from pdp.identity.subject import Method
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.workloads import CertificateVerifier, workload_subject

ROOT, PARTNER_ROOT = anchor("own root"), anchor("partner root")
BILLING = f"spiffe://{OWN}/billing"


def trusted() -> TrustBundles:
    return bundles(own=[ROOT.jwk()], partner=[PARTNER_ROOT.jwk()])


def test_a_workload_becomes_a_subject() -> None:
    subject = CertificateVerifier(spiffe_config(), trusted()).verify(Presented(certificate=ROOT.workload(BILLING)), NOW)
    assert (subject.uid, subject.method) == (EntityUID("Workload", BILLING), Method.X509_SVID)
    assert dict(subject.entity.attrs) == {"trust_domain": OWN, "path": "/billing"}
    assert (subject.entity.parents, subject.device, subject.acr) == (frozenset(), None, None)
    assert (subject.authenticated_at, subject.expires_at) == (None, NOW + HOUR)


def test_the_trust_domain_says_of_which_type_it_is() -> None:
    verifier = CertificateVerifier(spiffe_config(), trusted())
    presented = Presented(certificate=PARTNER_ROOT.workload(f"spiffe://{PARTNER}/billing"))
    assert verifier.verify(presented, NOW).uid == EntityUID("PartnerWorkload", f"spiffe://{PARTNER}/billing")


@pytest.mark.parametrize(("id", "expected"), [("spiffe_id", BILLING), ("path", "/billing")])
def test_the_configuration_says_what_the_id_is(id: str, expected: str) -> None:
    config = spiffe_config(domains={OWN: TrustDomainConfig(Path("own.json"), "Service", id)}, attributes={})
    subject = workload_subject(SpiffeId(OWN, "/billing"), config, Method.JWT_SVID, NOW)
    assert subject.uid == EntityUID("Service", expected)
    assert dict(subject.entity.attrs) == {}


def test_the_configuration_says_what_the_attributes_are() -> None:
    config = spiffe_config(attributes={"id": "spiffe_id", "realm": "trust_domain", "name": "path"})
    subject = workload_subject(SpiffeId(OWN, "/billing"), config, Method.JWT_SVID, NOW)
    assert dict(subject.entity.attrs) == {"id": BILLING, "realm": OWN, "name": "/billing"}


# What is remembered


def test_a_certificate_that_was_verified_is_still_held_against_the_clock() -> None:
    verifier, presented = CertificateVerifier(spiffe_config(), trusted()), Presented(certificate=ROOT.workload(BILLING))
    for _ in range(2):
        assert verifier.verify(presented, NOW).uid.id == BILLING
    for now, code in ((NOW + HOUR, "expired"), (NOW - HOUR - 1, "not_yet_valid")):
        with pytest.raises(IdentityError) as caught:
            verifier.verify(presented, now)
        assert caught.value.code == code
    assert verifier.verify(presented, NOW).uid.id == BILLING


def test_it_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, presented = CertificateVerifier(spiffe_config(), trusted()), Presented(certificate=ROOT.workload(BILLING))
    first = verifier.verify(presented, NOW)
    monkeypatch.setattr("pdp.identity.workloads.verify_x509_svid", None)
    assert verifier.verify(presented, NOW) == first


def test_with_another_bundle_it_is_verified_anew() -> None:
    own = trusted()
    verifier, presented = CertificateVerifier(spiffe_config(), own), Presented(certificate=ROOT.workload(BILLING))
    verifier.verify(presented, NOW)
    own._bundles = bundles(own=[PARTNER_ROOT.jwk()])._bundles
    with pytest.raises(IdentityError) as caught:
        verifier.verify(presented, NOW)
    assert caught.value.code == Refusal.CERTIFICATE.value
    own._bundles = {}
    with pytest.raises(IdentityError) as caught:
        verifier.verify(presented, NOW)
    assert caught.value.code == Refusal.TRUST_DOMAIN.value


def test_what_is_remembered_is_all_that_was_shown() -> None:
    verifier = CertificateVerifier(spiffe_config(), trusted())
    middle = ROOT.intermediate("middle", of_authority())
    leaf, between = middle.workload(BILLING), der(middle.certificate)
    assert verifier.verify(Presented(certificate=leaf, chain=(between,)), NOW).uid.id == BILLING
    for certificate, chain in ((leaf, ()), (leaf + between, ()), (between, (leaf,)), (leaf[:-1], (between,))):
        with pytest.raises(IdentityError):
            verifier.verify(Presented(certificate=certificate, chain=chain), NOW)


def test_what_was_refused_is_not_remembered() -> None:
    own = bundles(own=[])
    verifier, presented = CertificateVerifier(spiffe_config(), own), Presented(certificate=ROOT.workload(BILLING))
    with pytest.raises(IdentityError):
        verifier.verify(presented, NOW)
    own._bundles = trusted()._bundles
    assert verifier.verify(presented, NOW).uid.id == BILLING


def test_two_workloads_are_never_one_entity() -> None:
    """Over all pairs of a few trust domains and paths, with each id that a configuration may give them."""
    names = [SpiffeId(domain, path) for domain in (OWN, PARTNER) for path in ("/a", "/b", "/a/b")]
    for id in ("spiffe_id", "path"):
        config = spiffe_config()
        config = replace(config, domains={name: replace(domain, id=id) for name, domain in config.domains.items()})
        assert len({workload_subject(name, config, Method.JWT_SVID, NOW).uid for name in names}) == len(names)


# The schema


def schema(text: str) -> Schema:
    return parse_schema(Source("schema.cedarschema", text))


FITS = "entity Workload, PartnerWorkload { trust_domain: String, path?: String };"
MISFITS = {
    "a type is missing": ("entity Workload { trust_domain: String, path: String };", "PartnerWorkload"),
    "an attribute is missing": ("entity Workload, PartnerWorkload { trust_domain: String };", "path"),
    "an attribute is no text": ("entity Workload, PartnerWorkload { trust_domain: String, path: Long };", "path"),
    "an attribute is a set": (
        "entity Workload, PartnerWorkload { trust_domain: Set<String>, path: String };",
        "trust_domain",
    ),
}


def test_a_configuration_that_fits_the_schema() -> None:
    check_workloads(spiffe_config(), schema(FITS))
    check_workloads(spiffe_config(attributes={}), schema("entity Workload, PartnerWorkload;"))
    check_workloads(None, schema(""))


@pytest.mark.parametrize(("text", "named"), MISFITS.values(), ids=MISFITS)
def test_a_configuration_that_never_fits_the_schema_is_refused(text: str, named: str) -> None:
    with pytest.raises(MappingError, match=f"`{named}`"):
        check_workloads(spiffe_config(), schema(text))
