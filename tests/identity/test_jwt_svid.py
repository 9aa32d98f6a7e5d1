"""JWT-SVIDs: each rule for the header, the key and the claims, as the verifier of tokens applies them."""

import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer
from spiffe_world import NOW, OWN, PARTNER, SECONDS, bundles, spiffe_config, token_entry
from texts import mutants

from pdp.cedar.values import EntityUID
from pdp.identity import base64url
from pdp.identity.errors import IdentityError
from pdp.identity.jws import parse_jws, parse_object
from pdp.identity.jwt_svid import ALGORITHMS, JwtSvids, names_workload
from pdp.identity.subject import Method
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.verified import VerifiedToken

LEEWAY = 5_000
BILLING = f"spiffe://{OWN}/billing"
SIGNER, PARTNER_SIGNER = Signer("ES256", "own-1"), Signer("ES256", "partner-1", 2)
BUNDLES = bundles(own=[token_entry(SIGNER)], partner=[token_entry(PARTNER_SIGNER)])
CLAIMS: dict[str, object] = {"sub": BILLING, "aud": ["pdp"], "exp": SECONDS + 300}


def token(*absent: str, signer: Signer = SIGNER, head: dict[str, object] | None = None, **claims: Any) -> str:
    said = {name: value for name, value in (CLAIMS | claims).items() if name not in absent}
    return signer.token(said, **(head or {}))


def verify(text: str, now: int = NOW, trusted: TrustBundles = BUNDLES, **config: Any) -> VerifiedToken:
    jws = parse_jws(text)
    svids = JwtSvids(spiffe_config(**config), trusted)
    return svids.verify(jws, parse_object(jws.payload, "claims"), LEEWAY, now)[0]


def refused(text: str, now: int = NOW, trusted: TrustBundles = BUNDLES, **config: Any) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        verify(text, now, trusted, **config)
    return caught.value


def test_a_workload_is_named_by_its_token() -> None:
    known = verify(token(jti="one", iat=SECONDS - 10, nbf=SECONDS - 5))
    subject = known.subject
    assert (subject.uid, subject.method) == (EntityUID("Workload", BILLING), Method.JWT_SVID)
    assert dict(subject.entity.attrs) == {"trust_domain": OWN, "path": "/billing"}
    assert subject.expires_at == NOW + 300_000 + LEEWAY
    assert (subject.acr, subject.amr, subject.authenticated_at, subject.device) == (None, frozenset(), None, None)
    assert (known.issuer, known.name, known.token_id) == (f"spiffe://{OWN}", BILLING, "one")
    assert (known.issued_at, known.not_before) == (NOW - 10_000, NOW - 5_000 - LEEWAY)


def test_the_source_of_the_keys_gives_the_same_ones_as_long_as_they_are() -> None:
    jws = parse_jws(token())
    _, source, keys = JwtSvids(spiffe_config(), BUNDLES).verify(jws, parse_object(jws.payload, "claims"), LEEWAY, NOW)
    assert source.current(NOW) is source.newer("own-1", NOW) is keys is BUNDLES.of(OWN).jwt_keys


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_specification(algorithm: str) -> None:
    signer = Signer(algorithm, "a")
    trusted = bundles(own=[token_entry(signer)])
    assert verify(token(signer=signer), trusted=trusted).name == BILLING


@pytest.mark.parametrize("algorithm", ["EdDSA", "none", "HS256", "", "es256", "ES256K", None, 1])
def test_no_other_algorithm(algorithm: object) -> None:
    assert refused(token(head={"alg": algorithm})).code == "algorithm"


def test_eddsa_is_refused_even_by_a_key_for_it() -> None:
    signer = Signer("EdDSA", "a")
    trusted = bundles(own=[token_entry(SIGNER), signer.jwk(use="jwt-svid")])
    assert refused(token(signer=signer), trusted=trusted).code == "algorithm"


@pytest.mark.parametrize("typ", ["JWT", "JOSE"])
def test_types(typ: str) -> None:
    assert verify(token(head={"typ": typ})).name == BILLING


@pytest.mark.parametrize("typ", ["jwt", "jose", "at+jwt", "dpop+jwt", "application/jwt", "", 1, ["JWT"], {"a": 1}])
def test_no_other_type(typ: object) -> None:
    assert refused(token(head={"typ": typ})).code == "type"


@pytest.mark.parametrize("name", ["crit", "jku", "jwk", "x5c", "x5u", "x5t", "cty", "zip", "epk", "iss", "private"])
def test_a_header_with_more_is_refused(name: str) -> None:
    assert refused(token(head={name: "a"})).code == "header"


def test_the_key_is_that_of_the_trust_domain_in_the_name() -> None:
    assert verify(token(signer=PARTNER_SIGNER, sub=f"spiffe://{PARTNER}/billing")).subject.uid.type == "PartnerWorkload"


def test_a_foreign_bundle_never_vouches_for_us_nor_ours_for_them() -> None:
    assert refused(token(signer=PARTNER_SIGNER)).code == "unknown_key"
    assert refused(token(signer=Signer("ES256", "own-1", 2))).code == "signature"
    assert refused(token(sub=f"spiffe://{PARTNER}/billing")).code == "unknown_key"
    assert refused(token(signer=Signer("ES256", "partner-1"), sub=f"spiffe://{PARTNER}/billing")).code == "signature"


def test_a_key_for_certificates_signs_no_tokens() -> None:
    from spiffe_world import anchor

    trusted = bundles(own=[anchor("own root").jwk()])
    assert refused(token(), trusted=trusted).code == "unknown_key"


def test_without_a_name_for_the_key_there_must_be_but_one() -> None:
    assert verify(token(head={"kid": None})).name == BILLING
    both = bundles(own=[token_entry(SIGNER), token_entry(Signer("ES256", "own-2", 3))])
    assert refused(token(head={"kid": None}), trusted=both).code == "unknown_key"
    assert verify(token(), trusted=both).name == BILLING


def test_in_a_rotation_old_and_new_keys_are_believed_as_the_bundle_says() -> None:
    new = Signer("ES256", "own-2", 3)
    both, after = bundles(own=[token_entry(SIGNER), token_entry(new)]), bundles(own=[token_entry(new)])
    assert verify(token(), trusted=both).name == verify(token(signer=new), trusted=both).name == BILLING
    assert refused(token(signer=new)).code == "unknown_key"
    assert refused(token(), trusted=after).code == "unknown_key"


@pytest.mark.parametrize("trusted", [bundles(own=[]), bundles(partner=[token_entry(SIGNER)])])
def test_without_keys_in_its_bundle_a_trust_domain_has_no_tokens(trusted: TrustBundles) -> None:
    assert refused(token(), trusted=trusted).code in {"unknown_key", "trust_domain"}


def test_an_unknown_trust_domain_is_refused() -> None:
    assert refused(token(sub="spiffe://unknown.example/billing")).code == "trust_domain"


@pytest.mark.parametrize(
    "sub",
    [
        *(f"spiffe://{OWN}", f"{BILLING}/", f"spiffe://{OWN}/../a", f"spiffe://{OWN.upper()}/billing", "spiffe://"),
        *(
            f"{BILLING}?a",
            f"{BILLING}#a",
            f"spiffe://{OWN}:1/a",
            f"spiffe://{OWN}/%61",
            " " + BILLING,
            "ana",
            "",
            None,
            1,
        ),
        *([BILLING], {"id": BILLING}),
    ],
    ids=ascii,
)
def test_who_is_no_workload(sub: object) -> None:
    assert refused(token(sub=sub)).code == "claims"


def test_the_name_is_needed() -> None:
    assert refused(token("sub")).code == "claims"


@pytest.mark.parametrize("audience", ["pdp", ["pdp"], ["other", "pdp"]])
def test_audiences(audience: object) -> None:
    assert verify(token(aud=audience)).name == BILLING


@pytest.mark.parametrize(
    "audience", ["", "other", "PDP", "pdp ", [], ["other"], [["pdp"]], None, 1, {"pdp": 1}], ids=str
)
def test_no_other_audience(audience: object) -> None:
    assert refused(token(aud=audience)).code == "audience"


def test_the_audience_is_needed() -> None:
    assert refused(token("aud")).code == "audience"


def test_where_no_audience_is_configured_no_token_is_accepted() -> None:
    for text in (token(), token("aud"), token(aud=None), token(aud=[])):
        assert refused(text, audience=None).code == "audience"


def test_the_end_is_needed_and_holds() -> None:
    assert refused(token("exp")).code == "claims"
    assert verify(token(), NOW + 300_000 + LEEWAY - 1).name == BILLING
    assert refused(token(), NOW + 300_000 + LEEWAY).code == "expired"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_what_is_ahead_is_refused(name: str) -> None:
    good: dict[str, Any] = {name: SECONDS + 5}
    ahead: dict[str, Any] = {name: SECONDS + 6}
    assert verify(token(**good)).name == BILLING
    assert refused(token(**ahead)).code == "not_yet_valid"


def test_a_token_begins_with_the_later_of_its_dates() -> None:
    assert verify(token()).not_before == -LEEWAY
    assert verify(token(iat=SECONDS)).not_before == NOW - LEEWAY
    assert verify(token(nbf=SECONDS)).not_before == NOW - LEEWAY
    assert verify(token(iat=SECONDS - 9, nbf=SECONDS)).not_before == NOW - LEEWAY
    assert verify(token(iat=SECONDS, nbf=SECONDS - 9)).not_before == NOW - LEEWAY


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1", None, True, -1, [], 2**62], ids=ascii)
def test_dates_are_whole_seconds(name: str, value: Any) -> None:
    said: dict[str, Any] = {name: value}
    assert refused(token(**said)).code == "claims"


def test_a_token_that_is_bound_says_so() -> None:
    hash = base64url.encode(bytes(32))
    assert verify(token(cnf={"x5t#S256": hash})).confirmation.certificate == hash
    assert refused(token(cnf={"kid": "a"})).code == "confirmation"


@pytest.mark.parametrize("sub", [BILLING, "spiffe://", "spiffe://A/b"])
def test_whose_rules_a_token_is_held_to(sub: str) -> None:
    assert names_workload({"sub": sub})
    assert not names_workload({"sub": f" {sub}"})
    assert not any(names_workload(claims) for claims in ({}, {"sub": "ana"}, {"sub": [sub]}, {"iss": sub}))  # type: ignore[arg-type]  # JSON


def test_ids_that_are_paths() -> None:
    from dataclasses import replace

    config = spiffe_config()
    domains = {name: replace(domain, id="path") for name, domain in config.domains.items()}
    assert verify(token(), domains=domains).subject.uid == EntityUID("Workload", "/billing")


def test_a_damaged_token_is_never_accepted() -> None:
    good, rng = token(), random.Random(12)
    for _ in range(1_500):
        at = rng.randrange(len(good))
        damaged = good[:at] + rng.choice(["", "A", "-", ".", "=", "é"]) + good[at + rng.randrange(3) :]
        if damaged != good:
            with pytest.raises(IdentityError):
                verify(damaged)


def test_mutants_of_claims_are_judged() -> None:
    seeds = [f'{{"sub": "{BILLING}", "aud": ["pdp"], "exp": {SECONDS + 300}, "nbf": 1}}', '{"cnf": {"jkt": "a"}}']
    for mutant in mutants(random.Random(13), seeds, '{}[]",:\\ 0a1.e-\ud800é\x00/', 1_000):
        with suppress(IdentityError):
            verify(SIGNER.token(mutant.encode("utf-8", "surrogatepass")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from([BILLING, "pdp", SECONDS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "jti", "cnf"]), JSON, min_size=1))
def test_any_claims_are_judged(claims: dict[str, Any]) -> None:
    with suppress(IdentityError):
        verify(token(**claims))
