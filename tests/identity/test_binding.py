"""Tokens that are bound to their sender: by DPoP (RFC 9449), by certificate (RFC 8705), by both, or not at all."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prover import Prover, shown

from pdp.config.credentials import DpopConfig
from pdp.identity import base64url
from pdp.identity.binding import UNBOUND, WITHOUT_PROOFS, Bindings, Confirmation, read_confirmation
from pdp.identity.dpop import ProofVerifier
from pdp.identity.errors import IdentityError
from pdp.identity.presented import Presented, Scheme
from pdp.identity.replay import ReplayMemory

SECONDS = 1_772_445_600
NOW = SECONDS * 1000
TOKEN = "a.verified.token"
HASH = base64url.encode(bytes(32))
CERTIFICATE = b"a certificate in DER"
CERTIFICATE_HASH = base64url.encode(sha256(CERTIFICATE).digest())
PROVER = Prover()


def bindings() -> Bindings:
    return Bindings(ProofVerifier(DpopConfig(), 5_000, ReplayMemory(1_000)))


def refused(confirmation: Confirmation, presented: Presented, checks: Bindings | None = None) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        (checks or bindings()).check(confirmation, presented, NOW)
    assert caught.value.code == "confirmation"
    return caught.value


def test_a_token_without_the_claim_is_bound_to_nobody() -> None:
    assert read_confirmation({"sub": "ana"}) == UNBOUND


def test_what_a_token_is_bound_to() -> None:
    assert read_confirmation({"cnf": {"jkt": HASH}}) == Confirmation(jkt=HASH)
    assert read_confirmation({"cnf": {"x5t#S256": HASH}}) == Confirmation(certificate=HASH)
    assert read_confirmation({"cnf": {"jkt": HASH, "x5t#S256": CERTIFICATE_HASH}}) == Confirmation(
        HASH, CERTIFICATE_HASH
    )


NO_HASHES: list[object] = ["", "abc", None, 1, True, [HASH], {}, HASH + "=", HASH[:-1] + "B", HASH + "AA", "00" * 32]


@pytest.mark.parametrize(
    "stated",
    [
        *(None, "", "abc", 1, True, [], {}, [{"jkt": HASH}]),
        *({name: value} for name in ("jkt", "x5t#S256") for value in NO_HASHES),
        *({"jwk": {"kty": "OKP"}}, {"kid": "key-1"}, {"jku": "https://e.example"}, {"x5t": HASH}, {"JKT": HASH}),
        *({"jkt": HASH, "kid": "key-1"}, {"x5t#S256": HASH, "jwe": "x"}, {"jkt": HASH, "x5t#S256": "abc"}),
    ],
    ids=ascii,
)
def test_a_token_that_is_bound_in_another_way_is_refused(stated: object) -> None:
    with pytest.raises(IdentityError) as caught:
        read_confirmation({"cnf": stated})  # type: ignore[dict-item]  # any JSON
    assert caught.value.code == "confirmation"


def test_a_bearer_token_is_good_in_every_hand() -> None:
    bindings().check(UNBOUND, Presented(TOKEN), NOW)
    bindings().check(UNBOUND, Presented(TOKEN, certificate=CERTIFICATE), NOW)


def test_a_bearer_token_with_the_scheme_of_dpop_is_refused() -> None:
    refused(UNBOUND, PROVER.presented(TOKEN, SECONDS))
    refused(UNBOUND, Presented(TOKEN, Scheme.DPOP))
    refused(UNBOUND, Presented(TOKEN, Scheme.DPOP), WITHOUT_PROOFS)


def test_a_bound_token_with_a_proof_is_accepted() -> None:
    bindings().check(Confirmation(jkt=PROVER.jkt), PROVER.presented(TOKEN, SECONDS), NOW)


def test_a_bound_token_as_a_bearer_token_is_refused_even_with_a_good_proof() -> None:
    bound = Confirmation(jkt=PROVER.jkt)
    assert "bearer" in refused(bound, Presented(TOKEN)).message
    assert "bearer" in refused(bound, replace(PROVER.presented(TOKEN, SECONDS), scheme=Scheme.BEARER)).message


def test_a_bound_token_without_a_proof_is_refused() -> None:
    with pytest.raises(IdentityError) as caught:
        bindings().check(Confirmation(jkt=PROVER.jkt), shown(TOKEN), NOW)
    assert caught.value.code == "proof"


def test_a_bound_token_is_refused_where_dpop_is_not_configured() -> None:
    bound = Confirmation(jkt=PROVER.jkt)
    assert "not accepted here" in refused(bound, PROVER.presented(TOKEN, SECONDS), WITHOUT_PROOFS).message


def test_a_token_of_another_key_is_refused() -> None:
    refused(Confirmation(jkt=HASH), PROVER.presented(TOKEN, SECONDS))


def test_a_token_that_is_bound_to_a_certificate_is_accepted_with_it() -> None:
    bound = Confirmation(certificate=CERTIFICATE_HASH)
    bindings().check(bound, Presented(TOKEN, certificate=CERTIFICATE), NOW)
    WITHOUT_PROOFS.check(bound, Presented(TOKEN, certificate=CERTIFICATE), NOW)


def test_it_is_refused_with_another_certificate_or_none() -> None:
    bound = Confirmation(certificate=CERTIFICATE_HASH)
    assert "none" in refused(bound, Presented(TOKEN)).message
    refused(bound, Presented(TOKEN, certificate=CERTIFICATE + b"."))
    refused(bound, Presented(TOKEN, certificate=CERTIFICATE[:-1]))
    refused(bound, Presented(TOKEN, chain=(CERTIFICATE,)))
    refused(bound, Presented(TOKEN, certificate=b"other", chain=(CERTIFICATE,)))


def test_a_certificate_does_not_make_a_token_one_of_dpop() -> None:
    refused(
        Confirmation(certificate=CERTIFICATE_HASH),
        replace(PROVER.presented(TOKEN, SECONDS), certificate=CERTIFICATE),
    )


def test_a_token_that_is_bound_to_both_must_meet_both() -> None:
    both = Confirmation(PROVER.jkt, CERTIFICATE_HASH)
    presented = PROVER.presented(TOKEN, SECONDS)
    refused(both, presented)
    refused(both, replace(presented, certificate=b"other"))
    refused(both, Presented(TOKEN, certificate=CERTIFICATE))
    bindings().check(both, replace(presented, certificate=CERTIFICATE), NOW)


def test_a_proof_is_not_used_up_by_a_token_that_is_refused_for_its_certificate() -> None:
    checks, presented = bindings(), PROVER.presented(TOKEN, SECONDS)
    both = Confirmation(PROVER.jkt, CERTIFICATE_HASH)
    refused(both, presented, checks)
    checks.check(both, replace(presented, certificate=CERTIFICATE), NOW)


@given(st.integers(0, 31), st.integers(1, 255), st.binary(min_size=1, max_size=40))
def test_no_other_certificate_has_the_hash(at: int, change: int, certificate: bytes) -> None:
    digest = bytearray(sha256(certificate).digest())
    digest[at] ^= change
    refused(Confirmation(certificate=base64url.encode(bytes(digest))), Presented(TOKEN, certificate=certificate))
