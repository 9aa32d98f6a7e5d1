"""The profile of RFC 9068 to the letter, and what both profiles read the same way."""

from dataclasses import replace
from pathlib import Path

import pytest
from issuer import Signer, key_set, verifier

from pdp.config import IssuerConfig
from pdp.identity.errors import IdentityError
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
ISSUER = "https://issuer.example"
SIGNER = Signer()
PLAIN = IssuerConfig(ISSUER, "pdp", ("EdDSA",), Path("keys.json"))
STRICT = replace(PLAIN, profile="rfc9068")
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "aud": "pdp",
    "sub": "ana",
    "client_id": "app",
    "jti": "t-1",
    "iat": SECONDS,
    "exp": SECONDS + 300,
}


def verify(config: IssuerConfig, claims: dict[str, object], **header: object) -> Subject:
    return verifier(config, key_set(SIGNER.jwk())).verify(Presented(SIGNER.token(claims, **header)), NOW)


def refused(config: IssuerConfig, claims: dict[str, object], **header: object) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        verify(config, claims, **header)
    return caught.value


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_an_access_token_says_that_it_is_one(typ: str) -> None:
    assert verify(STRICT, CLAIMS, typ=typ).uid.id == "ana"


@pytest.mark.parametrize(
    "typ", [None, "JWT", "jwt", "at-jwt", "at+jwt ", "", "application/jwt", "id+jwt", 1, ["at+jwt"]]
)
def test_what_does_not_say_so_is_none(typ: object) -> None:
    assert refused(STRICT, CLAIMS, typ=typ).code == "type"


def test_a_plain_token_need_not_say_so() -> None:
    assert verify(PLAIN, CLAIMS).uid.id == "ana"


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_of_the_profile_is_required(name: str) -> None:
    claims = {other: value for other, value in CLAIMS.items() if other != name}
    error = refused(STRICT, claims, typ="at+jwt")
    assert error.code == {"iss": "issuer", "aud": "audience"}.get(name, "claims")
    if error.code == "claims":
        assert f"`{name}`" in error.message


@pytest.mark.parametrize("name", ["client_id", "jti", "iat"])
def test_a_plain_token_need_not_have_them(name: str) -> None:
    claims = {other: value for other, value in CLAIMS.items() if other != name}
    assert verify(PLAIN, claims).uid.id == "ana"


@pytest.mark.parametrize("config", [PLAIN, STRICT], ids=["plain", "strict"])
@pytest.mark.parametrize("name", ["sub", "client_id", "jti", "sid"])
@pytest.mark.parametrize("value", ["", None, 1, ["x"]], ids=str)
def test_a_name_is_a_text_in_both_profiles(config: IssuerConfig, name: str, value: object) -> None:
    error = refused(config, CLAIMS | {name: value}, typ="at+jwt")
    assert (error.code, f"`{name}`" in error.message) == ("claims", True)


@pytest.mark.parametrize("config", [PLAIN, STRICT], ids=["plain", "strict"])
def test_how_and_when_the_subject_authenticated_is_taken_over(config: IssuerConfig) -> None:
    claims = CLAIMS | {"acr": "phr", "amr": ["hwk"], "auth_time": SECONDS - 9}
    subject = verify(config, claims, typ="at+jwt")
    assert (subject.acr, subject.amr, subject.authenticated_at) == ("phr", frozenset({"hwk"}), NOW - 9_000)


@pytest.mark.parametrize("auth_time", [SECONDS + 5, SECONDS, 0])
def test_a_time_of_authentication_that_may_be(auth_time: int) -> None:
    assert verify(PLAIN, CLAIMS | {"auth_time": auth_time}).authenticated_at == auth_time * 1000


@pytest.mark.parametrize(
    ("auth_time", "code"),
    [
        (SECONDS + 6, "not_yet_valid"),
        (NOW, "claims"),
        (-1, "claims"),
        ("now", "claims"),
        (True, "claims"),
        (None, "claims"),
    ],
)
def test_a_time_of_authentication_that_cannot_be(auth_time: object, code: str) -> None:
    assert refused(PLAIN, CLAIMS | {"auth_time": auth_time}).code == code
