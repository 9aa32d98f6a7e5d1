"""Identity in a whole decision point: keys that rotate while it runs, revocations by file, and mappings that misfit."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from time import monotonic, sleep

import pytest
from engine_worlds import NOW, PLAN, READ
from http_service import ok, raw, service
from issuer import Signer
from small_world import ISSUER, SmallWorld, token, write_small_world

from pdp.app import App
from pdp.cedar.errors import CedarError
from pdp.cedar.values import Record
from pdp.cli.client import ask
from pdp.cli.connection import Connection
from pdp.cli.question import Question, Token
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat

OTHER = Signer("ES256", "two", 1)


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    """The small world, for this test alone."""
    return write_small_world(tmp_path / "world")


@pytest.fixture
def start(files: SmallWorld) -> Iterator[Callable[[], tuple[App, StringIO]]]:
    """Starts an app over the files as they are, and stops it in the end."""
    started: list[App] = []

    def make() -> tuple[App, StringIO]:
        log = StringIO()
        app = App(load_config(files.config), EventLog(log, LogFormat.JSON, lambda: NOW), lambda: NOW, 0.02)
        started.append(app)
        app.start()
        return app, log

    yield make
    for app in started:
        app.stop()


def answer(app: App, text: str) -> str:
    """The reason of the answer to a token that reads."""
    question = Question(Token(text), READ, PLAN, None, Record())
    return ask(question, 0, Connection(f"127.0.0.1:{app.grpc_port}", None, 10)).reason


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.01)


def other_token() -> str:
    second = NOW // 1000
    claims = {"iss": "https://issuer.example", "aud": "pdp", "sub": "ana", "iat": second, "exp": second + 600}
    return OTHER.token(claims)


def test_keys_at_a_url_rotate_while_it_runs(files: SmallWorld, start: Callable[[], tuple[App, StringIO]]) -> None:
    with service(ok(json.dumps({"keys": [ISSUER.jwk()]}).encode())) as issuer:
        files.replace("pdp.yaml", "  jwks: keys.json\n", f"  jwks: {issuer.url().text}\n")
        app, _ = start()
        assert answer(app, token("ana", NOW)) == "allowed"
        assert answer(app, other_token()) == "unauthenticated"
        issuer.answer = ok(json.dumps({"keys": [OTHER.jwk()]}).encode())
        app._identity.refresh()
        eventually(lambda: answer(app, other_token()) == "allowed")
        assert answer(app, token("ana", NOW)) == "unauthenticated"
        shown = app.metrics.exposition().decode()
    assert 'pdp_key_fetches_total{issuer="https://issuer.example",outcome="ok"} 2.0' in shown
    assert "pdp_tokens_kept 2.0" in shown
    assert 'pdp_identity_failures_total{cause="unknown_key"}' in shown


def test_it_starts_without_the_issuer_and_says_so(files: SmallWorld, start: Callable[[], tuple[App, StringIO]]) -> None:
    with service(raw(b"")) as issuer:
        files.replace("pdp.yaml", "  jwks: keys.json\n", f"  jwks: {issuer.url().text}\n")
        app, log = start()
        assert answer(app, token("ana", NOW)) == "unauthenticated"
        shown = app.metrics.exposition().decode()
        assert 'pdp_identity_failures_total{cause="keys_stale"} 1.0' in shown
        told = [json.loads(line) for line in log.getvalue().splitlines() if '"keys"' in line]
        assert told[0]["issuer"] == "https://issuer.example"
        assert (told[0]["level"], told[0]["outcome"]) == ("error", "error")
        issuer.answer = ok(json.dumps({"keys": [ISSUER.jwk()]}).encode())
        eventually(lambda: answer(app, token("ana", NOW)) == "allowed")


def test_a_revocation_in_the_file_ends_a_remembered_token(
    files: SmallWorld, start: Callable[[], tuple[App, StringIO]]
) -> None:
    files.write("revoked.json", '{"revocations": []}')
    files.replace("pdp.yaml", "  jwks: keys.json\n", "  jwks: keys.json\n  revocations: revoked.json\n")
    app, _ = start()
    text = token("ana", NOW, jti="t-1")
    assert answer(app, text) == "allowed"
    entry = {"issuer": "https://issuer.example", "token": "t-1"}
    files.write("revoked.json", json.dumps({"revocations": [entry]}))
    eventually(lambda: answer(app, text) == "unauthenticated")
    assert answer(app, token("ana", NOW, jti="t-2")) == "allowed"
    assert "pdp_revocations 1.0" in app.metrics.exposition().decode()


def test_a_mapping_that_does_not_fit_the_schema_is_refused_at_the_start(
    files: SmallWorld, start: Callable[[], tuple[App, StringIO]]
) -> None:
    files.replace("pdp.yaml", "  jwks: keys.json\n", "  jwks: keys.json\n  principal:\n    attributes: {levle: a}\n")
    with pytest.raises(CedarError) as caught:
        start()
    assert caught.value.render().startswith(f"{files.config}:")
    assert "no principal has the attribute `levle`" in caught.value.message
    assert caught.value.help == "did you mean `level`?"
