"""Asking an issuer about opaque tokens: what is sent, what is believed, what is shared, and what happens without it."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import parse_qs

import pytest
from http_service import Answering, Service, held, ok, raw, server_tls, service, trusted
from issuer import HeldKeys, Signer, key_set
from prometheus_client import CollectorRegistry

from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID
from pdp.config import IssuerConfig
from pdp.config.issuers import IntrospectionConfig, PrincipalConfig
from pdp.config.urls import HttpUrl
from pdp.identity.errors import IdentityError
from pdp.identity.fetching import FetchError, HttpAnswer
from pdp.identity.introspection import (
    ASKING,
    MAX_PENDING,
    MAX_SECRET,
    Breaker,
    Introspector,
    SecretError,
    basic,
    load_secret,
    read_answer,
)
from pdp.identity.presented import Presented
from pdp.identity.revocations import Revocation, Scope
from pdp.identity.service import monotonic_ms
from pdp.identity.subject import Method, Subject
from pdp.identity.tokens import Issuer, TokenVerifier
from pdp.telemetry.identity import IdentityMetrics

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
ISSUER = "https://issuer.example"
ACTIVE: dict[str, object] = {"active": True, "iss": ISSUER, "aud": "pdp", "sub": "ana", "exp": SECONDS + 300}
TOKEN = "2YotnFZFEjr1zCsicMWpAA"


def says(*absent: str, **claims: object) -> Answering:
    """The issuer's word about every token."""
    stated = {name: value for name, value in (ACTIVE | claims).items() if name not in absent}
    return ok(json.dumps(stated).encode())


INACTIVE = ok(b'{"active": false}')


@dataclass
class Asking:
    """A verifier that asks the service, and what is counted."""

    verifier: TokenVerifier
    registry: CollectorRegistry
    ahead: list[int]

    def ask(self, token: str = TOKEN, now: int = NOW) -> Subject:
        """The subject of a token."""
        return self.verifier.verify(Presented(token), now)

    def accepts(self, token: str = TOKEN, now: int = NOW) -> bool:
        """Whether a token is ana's; raises IdentityError if it is nobody's."""
        return self.ask(token, now).uid.id == "ana"

    def refused(self, token: str = TOKEN, now: int = NOW) -> str:
        """Why a token is refused."""
        with pytest.raises(IdentityError) as caught:
            self.ask(token, now)
        for said in (TOKEN, "ana", "s3cret"):
            assert said not in caught.value.render()
        return caught.value.code

    def counted(self, outcome: str) -> float:
        """Questions with this outcome."""
        return self.registry.get_sample_value("pdp_introspections_total", {"outcome": outcome}) or 0


@contextmanager
def asking(
    running: Service,
    folder: Path,
    keys: HeldKeys | None = None,
    principal: PrincipalConfig | None = None,
    **settings: object,
) -> Iterator[Asking]:
    """A verifier that asks this service."""
    secret = folder / "secret"
    secret.write_text("s3cret:ä\n", "utf-8")
    ask = IntrospectionConfig(
        running.url("/introspect"),
        "pdp client",
        secret,
        **({"timeout": 5_000} | settings),  # type: ignore[arg-type]  # settings of a test
    )
    config = IssuerConfig(
        ISSUER, "pdp", ("EdDSA",), folder / "keys.json", introspection=ask, principal=principal or PrincipalConfig()
    )
    registry, ahead = CollectorRegistry(), [0]
    metrics = IdentityMetrics(registry)
    introspector = Introspector(ask, metrics, lambda: monotonic_ms() + ahead[0])
    introspector.load()()
    try:
        yield Asking(TokenVerifier([Issuer(config, keys, introspector)], 5_000, metrics=metrics), registry, ahead)
    finally:
        introspector.stop()


def test_an_active_token_becomes_a_subject(tmp_path: Path) -> None:
    word = says(acr="phr", amr=["hwk"], auth_time=SECONDS - 60, scope="read", username="Ana", groups=["buyers"])
    with service(word) as running, asking(running, tmp_path, principal=PrincipalConfig(groups_claim="groups")) as made:
        subject = made.ask()
        (asked,) = running.asked
    assert (subject.uid, subject.method) == (EntityUID("User", "ana"), Method.INTROSPECTION)
    assert (subject.acr, subject.amr, subject.authenticated_at) == ("phr", frozenset({"hwk"}), NOW - 60_000)
    assert subject.entity.parents == {EntityUID("Group", "buyers")}
    assert subject.expires_at == NOW + 30_000, "the issuer's word is believed for less long than the token lives"
    assert asked.line == "POST /introspect HTTP/1.1"
    assert parse_qs(asked.body.decode()) == {"token": [TOKEN], "token_type_hint": ["access_token"]}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["accept"] == "application/json"
    assert b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"pdp+client:s3cret%3A%C3%A4"


def test_over_tls_to_whom_is_trusted(tmp_path: Path) -> None:
    with service(says(), server_tls(tmp_path)) as running:
        with asking(running, tmp_path, ca=trusted(tmp_path)) as made:
            assert made.ask().uid.id == "ana"
        with asking(running, tmp_path) as made:
            assert made.refused() == "introspection"
            assert made.counted("tls") == 1


def test_the_word_is_believed_for_so_long_and_not_longer(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path, max_age=30_000) as made:
        first = made.ask()
        running.answer = INACTIVE
        assert made.ask(now=NOW + 29_999) is first
        assert len(running.asked) == 1
        assert made.refused(now=NOW + 30_000) == "inactive"


def test_the_word_is_believed_for_no_longer_than_the_token_lives(tmp_path: Path) -> None:
    with service(says(exp=SECONDS + 10)) as running, asking(running, tmp_path, max_age=30_000) as made:
        assert made.ask().expires_at == NOW + 15_000
        running.answer = INACTIVE
        assert made.accepts(now=NOW + 14_999)
        assert made.refused(now=NOW + 15_000) == "inactive"


def test_it_may_be_asked_every_time(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path, max_age=0) as made:
        for _ in range(3):
            assert made.ask().uid.id == "ana"
        assert len(running.asked) == 3
        running.answer = INACTIVE
        assert made.refused() == "inactive"


def test_that_a_token_is_not_active_is_kept_for_a_while(tmp_path: Path) -> None:
    with service(INACTIVE) as running, asking(running, tmp_path, inactive_age=5_000) as made:
        for now in (NOW, NOW, NOW + 4_999):
            assert made.refused(now=now) == "inactive"
        assert len(running.asked) == 1
        running.answer = says()
        assert made.accepts(now=NOW + 5_000)
        assert (made.counted("inactive"), made.counted("active")) == (1, 1)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "mail"}, "audience"),
        ({"aud": None}, "audience"),
        ({"exp": SECONDS - 5}, "expired"),
        ({"exp": "never"}, "claims"),
        ({"nbf": SECONDS + 6}, "not_yet_valid"),
        ({"iat": SECONDS + 6}, "not_yet_valid"),
        ({"auth_time": SECONDS + 6}, "not_yet_valid"),
        ({"sub": ""}, "claims"),
        ({"acr": 1}, "claims"),
        ({"jti": 1}, "claims"),
        ({"cnf": {"x5t#S256": "A" * 43}}, "confirmation"),
        ({"cnf": {"jkt": "A" * 43}}, "confirmation"),
        ({"cnf": {}}, "confirmation"),
    ],
    ids=str,
)
def test_an_active_token_must_be_good_as_well(claims: dict[str, object], code: str, tmp_path: Path) -> None:
    with service(says(**claims)) as running, asking(running, tmp_path) as made:
        assert made.refused() == code


@pytest.mark.parametrize(("name", "code"), [("aud", "audience"), ("sub", "claims")])
def test_what_an_answer_must_say(name: str, code: str, tmp_path: Path) -> None:
    with service(says(name)) as running, asking(running, tmp_path) as made:
        assert made.refused() == code


def test_what_an_answer_need_not_say(tmp_path: Path) -> None:
    with service(says("iss", "exp")) as running, asking(running, tmp_path) as made:
        assert made.ask().expires_at == NOW + 30_000


def test_an_audience_may_be_left_out_where_the_configuration_says_so_but_not_be_another(tmp_path: Path) -> None:
    with service(says("aud")) as running, asking(running, tmp_path, audience_required=False) as made:
        assert made.accepts()
        running.answer = says(aud=["mail"])
        assert made.refused("another") == "audience"


NO_ANSWER: dict[str, tuple[Answering, str]] = {
    "not what it says": (ok(b'{"active": true}', type="text/plain"), "content"),
    "a signed answer": (ok(b"eyJ.e30.AA", type="application/token-introspection+jwt"), "content"),
    "not active or inactive": (ok(b"{}"), "content"),
    "active as a text": (ok(b'{"active": "true"}'), "content"),
    "active as a number": (ok(b'{"active": 1}'), "content"),
    "active twice": (ok(b'{"active": false, "active": true}'), "content"),
    "a list": (ok(b"[true]"), "content"),
    "no JSON": (ok(b"active"), "content"),
    "no text": (ok(b"\xff"), "content"),
    "a fraction": (ok(b'{"active": true, "exp": 1.5}'), "content"),
    "too much": (ok(b'{"active": true, "x": "' + b"x" * 70_000 + b'"}'), "too_long"),
    "a redirect": (ok(b'{"active": true}', "302 Found", Location="/x"), "redirect"),
    "we are not known": (ok(b'{"active": true}', "401 Unauthorized"), "status"),
    "no content": (ok(b"", "204 No Content"), "status"),
    "a failure": (ok(b'{"active": true}', "500 Oops"), "unavailable"),
    "nothing": (raw(b""), "http"),
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_without_an_answer_there_is_no_access(name: str, tmp_path: Path) -> None:
    answer, outcome = NO_ANSWER[name]
    with service(answer) as running, asking(running, tmp_path) as made:
        assert made.refused() == "introspection"
        assert made.counted(outcome) == 1
        running.answer = says()
        made.ahead[0] += 10_000
        assert made.accepts(), "that there was no answer is not kept"


def test_who_does_not_answer_in_time_is_not_waited_for(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path, timeout=100) as made:
        running.answer = held(running, says())
        started = monotonic()
        assert made.refused() == "introspection"
        assert monotonic() - started < 10
        running.held.set()


def test_requests_with_one_token_ask_once(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        running.answer = held(running, says())
        subjects: list[Subject] = []
        threads = [threading.Thread(target=lambda: subjects.append(made.ask())) for _ in range(10)]
        for thread in threads:
            thread.start()
        while not running.asked:
            sleep(0.002)
        running.held.set()
        for thread in threads:
            thread.join(20)
        assert [subject.uid.id for subject in subjects] == ["ana"] * 10
        assert len(running.asked) == 1


def test_questions_are_bounded(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        running.answer = held(running, says())
        threads = [threading.Thread(target=made.ask, args=(f"token-{number}",)) for number in range(MAX_PENDING)]
        for thread in threads:
            thread.start()
        introspector = made.verifier._asked.introspector if made.verifier._asked else None
        assert introspector is not None
        while len(introspector._pending) < MAX_PENDING:
            sleep(0.002)
        assert made.refused("one-more") == "introspection"
        assert made.counted("busy") == 1
        running.held.set()
        for thread in threads:
            thread.join(20)


def test_after_a_failure_nobody_waits_for_the_next_one(tmp_path: Path) -> None:
    with service(ok(b"", "503 Unavailable")) as running, asking(running, tmp_path) as made:
        assert made.refused("a") == "introspection"
        for token in ("b", "c", "d"):
            assert made.refused(token) == "introspection"
        assert len(running.asked) == 1
        assert made.counted("paused") == 3
        running.answer = says()
        made.ahead[0] += 500
        assert made.accepts("b")
        assert made.accepts("c")


def test_a_token_that_the_issuer_chokes_on_stops_no_other_one(tmp_path: Path) -> None:
    with service(ok(b"", "400 Bad Request")) as running, asking(running, tmp_path) as made:
        assert made.refused("a") == "introspection"
        running.answer = says()
        assert made.accepts("b")


def test_the_pause_grows_and_one_question_tries() -> None:
    breaker = Breaker()
    assert all(breaker.may_ask(0) for _ in range(3))
    tick = 0
    for pause in (500, 1_000, 2_000, 4_000, 8_000, 8_000):
        breaker.failed(tick)
        assert not breaker.may_ask(tick + pause - 1)
        tick += pause
        assert breaker.may_ask(tick)
        assert not breaker.may_ask(tick), "one is enough to see"
    breaker.answered()
    assert all(breaker.may_ask(tick) for _ in range(3))
    breaker.failed(tick)
    assert breaker.may_ask(tick + 500)


def test_failures_of_one_moment_count_once() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0)
    assert breaker.may_ask(500)


def test_a_remembered_answer_is_looked_at_for_revocations(tmp_path: Path) -> None:
    with service(says(jti="t-1", iat=SECONDS)) as running, asking(running, tmp_path) as made:
        assert made.accepts()
        made.verifier.revocations.add(Revocation((Scope.TOKEN, ISSUER, "t-1")))
        assert made.refused() == "revoked"


@pytest.mark.parametrize("token", ["", "a b", "tök", "a\n", "\ud800", "a%b", "=", "a=b", '"a"'], ids=ascii)
def test_what_is_no_token_is_not_asked_about(token: str, tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        assert made.refused(token) == "malformed"
        assert running.asked == []


@pytest.mark.parametrize(
    "token", ["a", "a.b", "a.b.c", "a.b.c.d", "abc==", "~/+-_.", "x" * 16_384], ids=lambda t: t[:9]
)
def test_what_is_no_jwt_is_asked_about(token: str, tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        assert made.accepts(token)
        assert parse_qs(running.asked[0].body.decode())["token"] == [token]


def test_a_jwt_of_an_issuer_with_keys_is_verified_and_not_asked_about(tmp_path: Path) -> None:
    signer = Signer()
    claims = {name: value for name, value in ACTIVE.items() if name != "active"}
    keys = HeldKeys(key_set(signer.jwk()))
    with service(says()) as running, asking(running, tmp_path, keys) as made:
        assert made.ask(signer.token(claims)).method is Method.JWT
        assert made.refused(Signer(number=1).token(claims)) == "signature"
        assert made.refused(signer.token(claims | {"iss": "https://other.example"})) == "issuer"
        assert made.refused(signer.token(claims, alg="none")) == "algorithm"
        assert running.asked == []


def test_a_jwt_of_an_issuer_without_keys_is_asked_about(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        assert made.ask(Signer().token({"iss": ISSUER})).method is Method.INTROSPECTION
        assert made.refused(Signer().token({"iss": "https://other.example"})) == "issuer"
        assert len(running.asked) == 1


# Secrets


@pytest.mark.parametrize(
    ("written", "secret"),
    [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), (" a b ", " a b "), ("x" * MAX_SECRET, "x" * MAX_SECRET)],
)
def test_a_secret_is_read(written: str, secret: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(written, "utf-8", newline="")
    assert load_secret(path) == secret


@pytest.mark.parametrize("written", ["", "\n", "a\n\n", "a\nb", "a\0b", "x" * (MAX_SECRET + 1)], ids=ascii)
def test_what_is_no_secret_is_refused_and_not_shown(written: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("tell" + written if written.strip() else written, "utf-8", newline="")
    with pytest.raises(SecretError) as caught:
        load_secret(path)
    assert "tell" not in caught.value.render()


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CedarError) as caught:
        load_secret(tmp_path / "secret")
    assert caught.value.render().startswith(str(tmp_path))


def test_before_it_is_loaded_nobody_is_asked(tmp_path: Path) -> None:
    config = IntrospectionConfig(HttpUrl("http://127.0.0.1:1/"), "pdp", tmp_path / "secret")
    introspector = Introspector(config, IdentityMetrics(CollectorRegistry()), monotonic_ms)
    with pytest.raises(IdentityError) as caught:
        introspector.ask("token", b"key", NOW)
    assert caught.value.code == "introspection"
    introspector.stop()


def test_after_the_end_nobody_is_asked(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        assert made.verifier._asked is not None
        assert made.verifier._asked.introspector is not None
        made.verifier._asked.introspector.stop()
        assert made.refused() == "introspection"
        assert running.asked == []


def test_the_end_refuses_who_still_waits(tmp_path: Path) -> None:
    with service(says()) as running, asking(running, tmp_path) as made:
        running.answer = held(running, says())
        codes: list[str] = []

        def ask(token: str) -> None:
            try:
                codes.append(made.ask(token).uid.id)
            except IdentityError as error:
                codes.append(error.code)

        threads = [threading.Thread(target=ask, args=(f"token-{number}",)) for number in range(ASKING + 3)]
        for thread in threads:
            thread.start()
        while len(running.asked) < ASKING:
            sleep(0.002)
        assert made.verifier._asked is not None
        assert made.verifier._asked.introspector is not None
        threading.Timer(0.05, running.held.set).start()
        made.verifier._asked.introspector.stop()
        for thread in threads:
            thread.join(20)
        assert sorted(codes) == ["ana"] * ASKING + ["introspection"] * 3


def test_both_parts_of_the_header_are_encoded() -> None:
    assert b64decode(basic("a:b", "c d").removeprefix("Basic ")) == b"a%3Ab:c+d"


def answered(**headers: str) -> Mapping[str, object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(HttpAnswer(200, named, b'{"active": true}'))


def test_the_type_of_an_answer_may_have_parameters() -> None:
    assert answered(content_type="Application/JSON; charset=utf-8") == {"active": True}
    with pytest.raises(FetchError):
        answered()
