"""Every kind of credential through the one service, from the files of a configuration: tokens that are bound or not,
JWT-SVIDs, certificates; what is loaded anew, and what stays."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from issuer import Signer
from prometheus_client import CollectorRegistry
from prover import METHOD, URL, Prover, shown
from spiffe_world import NOW, OWN, PARTNER, SECONDS, anchor, bundle_text, token_entry

from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID
from pdp.config.credentials import DpopConfig, NonceConfig
from pdp.config.identity import IdentityConfig
from pdp.config.issuers import IssuerConfig
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig
from pdp.identity import base64url
from pdp.identity.errors import IdentityError
from pdp.identity.nonces import MIN_SECRET, Nonces
from pdp.identity.presented import Presented, Scheme
from pdp.identity.revocations import ALWAYS, Revocation, Scope
from pdp.identity.service import IdentityService
from pdp.identity.subject import Method, Subject
from pdp.telemetry.identity import IdentityMetrics

ISSUER, LEEWAY = "https://issuer.example/", 5_000
SIGNER, WORKLOADS, PROVER = Signer("ES256", "key-1"), Signer("ES256", "own-1", 3), Prover()
ROOT, PARTNER_ROOT = anchor("own root"), anchor("partner root")
BILLING = f"spiffe://{OWN}/billing"
LATE = SECONDS + 60
"""When a memory that began at NOW can know of every proof that is accepted."""


class World:
    """A service, its files, and its clock (ms)."""

    def __init__(self, folder: Path, started: int = NOW, **changes: Any) -> None:
        self.folder = folder
        self.now = started
        self.write("keys.json", json.dumps({"keys": [SIGNER.jwk()]}))
        self.write("own.json", bundle_text([ROOT.jwk(), token_entry(WORKLOADS)]))
        self.write("partner.json", bundle_text([PARTNER_ROOT.jwk()]))
        domains = {
            OWN: TrustDomainConfig(folder / "own.json"),
            PARTNER: TrustDomainConfig(folder / "partner.json", "PartnerWorkload"),
        }
        config = IdentityConfig(
            (IssuerConfig(ISSUER, "pdp", ("ES256",), folder / "keys.json"),),
            leeway=LEEWAY,
            dpop=DpopConfig(),
            spiffe=SpiffeConfig(OWN, domains, "pdp"),
        )
        self.service = IdentityService(
            replace(config, **changes),
            metrics=IdentityMetrics(CollectorRegistry()),
            report=lambda *_: None,
            clock=lambda: self.now,
        )
        self.service.load()()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def verify(self, presented: Presented) -> Subject:
        return self.service.verifier.verify(presented, self.now)

    def refused(self, presented: Presented) -> IdentityError:
        with pytest.raises(IdentityError) as caught:
            self.verify(presented)
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A minute after it began, so that proofs are accepted."""
    made = World(tmp_path)
    made.now = LATE * 1000
    return made


def token(**claims: object) -> str:
    return SIGNER.token({"iss": ISSUER, "aud": "pdp", "sub": "ana", "exp": SECONDS + 3600, **claims})


def svid(**claims: object) -> str:
    return WORKLOADS.token({"sub": BILLING, "aud": "pdp", "exp": SECONDS + 3600, **claims})


BOUND = token(cnf={"jkt": PROVER.jkt})


def test_a_bearer_token(world: World) -> None:
    assert world.verify(Presented(token())).uid == EntityUID("User", "ana")


def test_a_bound_token_needs_a_new_proof_for_each_use_remembered_or_not(world: World) -> None:
    first = PROVER.presented(BOUND, LATE)
    assert world.verify(first).uid.id == "ana"
    assert world.refused(first).code == "replayed"
    assert world.refused(Presented(BOUND)).code == "confirmation"
    assert world.refused(shown(BOUND)).code == "proof"
    assert world.refused(Prover(Signer(kid=None, number=8)).presented(BOUND, LATE)).code == "confirmation"
    assert world.verify(PROVER.presented(BOUND, LATE)).uid.id == "ana"


def test_a_bearer_token_with_the_scheme_of_dpop_is_refused(world: World) -> None:
    assert world.verify(Presented(token())).uid.id == "ana"
    assert world.refused(PROVER.presented(token(), LATE)).code == "confirmation"


def test_a_proof_is_not_used_up_by_a_token_that_is_refused(world: World) -> None:
    late = token(cnf={"jkt": PROVER.jkt}, exp=SECONDS)
    presented = PROVER.presented(late, LATE)
    assert world.refused(presented).code == "expired"
    assert world.refused(presented).code == "expired"


def test_a_token_that_is_bound_to_a_certificate(world: World) -> None:
    certificate = b"the client's certificate"
    bound = token(cnf={"x5t#S256": base64url.encode(sha256(certificate).digest())})
    for _ in range(2):
        assert world.verify(Presented(bound, certificate=certificate)).uid.id == "ana"
        assert world.refused(Presented(bound)).code == "confirmation"
        assert world.refused(Presented(bound, certificate=b"another")).code == "confirmation"


def test_a_workload_by_token_and_by_certificate_is_one_entity(world: World) -> None:
    by_token, by_certificate = (
        world.verify(Presented(svid())),
        world.verify(Presented(certificate=ROOT.workload(BILLING))),
    )
    assert by_token.uid == by_certificate.uid == EntityUID("Workload", BILLING)
    assert (by_token.method, by_certificate.method) == (Method.JWT_SVID, Method.X509_SVID)


def test_a_certificate_beside_a_token_names_nobody(world: World) -> None:
    assert world.verify(Presented(token(), certificate=ROOT.workload(BILLING))).uid == EntityUID("User", "ana")
    assert world.refused(Presented("rubbish", certificate=ROOT.workload(BILLING))).code == "malformed"


def test_nothing_is_refused(world: World) -> None:
    assert world.refused(Presented()).code == "certificate"


def test_an_issuer_of_people_names_no_workloads_by_the_rules_of_spiffe(world: World) -> None:
    """By its own rules it may call its people what it likes: they are of the issuer's types, and no workloads."""
    assert world.verify(Presented(token(sub=BILLING))).uid == EntityUID("User", BILLING)
    forged = SIGNER.token({"sub": BILLING, "aud": "pdp", "exp": SECONDS + 3600})
    assert world.refused(Presented(forged)).code == "unknown_key"


def test_a_trust_domain_names_no_people(world: World) -> None:
    assert world.refused(Presented(svid(iss=ISSUER))).code == "unknown_key"
    assert world.refused(Presented(svid(sub="ana"))).code == "issuer"


@pytest.mark.parametrize("iss", [["https://issuer.example/"], {}, 1, None, "https://spire.example"], ids=str)
def test_what_else_a_jwt_svid_says_of_its_issuer_is_not_looked_at(world: World, iss: object) -> None:
    assert world.verify(Presented(svid(iss=iss))).uid.id == BILLING


def test_a_bound_jwt_svid_is_held_to_it(world: World) -> None:
    bound = svid(cnf={"jkt": PROVER.jkt})
    assert world.verify(PROVER.presented(bound, LATE)).uid.id == BILLING
    assert world.refused(Presented(bound)).code == "confirmation"
    assert world.refused(PROVER.presented(svid(), LATE)).code == "confirmation"


def test_a_jwt_svid_that_was_revoked_is_refused(world: World) -> None:
    shown_once = Presented(svid(jti="one"))
    assert world.verify(shown_once).uid.id == BILLING
    world.service.revocations.add(Revocation((Scope.TOKEN, f"spiffe://{OWN}", "one"), ALWAYS))
    assert world.refused(shown_once).code == "revoked"


def test_where_no_trust_domain_is_configured_no_workload_is_known(tmp_path: Path) -> None:
    world = World(tmp_path, spiffe=None)
    assert world.refused(Presented(certificate=ROOT.workload(BILLING))).code == "certificate"
    assert world.refused(Presented(svid())).code == "issuer"
    assert world.service.proof_algorithms


def test_where_dpop_is_not_configured_bound_tokens_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, dpop=None)
    assert "not accepted here" in world.refused(PROVER.presented(BOUND, SECONDS)).message
    assert world.service.proof_algorithms == ()


# Loading


def test_all_files_are_watched(tmp_path: Path) -> None:
    (tmp_path / "nonce.txt").write_text("n" * MIN_SECRET)
    world = World(tmp_path, dpop=DpopConfig(nonce=NonceConfig(secret=tmp_path / "nonce.txt")))
    names = {"keys.json", "own.json", "partner.json", "nonce.txt"}
    assert {path.name for path in world.service.sources()} == names
    for dpop in (None, DpopConfig(), DpopConfig(nonce=NonceConfig())):
        without = World(tmp_path, dpop=dpop, spiffe=None)
        assert {path.name for path in without.service.sources()} == {"keys.json"}


def test_a_rotation_of_a_bundle_takes_effect_with_what_was_remembered(world: World) -> None:
    certificate, text = Presented(certificate=ROOT.workload(BILLING)), Presented(svid())
    world.verify(certificate)
    world.verify(text)
    new, signer = anchor("new root"), Signer("ES256", "own-2", 4)
    world.write("own.json", bundle_text([new.jwk(), token_entry(signer)]))
    put = world.service.load()
    world.verify(certificate)
    put()
    assert world.refused(certificate).code == "certificate"
    assert world.refused(text).code == "unknown_key"
    assert world.verify(Presented(certificate=new.workload(BILLING))).uid.id == BILLING


@pytest.mark.parametrize("name", ["own.json", "partner.json", "keys.json"])
def test_a_broken_file_leaves_everything_as_it_was(world: World, name: str) -> None:
    world.write("own.json", bundle_text([]))
    world.write(name, "{")
    with pytest.raises(CedarError):
        world.service.load()
    assert world.verify(Presented(certificate=ROOT.workload(BILLING))).uid.id == BILLING
    assert world.verify(Presented(svid())).uid.id == BILLING


def test_loading_forgets_no_proof(world: World) -> None:
    presented = PROVER.presented(BOUND, LATE)
    world.verify(presented)
    world.write("own.json", bundle_text([]))
    world.service.load()()
    assert world.refused(presented).code == "replayed"


# The start, and nonces


def test_proofs_of_the_time_before_the_start_are_refused(tmp_path: Path) -> None:
    """Another process may have accepted them. That is over when a proof cannot be so old any more."""
    world = World(tmp_path)
    last = SECONDS + LEEWAY // 1000
    world.now = last * 1000
    assert world.refused(PROVER.presented(BOUND, SECONDS - 1)).code == "replayed"
    assert world.refused(PROVER.presented(BOUND, last)).code == "replayed"
    world.now += 1000
    assert world.verify(PROVER.presented(BOUND, last + 1)).uid.id == "ana"


def test_what_one_process_accepted_the_next_one_refuses(tmp_path: Path) -> None:
    """At whatever moment the next one starts, and whatever the proof says of its age."""
    for start in range(0, 70, 7):
        first, second = World(tmp_path), World(tmp_path, started=(LATE + start) * 1000)
        first.now = LATE * 1000
        for made in range(LATE - 5, LATE + 6):
            presented = PROVER.presented(BOUND, made)
            first.verify(presented)
            for later in range(start, 80, 5):
                second.now = (LATE + later) * 1000
                assert second.refused(presented).code in {"replayed", "proof"}


def nonce_of(world: World) -> str:
    error = world.refused(PROVER.presented(BOUND, world.now // 1000))
    assert error.code == "nonce"
    return error.nonce


def test_with_nonces_of_its_own_a_process_accepts_proofs_from_the_start(tmp_path: Path) -> None:
    world = World(tmp_path, dpop=DpopConfig(nonce=NonceConfig()))
    presented = PROVER.presented(BOUND, SECONDS, nonce=nonce_of(world))
    assert world.verify(presented).uid.id == "ana"
    assert world.refused(presented).code == "replayed"
    other = World(tmp_path, dpop=DpopConfig(nonce=NonceConfig()))
    assert other.refused(presented).code == "nonce"


def with_secret(folder: Path, secret: str) -> Callable[[], World]:
    (folder / "nonce.txt").write_text(secret, "utf-8")
    return lambda: World(folder, dpop=DpopConfig(nonce=NonceConfig(60_000, folder / "nonce.txt")))


def test_with_a_secret_that_is_shared_each_knows_the_others_nonces(tmp_path: Path) -> None:
    make = with_secret(tmp_path, "s" * MIN_SECRET + "\n")
    one, other = make(), make()
    one.now = other.now = LATE * 1000
    nonce = nonce_of(one)
    assert nonce == nonce_of(other) == Nonces(b"s" * MIN_SECRET, 60_000).current(LATE * 1000)
    assert other.verify(PROVER.presented(BOUND, LATE, nonce=nonce)).uid.id == "ana"


def test_with_a_secret_that_is_shared_proofs_of_the_time_before_the_start_are_refused(tmp_path: Path) -> None:
    """The nonce says nothing of which process it was shown to."""
    world = with_secret(tmp_path, "s" * MIN_SECRET)()
    nonce = nonce_of(world)
    assert world.refused(PROVER.presented(BOUND, SECONDS, nonce=nonce)).code == "replayed"
    world.now += LEEWAY + 1000
    assert world.verify(PROVER.presented(BOUND, SECONDS + LEEWAY // 1000 + 1, nonce=nonce)).uid.id == "ana"


def test_a_secret_is_loaded_anew(tmp_path: Path) -> None:
    world = with_secret(tmp_path, "s" * MIN_SECRET)()
    world.now = LATE * 1000
    old = nonce_of(world)
    world.write("nonce.txt", "t" * MIN_SECRET)
    world.service.load()()
    assert nonce_of(world) != old
    assert world.refused(PROVER.presented(BOUND, LATE, nonce=old)).code == "nonce"


@pytest.mark.parametrize("secret", ["", "hush hush", "s" * (MIN_SECRET - 1) + " \n"])
def test_a_short_secret_is_refused_and_not_shown(tmp_path: Path, secret: str) -> None:
    with pytest.raises(CedarError) as caught:
        with_secret(tmp_path, secret)()
    assert caught.value.code == "dpop_secret"
    assert not secret.strip() or secret.strip() not in caught.value.render()


def test_a_secret_that_is_missing_is_said(tmp_path: Path) -> None:
    make = with_secret(tmp_path, "")
    (tmp_path / "nonce.txt").unlink()
    with pytest.raises(CedarError) as caught:
        make()
    assert "nonce.secret" in (caught.value.help or "")


def test_a_proof_is_for_the_request_that_was_made(world: World) -> None:
    good = PROVER.presented(BOUND, LATE)
    assert (good.method, good.url, good.scheme) == (METHOD, URL, Scheme.DPOP)
    assert world.refused(replace(good, method="GET")).code == "proof"
    assert world.refused(replace(good, url=f"{URL}/lines")).code == "proof"
    assert world.verify(replace(good, url=f"{URL}?page=2")).uid.id == "ana"
