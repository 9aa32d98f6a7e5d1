"""What was revoked: by token, session, subject, client and issuer, in every order, and from a list."""

import json
import threading
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer, key_set, verifier

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.config import IssuerConfig
from pdp.identity.errors import IdentityError
from pdp.identity.presented import Presented
from pdp.identity.revocations import (
    ALWAYS,
    Key,
    Revocation,
    Revocations,
    RevocationsError,
    Scope,
    load_revocations,
    read_revocations,
)
from pdp.identity.subject import Method, Subject
from pdp.identity.verified import VerifiedToken

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
ISSUER, OTHER = "https://issuer.example", "https://other.example"
SUBJECT = Subject(Entity(EntityUID("User", "ana")), Method.JWT)
NAMES = {Scope.TOKEN: "t-1", Scope.SESSION: "s-1", Scope.SUBJECT: "ana", Scope.CLIENT: "app", Scope.ISSUER: ""}


def a_token(issued_at: int | None = NOW, issuer: str = ISSUER) -> VerifiedToken:
    """A token with a name in every scope."""
    return VerifiedToken(SUBJECT, issuer, 0, "ana", "s-1", "t-1", "app", issued_at)


def named(scope: Scope, name: str | None, token: VerifiedToken | None = None) -> VerifiedToken:
    """The token with another name, or none, in a scope; an issuer's tokens have no name for that."""
    token = token or a_token()
    match scope:
        case Scope.TOKEN:
            return replace(token, token_id=name)
        case Scope.SESSION:
            return replace(token, session=name)
        case Scope.SUBJECT:
            return replace(token, name=name)
        case Scope.CLIENT:
            return replace(token, client=name)
        case Scope.ISSUER:
            return token


def is_revoked(revocations: Revocations, token: VerifiedToken) -> bool:
    try:
        revocations.refuse_revoked(token)
    except IdentityError as error:
        return (error.code, error.message) == ("revoked", "the token was revoked")
    return False


def key(scope: Scope, issuer: str = ISSUER) -> Key:
    return (scope, issuer, NAMES[scope])


def test_nothing_is_revoked_at_first() -> None:
    assert not is_revoked(Revocations(), a_token())
    assert len(Revocations()) == 0


@pytest.mark.parametrize("listed", [False, True], ids=["added", "listed"])
@pytest.mark.parametrize("scope", Scope, ids=lambda scope: scope.value)
def test_each_scope_covers_its_tokens_and_no_others(scope: Scope, listed: bool) -> None:
    revocations = Revocations()
    if listed:
        revocations.replace_list([Revocation(key(scope))])
    else:
        revocations.add(Revocation(key(scope)))
    assert is_revoked(revocations, a_token())
    assert not is_revoked(revocations, a_token(issuer=OTHER)), "the same name at another issuer is somebody else"
    if scope is not Scope.ISSUER:
        assert not is_revoked(revocations, named(scope, NAMES[scope].upper()))
        assert not is_revoked(revocations, named(scope, None)), "what has no such name is not meant"


@pytest.mark.parametrize("scope", [Scope.SUBJECT, Scope.CLIENT, Scope.ISSUER], ids=lambda scope: scope.value)
@pytest.mark.parametrize(
    ("at", "issued_at", "revoked"),
    [
        (NOW, NOW - 1000, True),
        (NOW, NOW, True),  # the same second: it may have been issued before
        (NOW + 999, NOW, True),
        (NOW - 1, NOW, False),
        (NOW, NOW + 1000, False),
        (NOW, None, True),  # who does not say when is not believed to be later
        (0, NOW, False),
        (0, None, True),
    ],
)
def test_tokens_of_that_second_or_before_are_revoked(
    scope: Scope, at: int, issued_at: int | None, revoked: bool
) -> None:
    revocations = Revocations()
    revocations.add(Revocation(key(scope), at))
    assert is_revoked(revocations, a_token(issued_at)) is revoked


@pytest.mark.parametrize("scope", [Scope.TOKEN, Scope.SESSION], ids=lambda scope: scope.value)
def test_a_token_or_a_session_is_revoked_for_good(scope: Scope) -> None:
    revocations = Revocations()
    revocations.add(Revocation(key(scope)))
    assert is_revoked(revocations, a_token(253_402_300_799_000))


def test_a_name_does_not_stand_for_another_scope() -> None:
    for scope in Scope:
        revocations = Revocations()
        revocations.add(Revocation((scope, ISSUER, "x")))
        token = a_token()
        for other in Scope:
            if other is not scope:
                token = named(other, "x", token)
        assert not is_revoked(revocations, token)


def test_a_list_is_replaced_and_what_was_added_stays() -> None:
    revocations = Revocations()
    revocations.add(Revocation(key(Scope.TOKEN)))
    revocations.replace_list([Revocation(key(Scope.SUBJECT), NOW)])
    assert len(revocations) == 2
    assert is_revoked(revocations, named(Scope.TOKEN, "t-2"))
    revocations.replace_list([])
    assert not is_revoked(revocations, named(Scope.TOKEN, "t-2"))
    assert is_revoked(revocations, a_token())


def test_of_two_entries_of_one_list_the_later_instant_counts() -> None:
    for order in permutations([NOW - 5_000, NOW, NOW - 9_000]):
        revocations = Revocations()
        revocations.replace_list([Revocation(key(Scope.SUBJECT), at) for at in order])
        assert is_revoked(revocations, a_token(NOW))
        assert not is_revoked(revocations, a_token(NOW + 1000))


ADDED = st.lists(
    st.builds(
        Revocation,
        st.sampled_from([key(scope) for scope in Scope]),
        st.sampled_from([NOW - 2000, NOW - 1000, NOW, ALWAYS]),
        st.sampled_from([None, NOW + 1, NOW + 10]),
    ),
    max_size=6,
)


@given(ADDED, st.randoms())
def test_any_order_and_any_repetition_give_one_state(added: list[Revocation], rng: object) -> None:
    once, again = Revocations(), Revocations()
    for revocation in added:
        once.add(revocation)
    shuffled = [*added, *added]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis's own kind of Random
    for revocation in shuffled:
        again.add(revocation)
    for now in (0, NOW + 60_001, NOW + 60_010):
        once.forget(now)
        again.forget(now)
        for issued_at in (None, NOW - 2000, NOW - 1000, NOW, NOW + 1000):
            assert is_revoked(once, a_token(issued_at)) is is_revoked(again, a_token(issued_at))


@given(ADDED, ADDED)
def test_adding_lets_nothing_through_that_was_refused(first: list[Revocation], then: list[Revocation]) -> None:
    revocations = Revocations()
    for revocation in first:
        revocations.add(revocation)
    times = (None, NOW - 2000, NOW - 1000, NOW, NOW + 1000)
    before = {at for at in times if is_revoked(revocations, a_token(at))}
    for revocation in then:
        revocations.add(revocation)
    assert before <= {at for at in times if is_revoked(revocations, a_token(at))}


def test_what_concerns_only_expired_tokens_is_forgotten_when_no_leeway_can_revive_them() -> None:
    revocations = Revocations()
    revocations.add(Revocation(key(Scope.TOKEN), ends_at=NOW))
    revocations.add(Revocation(key(Scope.SESSION)))
    revocations.forget(NOW + 59_999)
    assert len(revocations) == 2
    revocations.forget(NOW + 60_000)
    assert len(revocations) == 1
    revocations.forget(2**62)
    assert len(revocations) == 1, "what has no end stays"


def test_looking_takes_no_lock() -> None:
    revocations = Revocations()
    revocations.add(Revocation(key(Scope.TOKEN)))
    found: list[bool] = []
    with revocations._lock:
        looking = threading.Thread(target=lambda: found.append(is_revoked(revocations, a_token())))
        looking.start()
        looking.join(20)
    assert found == [True]


# With tokens


SIGNER = Signer()
CONFIG = IssuerConfig(ISSUER, "pdp", ("EdDSA",))
CLAIMS = {"iss": ISSUER, "aud": "pdp", "sub": "ana", "exp": SECONDS + 300, "iat": SECONDS}
CLAIMS |= {"jti": "t-1", "sid": "s-1", "client_id": "app"}


@pytest.mark.parametrize("scope", Scope, ids=lambda scope: scope.value)
def test_the_very_next_use_of_a_remembered_token_is_refused(scope: Scope) -> None:
    revocations = Revocations()
    verifying = verifier(CONFIG, key_set(SIGNER.jwk()), revocations=revocations)
    presented = Presented(SIGNER.token(CLAIMS))
    for _ in range(2):
        assert verifying.verify(presented, NOW).uid.id == "ana"
    revocations.add(Revocation(key(scope), NOW if scope not in {Scope.TOKEN, Scope.SESSION} else ALWAYS))
    for _ in range(2):
        with pytest.raises(IdentityError) as caught:
            verifying.verify(presented, NOW)
        assert caught.value.code == "revoked"


def test_a_later_token_of_a_revoked_subject_is_accepted_and_of_a_revoked_session_not() -> None:
    revocations = Revocations()
    verifying = verifier(CONFIG, key_set(SIGNER.jwk()), revocations=revocations)
    later = Presented(SIGNER.token(CLAIMS | {"iat": SECONDS + 1, "jti": "t-2"}))
    revocations.add(Revocation(key(Scope.SUBJECT), NOW))
    assert verifying.verify(later, NOW).uid.id == "ana"
    revocations.add(Revocation(key(Scope.SESSION)))
    with pytest.raises(IdentityError, match="revoked"):
        verifying.verify(later, NOW)


@pytest.mark.parametrize("name", ["jti", "sid", "client_id", "sub"])
@pytest.mark.parametrize("value", [1, "", None, ["t-1"], {"a": 1}], ids=str)
def test_a_name_that_cannot_be_read_refuses_the_token_for_it_could_not_be_revoked(name: str, value: object) -> None:
    verifying = verifier(CONFIG, key_set(SIGNER.jwk()))
    with pytest.raises(IdentityError) as caught:
        verifying.verify(Presented(SIGNER.token(CLAIMS | {name: value})), NOW)
    assert (caught.value.code, f"`{name}`" in caught.value.message) == ("claims", True)


# Lists


def test_a_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "revoked.json"
    entries = [
        {"issuer": ISSUER, "token": "t-1"},
        {"issuer": ISSUER, "session": "s-1"},
        {"issuer": ISSUER, "subject": "ana", "issued_before": "2026-03-02T10:00:00Z"},
        {"issuer": ISSUER, "client": "app", "issued_before": "2026-03-02T10:00:00.5Z".replace(".5", ".500")},
        {"issuer": ISSUER, "issued_before": "2026-03-02"},
    ]
    path.write_text(json.dumps({"revocations": entries}), "utf-8")
    assert load_revocations(path) == (
        Revocation((Scope.TOKEN, ISSUER, "t-1")),
        Revocation((Scope.SESSION, ISSUER, "s-1")),
        Revocation((Scope.SUBJECT, ISSUER, "ana"), NOW),
        Revocation((Scope.CLIENT, ISSUER, "app"), NOW + 500),
        Revocation((Scope.ISSUER, ISSUER, ""), NOW - 36_000_000),
    )


def entry(**members: object) -> str:
    return json.dumps({"revocations": [members]})


WRONG = {
    "no list": ("{}", "`revocations` is missing"),
    "no entries": ('{"revocations": {}}', "must be a list"),
    "something else": ('{"revocations": [], "tokens": []}', "unknown key"),
    "a text": ('{"revocations": ["t-1"]}', "must be a mapping"),
    "no issuer": (entry(token="t-1"), "`issuer` is missing"),
    "no name": (entry(issuer=ISSUER, token=""), "must be a text"),
    "a number": (entry(issuer=ISSUER, token=1), "must be a text"),
    "two at once": (entry(issuer=ISSUER, token="t-1", session="s-1"), "names two things at once"),
    "no instant": (entry(issuer=ISSUER, subject="ana"), "`issued_before` is missing"),
    "all of an issuer, no instant": (entry(issuer=ISSUER), "`issued_before` is missing"),
    "a token up to an instant": (entry(issuer=ISSUER, token="t", issued_before="2026-03-02"), "revoked for good"),
    "no such instant": (entry(issuer=ISSUER, subject="ana", issued_before="now"), "must be an instant"),
    "a misspelling": (entry(issuer=ISSUER, subjekt="ana", issued_before="2026-03-02"), "unknown key"),
    "a name twice": ('{"revocations": [{"issuer": "a", "token": "b", "token": "c"}]}', "duplicate key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_list_of_another_form_is_refused_with_a_place(name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(CedarError, match=message) as caught:
        read_revocations(Source("revoked.json", text))
    assert caught.value.position is not None


def test_a_list_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(RevocationsError):
        load_revocations(tmp_path / "revoked.json")
