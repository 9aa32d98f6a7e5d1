"""All of identity as it is configured: what is loaded, put in place, fetched, watched, and stopped."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from http_service import Service, ok, raw, service
from issuer import Signer
from prometheus_client import CollectorRegistry

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config import IdentityConfig
from pdp.config.identity import read_identity
from pdp.documents import parse_yaml
from pdp.identity.errors import IdentityError
from pdp.identity.presented import Presented
from pdp.identity.service import IdentityService, verify_once
from pdp.telemetry.identity import IdentityMetrics

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
OURS, THEIRS = Signer("ES256", "ours"), Signer("ES256", "theirs", 1)
A, B = "https://a.example", "https://b.example"


def claims(issuer: str = A, **more: object) -> dict[str, object]:
    return {"iss": issuer, "aud": "pdp", "sub": "ana", "iat": SECONDS, "exp": SECONDS + 300, "jti": "t-1", **more}


def set_of(*signers: Signer) -> str:
    return json.dumps({"keys": [signer.jwk() for signer in signers]})


def config(folder: Path, text: str) -> IdentityConfig:
    return read_identity(parse_yaml(Source("pdp.yaml", text)), folder)


ONE = f"issuer: {A}\naudience: pdp\nalgorithms: [ES256]\n"


def two(url: str) -> str:
    """Two issuers: one's keys in a file, the other's at a URL."""
    common = "audience: pdp, algorithms: [ES256]"
    return (
        f"issuers:\n- {{issuer: {A}, {common}, jwks: a.json}}\n"
        f"- {{issuer: {B}, {common}, jwks: '{url}', principal: {{type: B}}}}\n"
    )


@contextmanager
def running(config: IdentityConfig) -> Iterator[IdentityService]:
    """Loaded, and started."""
    made = IdentityService(
        config, metrics=IdentityMetrics(CollectorRegistry()), report=lambda *_: None, clock=lambda: NOW
    )
    made.load()()
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.stop()


def code(made: IdentityService, token: str) -> str:
    try:
        return made.verifier.verify(Presented(token), NOW).uid.id
    except IdentityError as error:
        return error.code


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.005)


def test_each_issuer_is_verified_with_its_own_keys_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(set_of(OURS), "utf-8")
    with service(ok(set_of(THEIRS).encode())) as there, running(config(tmp_path, two(there.url().text))) as made:
        assert code(made, OURS.token(claims(A))) == "ana"
        assert code(made, THEIRS.token(claims(B))) == "ana"
        assert made.verifier.verify(Presented(THEIRS.token(claims(B))), NOW).uid.type == "B"
        assert code(made, OURS.token(claims(B))) == "unknown_key"
        assert code(made, THEIRS.token(claims(A))) == "unknown_key"


def test_an_issuer_that_cannot_be_reached_stops_neither_the_start_nor_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(set_of(OURS), "utf-8")
    with service(raw(b"")) as there, running(config(tmp_path, two(there.url().text))) as made:
        assert code(made, OURS.token(claims(A))) == "ana"
        assert code(made, THEIRS.token(claims(B))) == "keys_stale"
        there.answer = ok(set_of(THEIRS).encode())
        made.refresh()
        eventually(lambda: code(made, THEIRS.token(claims(B))) == "ana")


def test_a_rotated_key_is_accepted_from_the_first_token_on(tmp_path: Path) -> None:
    answer = ok(set_of(OURS).encode())
    with service(answer) as there, running(config(tmp_path, ONE + f"jwks: {there.url().text}\n")) as made:
        assert code(made, OURS.token(claims())) == "ana"
        there.answer = ok(set_of(THEIRS).encode())
        made.refresh()
        eventually(lambda: code(made, THEIRS.token(claims())) == "ana")
        assert code(made, OURS.token(claims())) == "unknown_key", "what was withdrawn is over, remembered or not"


def test_what_is_read_is_put_in_place_by_whoever_read_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(set_of(OURS), "utf-8")
    (tmp_path / "revoked.json").write_text('{"revocations": []}', "utf-8")
    with running(config(tmp_path, ONE + "jwks: a.json\nrevocations: revoked.json\n")) as made:
        token = OURS.token(claims())
        assert code(made, token) == "ana"
        entry = {"issuer": A, "token": "t-1"}
        (tmp_path / "revoked.json").write_text(json.dumps({"revocations": [entry]}), "utf-8")
        put = made.load()
        assert code(made, token) == "ana"
        put()
        assert code(made, token) == "revoked"
        (tmp_path / "a.json").write_text("{}", "utf-8")
        (tmp_path / "revoked.json").write_text('{"revocations": []}', "utf-8")
        with pytest.raises(CedarError):
            made.load()
        assert code(made, token) == "revoked", "a fault changes nothing"


def test_a_token_stays_remembered_when_a_load_brings_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(set_of(OURS), "utf-8")
    with running(config(tmp_path, ONE + "jwks: a.json\n")) as made:
        presented = Presented(OURS.token(claims()))
        first = made.verifier.verify(presented, NOW)
        (tmp_path / "a.json").write_text(set_of(OURS) + "\n", "utf-8")
        made.load()()
        assert made.verifier.verify(presented, NOW) is first
        (tmp_path / "a.json").write_text(set_of(OURS, THEIRS), "utf-8")
        made.load()()
        again = made.verifier.verify(presented, NOW)
        assert (again is not first, again == first) == (True, True)


def test_every_file_that_is_read_is_watched(tmp_path: Path) -> None:
    common = "audience: pdp, algorithms: [ES256]"
    asked = "introspection: {url: 'https://b.example/i', client_id: c, client_secret: s, ca: i.pem}"
    text = (
        f"revocations: r.json\nissuers:\n- {{issuer: {A}, {common}, jwks: a.json}}\n- {{issuer: {B}, {common},"
        f" jwks: {{url: 'https://b.example/k', ca: b.pem}}, principal: {{type: B}}, {asked}}}\n"
    )
    made = IdentityService(
        config(tmp_path, text),
        metrics=IdentityMetrics(CollectorRegistry()),
        report=lambda *_: None,
        clock=lambda: NOW,
    )
    assert {path.name for path in made.sources()} == {"r.json", "a.json", "b.pem", "s", "i.pem"}
    made.stop()


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with service(ok(set_of(OURS).encode())) as there:
        serving = set(threading.enumerate())
        with running(config(tmp_path, ONE + f"jwks: {there.url().text}\n")) as made:
            assert set(threading.enumerate()) > serving
            assert code(made, OURS.token(claims())) == "ana"
        assert set(threading.enumerate()) - serving == set()
    assert set(threading.enumerate()) == before


def test_one_token_can_be_verified_for_a_command(tmp_path: Path) -> None:
    def once(there: Service | None, token: str) -> str:
        jwks = "a.json" if there is None else there.url().text
        try:
            return verify_once(config(tmp_path, ONE + f"jwks: {jwks}\n"), Presented(token), NOW).uid.id
        except IdentityError as error:
            return error.code

    with service(ok(set_of(OURS).encode())) as there:
        assert once(there, OURS.token(claims())) == "ana"
        assert once(there, OURS.token(claims(aud="mail"))) == "audience"
        there.answer = raw(b"")
        assert once(there, OURS.token(claims())) == "keys_stale"
    with pytest.raises(CedarError, match="cannot read"):
        once(None, OURS.token(claims()))
