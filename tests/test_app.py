"""A whole decision point over real sockets: start, faults, reloads, what it says of itself, and stop."""

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from engine_worlds import ANA, BOB, EVE, GONE, LAPTOP, MINUTE, NOW, PLAN, READ, SECRET
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from small_world import SmallWorld, token, write_small_world
from small_world_faults import FAULTS

from pdp.app import App
from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID, Record
from pdp.cli.answer import Answer
from pdp.cli.client import CallError, ask
from pdp.cli.connection import Connection
from pdp.cli.question import Question, Token
from pdp.config import Config, load_config
from pdp.context.facts import Facts
from pdp.context.files import load_facts
from pdp.identity.keyset import load_key_set
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.errors import ListenError
from pdp.transport.grpc import ext_authz, service

SLOW = 60.0
"""Seconds between two looks at the files: never, for a test."""

QUICK = 0.02


@dataclass
class Running:
    """An app, and what a client and an operator see of it."""

    app: App
    log: StringIO
    now: list[int] = field(default_factory=lambda: [NOW])

    def ask(
        self,
        who: EntityUID | Token = ANA,
        action: EntityUID = READ,
        resource: EntityUID = PLAN,
        device: EntityUID | None = None,
        min_revision: int = 0,
    ) -> Answer:
        """The answer to a question over gRPC."""
        question = Question(who, action, resource, device, Record())
        return ask(question, min_revision, Connection(f"127.0.0.1:{self.app.grpc_port}", None, 10))

    def envoy(self, path: str, bearer: str | None, method: str = "GET") -> Any:
        """The answer to Envoy's question."""
        request = external_auth_pb2.CheckRequest()
        http = request.attributes.request.http
        http.method, http.host, http.path = method, "api.example", path
        if bearer is not None:
            http.headers["authorization"] = f"Bearer {bearer}"
        with grpc.insecure_channel(f"127.0.0.1:{self.app.grpc_port}") as channel:
            return external_auth_pb2_grpc.AuthorizationStub(channel).Check(request, timeout=10)

    def health(self, name: str = "") -> str:
        """What the health service says."""
        with grpc.insecure_channel(f"127.0.0.1:{self.app.grpc_port}") as channel:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.app.http_port}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, series: str) -> float | None:
        """The value of a series, None if it is not there."""
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return None

    def events(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @property
    def revision(self) -> str:
        """The policy revision that answers."""
        assert self.app.world is not None
        return self.app.world.policy_revision


def eventually(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails when it does not come to."""
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.005)


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    """The small world, for this test alone."""
    return write_small_world(tmp_path / "world")


@pytest.fixture
def build(files: SmallWorld) -> Iterator[Callable[..., Running]]:
    """Builds an app over the small world, not yet started, and stops it in the end."""
    built: list[App] = []

    def make(poll_seconds: float = SLOW, change: Callable[[Config], Config] = lambda config: config) -> Running:
        log, now = StringIO(), [NOW]
        config = change(load_config(files.config))
        app = App(config, EventLog(log, LogFormat.JSON, lambda: now[0]), lambda: now[0], poll_seconds)
        built.append(app)
        return Running(app, log, now)

    yield make
    for app in built:
        app.stop()


@pytest.fixture
def running(build: Callable[..., Running]) -> Running:
    """A started app that looks at its files only when it is told to."""
    made = build()
    made.app.start()
    return made


# Before it is ready


def test_until_it_has_loaded_it_denies_and_says_so(
    build: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, may_load = Event(), Event()

    def slow(path: Path) -> Any:
        loading.set()
        assert may_load.wait(20)
        return load_key_set(path)

    monkeypatch.setattr("pdp.identity.keysource.load_key_set", slow)
    made = build()
    starting = Thread(target=made.app.start)
    starting.start()
    try:
        assert loading.wait(20)
        for name in ("", service.NAME, ext_authz.NAME):
            assert made.health(name) == "NOT_SERVING"
        assert made.get("/healthz") == (200, "ok\n")
        assert made.get("/readyz") == (503, '{"ready":false}')
        assert made.metric("pdp_ready") == 0
        for who in (ANA, Token(token("ana", NOW))):
            answer = made.ask(who)
            assert (answer.allowed, answer.reason, answer.policy_revision) == (False, "not_ready", "")
        denied = made.envoy("/files/plan", token("ana", NOW))
        assert (denied.status.code != 0, denied.denied_response.status.code) == (True, 503)
    finally:
        may_load.set()
        starting.join(20)
    assert made.health() == "SERVING"
    assert made.ask().allowed
    assert made.metric("pdp_ready") == 1


# Running


def test_what_it_answers_and_what_it_says_of_itself(running: Running) -> None:
    for name in ("", service.NAME, ext_authz.NAME):
        assert running.health(name) == "SERVING"
    allowed, denied = running.ask(), running.ask(EVE)
    assert (allowed.allowed, allowed.reason, allowed.context_revision) == (True, "allowed", 1)
    assert (denied.allowed, denied.message) == (False, "suspended people may do nothing")
    assert allowed.policy_revision == running.revision
    status, body = running.get("/readyz")
    assert (status, json.loads(body)) == (
        200,
        {"ready": True, "policy_revision": running.revision, "context_revision": 1},
    )


def test_a_token_is_verified_by_the_loaded_keys(running: Running) -> None:
    assert running.ask(Token(token("ana", NOW))).allowed
    refused = running.ask(Token(token("ana", NOW, aud="another")))
    assert (refused.allowed, refused.reason) == (False, "unauthenticated")
    assert running.metric('pdp_identity_failures_total{cause="audience"}') == 1


def test_envoys_door_goes_by_the_loaded_routes(running: Running) -> None:
    allowed = running.envoy("/files/plan", token("ana", NOW))
    assert allowed.HasField("ok_response")
    headers = {option.header.key: option.header.value for option in allowed.ok_response.headers}
    assert headers["x-reader"] == "yes"
    assert running.envoy("/files/plan", None).denied_response.status.code == 401
    assert running.envoy("/nothing", token("ana", NOW)).denied_response.status.code == 403


def test_asserted_principals_are_refused_unless_configured(build: Callable[..., Running]) -> None:
    made = build(change=lambda config: replace(config, identity=replace(config.identity, accept_asserted=False)))
    made.app.start()
    answer = made.ask()
    assert (answer.allowed, answer.reason) == (False, "unauthenticated")
    assert made.metric('pdp_identity_failures_total{cause="assertion_not_accepted"}') == 1


def test_facts_age_while_it_runs(running: Running) -> None:
    fresh = running.ask(resource=SECRET, device=LAPTOP)
    assert fresh.allowed
    assert fresh.valid_until == NOW + 10 * MINUTE, "observed five minutes before the load, believed for fifteen"
    running.now[0] = NOW + 10 * MINUTE - 1
    assert replace(running.ask(resource=SECRET, device=LAPTOP), request_id=fresh.request_id) == fresh
    running.now[0] = NOW + 10 * MINUTE
    stale = running.ask(resource=SECRET, device=LAPTOP)
    assert (stale.allowed, stale.reason) == (False, "forbidden")
    running.app.reload()
    assert running.ask(resource=SECRET, device=LAPTOP).allowed, "relative times count from the load"


def test_a_caller_can_demand_the_revision_that_a_reload_made(running: Running) -> None:
    assert running.ask(min_revision=2).reason == "context_behind"
    running.app.reload()
    assert running.ask(min_revision=2).allowed


def test_the_metrics(running: Running) -> None:
    running.ask()
    running.ask(EVE)
    running.ask(resource=GONE)
    running.envoy("/files/plan", None)
    expected = {
        'pdp_decisions_total{decision="allow",door="check",reason="allowed"}': 1,
        'pdp_decisions_total{decision="deny",door="check",reason="forbidden"}': 1,
        'pdp_decisions_total{decision="deny",door="check",reason="policy_error"}': 1,
        'pdp_decisions_total{decision="deny",door="ext_authz",reason="unauthenticated"}': 1,
        'pdp_decision_seconds_count{door="check"}': 3,
        'pdp_decision_seconds_count{door="ext_authz"}': 1,
        'pdp_evaluation_errors_total{kind="entity_missing"}': 1,
        'pdp_identity_failures_total{cause="missing"}': 1,
        'pdp_policy_load_total{outcome="ok"}': 1,
        'pdp_policy_load_total{outcome="error"}': 0,
        'pdp_context_load_total{outcome="ok"}': 1,
        'pdp_key_load_total{outcome="ok"}': 1,
        'pdp_route_load_total{outcome="ok"}': 1,
        'pdp_reload_total{outcome="ok"}': 1,
        'pdp_reload_total{outcome="error"}': 0,
        f'pdp_policy_revision_info{{revision="{running.revision}"}}': 1,
        "pdp_policy_load_timestamp_seconds": NOW / 1000,
        "pdp_context_load_timestamp_seconds": NOW / 1000,
        "pdp_context_revision": 1,
        "pdp_ready": 1,
    }
    assert {series: running.metric(series) for series in expected} == expected
    running.app.reload()
    assert running.metric("pdp_context_revision") == 2
    assert running.metric('pdp_reload_total{outcome="ok"}') == 2


def test_the_log_tells_of_a_load_and_of_no_request(running: Running) -> None:
    running.ask()
    running.ask(EVE)
    (event,) = running.events()
    seconds = event.pop("seconds")
    assert seconds >= 0
    assert event == {
        "time": "2026-03-02T10:00:00.000Z",
        "level": "info",
        "event": "load",
        "outcome": "ok",
        "policy_revision": running.revision,
        "context_revision": 1,
        "policies": 6,
        "templates": 1,
        "grants": 1,
        "entities": 14,
    }


def test_a_defect_in_the_engine_denies_and_is_told_without_its_text(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("pdp.engine.evaluating.enrich", fail)
    answer = running.ask()
    assert (answer.allowed, answer.reason) == (False, "internal_error")
    assert running.metric('pdp_unexpected_errors_total{place="engine"}') == 1
    defect = running.events()[-1]
    assert (defect["event"], defect["place"], defect["error"]) == ("defect", "engine", "RuntimeError")
    assert "evaluating.py" in defect["trace"]
    assert "secret" not in running.log.getvalue()


def test_a_unix_socket(files: SmallWorld, build: Callable[..., Running], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    made = build(change=lambda config: replace(config, grpc=replace(config.grpc, listen=f"unix:{path}")))
    made.app.start()
    assert made.app.grpc_port in {0, 1}
    assert ask(Question(ANA, READ, PLAN, None, Record()), 0, Connection(f"unix:{path}", None, 10)).allowed


# Faults: each stops a start, and none disturbs what runs


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_stops_the_start_with_one_message_and_nothing_left_behind(
    files: SmallWorld, build: Callable[..., Running], name: str
) -> None:
    fault = FAULTS[name]
    fault.make(files)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    made = build()
    with pytest.raises(CedarError) as caught:
        made.app.start()
    assert caught.value.code == fault.code
    fault.check_told(caught.value.render(), files.root)
    assert made.events() == [], "whoever started it is told, once"
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert made.app.world is None
    with pytest.raises(urllib.error.URLError, match="refused"):
        made.get("/healthz")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_the_running_state_in_place_and_is_counted(
    files: SmallWorld, running: Running, name: str
) -> None:
    fault, before = FAULTS[name], running.app.world
    kept = {path: path.read_bytes() for path in files.root.rglob("*") if path.is_file()}
    fault.make(files)
    os.kill(os.getpid(), signal.SIGHUP)
    eventually(lambda: len(running.events()) == 2)
    event = running.events()[1]
    assert (event["level"], event["event"], event["outcome"], event["cause"]) == ("error", "load", "error", "SIGHUP")
    assert event["code"] == fault.code
    fault.check_told(event["message"], files.root)
    assert running.app.world is before
    assert running.ask().allowed
    assert not running.ask(EVE).allowed
    assert running.envoy("/files/plan", token("ana", NOW)).HasField("ok_response")
    assert running.health() == "SERVING"
    assert running.metric('pdp_reload_total{outcome="error"}') == 1
    assert running.metric(f'pdp_load_errors_total{{code="{fault.code}"}}') == 1
    assert running.metric("pdp_context_revision") == 1
    for source in ("policy", "context", "key", "route"):
        assert running.metric(f'pdp_{source}_load_total{{outcome="error"}}') == (source == fault.source)
    # Put right, it loads again.
    for path in files.root.rglob("*.cedar"):
        if path not in kept:
            path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    assert running.app.reload().context_revision == 2


def test_a_fault_in_one_source_keeps_the_others_from_being_replaced(files: SmallWorld, running: Running) -> None:
    # Routes and keys are read first; they must not serve beside policies that were not loaded.
    files.replace("routes.yaml", "/files/{id}", "/papers/{id}")
    files.write("context/grants.json", "[")
    with pytest.raises(CedarError):
        running.app.reload()
    assert running.envoy("/files/plan", token("ana", NOW)).HasField("ok_response")
    assert not running.envoy("/papers/plan", token("ana", NOW)).HasField("ok_response")
    files.write("context/grants.json", "[]")
    running.app.reload()
    assert running.envoy("/papers/plan", token("ana", NOW)).HasField("ok_response")
    assert not running.envoy("/files/plan", token("ana", NOW)).HasField("ok_response")


def test_headers_that_policies_set_are_kept_from_clients_from_the_load_on_and_not_after_a_fault(
    files: SmallWorld, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.app._names.headers == {"x-reader"}
    files.replace("teams/files/files.cedar", "x-reader=yes", "x-other=yes")
    posture = files.write("context/posture.json", "[")
    with pytest.raises(CedarError):
        running.app.reload()
    assert running.app._names.headers == {"x-reader"}
    posture.write_text("[]")
    between = []

    def look(*arguments: Any, **named: Any) -> Facts:
        between.append(running.app._names.headers)
        return load_facts(*arguments, **named)

    monkeypatch.setattr("pdp.app.load_facts", look)
    running.app.reload()
    assert between == [{"x-reader", "x-other"}], "a decision in between may be of either"
    assert running.app._names.headers == {"x-other"}


def test_a_defect_while_reloading_is_told_and_nothing_changes(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("pdp.app.load_routes", fail)
    os.kill(os.getpid(), signal.SIGHUP)
    eventually(lambda: len(running.events()) == 2)
    assert (running.events()[1]["event"], running.events()[1]["place"]) == ("defect", "reload")
    assert "secret" not in running.log.getvalue()
    assert running.metric('pdp_load_errors_total{code="unexpected"}') == 1
    assert running.ask().allowed
    monkeypatch.undo()
    os.kill(os.getpid(), signal.SIGHUP)
    eventually(lambda: len(running.events()) == 3)
    assert running.events()[2]["outcome"] == "ok", "the watcher lived to see the next order"


# Reloads


def test_sighup_reloads(files: SmallWorld, running: Running) -> None:
    before = running.revision
    assert running.ask(BOB).allowed
    files.write("context/grants.json", "[]")
    files.replace("teams/files/files.cedar", "owners share", "owners do share")
    os.kill(os.getpid(), signal.SIGHUP)
    eventually(lambda: len(running.events()) == 2)
    assert running.events()[1]["outcome"] == "ok"
    assert running.revision != before
    assert not running.ask(BOB).allowed
    assert running.metric(f'pdp_policy_revision_info{{revision="{running.revision}"}}') == 1
    assert running.metric(f'pdp_policy_revision_info{{revision="{before}"}}') is None


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (
            lambda files: files.replace("teams/files/files.cedar", 'Group::"readers"', 'Group::"nobody"'),
            lambda running: not running.ask().allowed,
        ),
        (lambda files: files.write("context/grants.json", "[]"), lambda running: not running.ask(BOB).allowed),
        (
            lambda files: files.replace("routes.yaml", "/files/{id}", "/papers/{id}"),
            lambda running: running.envoy("/papers/plan", token("ana", NOW)).HasField("ok_response"),
        ),
        (
            lambda files: files.replace("keys.json", '"one"', '"two"'),
            lambda running: not running.ask(Token(token("ana", NOW))).allowed,
        ),
    ],
    ids=["policies", "facts", "routes", "keys"],
)
def test_a_change_of_any_source_is_loaded_by_itself(
    files: SmallWorld,
    build: Callable[..., Running],
    change: Callable[[SmallWorld], object],
    asked: Callable[[Running], bool],
) -> None:
    made = build(poll_seconds=QUICK)
    made.app.start()
    assert not asked(made)
    change(files)
    eventually(lambda: asked(made))
    assert made.app.world is not None
    assert made.app.world.context_revision == 2


def test_a_fault_that_is_saved_is_told_once_and_its_repair_is_loaded(
    files: SmallWorld, build: Callable[..., Running]
) -> None:
    made = build(poll_seconds=QUICK)
    made.app.start()
    good = (files.root / "routes.yaml").read_text("utf-8")
    files.write("routes.yaml", "routes: 1")
    eventually(lambda: len(made.events()) == 2)
    sleep(10 * QUICK)
    assert [(event["outcome"], event.get("cause")) for event in made.events()[1:]] == [("error", "files changed")]
    files.write("routes.yaml", good)
    eventually(lambda: len(made.events()) == 3)
    assert made.events()[2]["outcome"] == "ok"


def test_answers_while_reloading_are_of_the_old_world_or_of_the_new_one(files: SmallWorld, running: Running) -> None:
    # Both worlds allow ana by another policy; a mixture of the two would deny.
    names = {"files/readers-read", "files/new-readers-read"}
    old, new = sorted(names, reverse=True)
    stop = Event()
    seen: set[str] = set()

    def asking() -> None:
        while not stop.is_set():
            answer = running.ask()
            assert answer.allowed, answer
            seen.update(id for id, _, _ in answer.policies)

    with ThreadPoolExecutor(2) as pool:
        askers = [pool.submit(asking) for _ in range(2)]
        for number in range(20):
            names_now = (old, new) if number % 2 == 0 else (new, old)
            files.replace("teams/files/files.cedar", f'"{names_now[0]}"', f'"{names_now[1]}"')
            running.app.reload()
        stop.set()
        for asker in askers:
            asker.result()
    assert seen == names


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting(running: Running, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    running.app.wait()
    assert running.health() == "SERVING", "it stops when it is stopped"


def test_stopping_gives_the_signals_back_and_may_be_repeated(build: Callable[..., Running]) -> None:
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    made = build()
    made.app.start()
    assert all(new is not old for new, old in zip(map(signal.getsignal, numbers), before, strict=True))
    made.app.stop()
    assert [signal.getsignal(number) for number in numbers] == before
    made.app.stop()
    made.app.wait()
    with pytest.raises(urllib.error.URLError, match="refused"):
        made.get("/healthz")


def test_in_another_thread_signals_are_left_alone(build: Callable[..., Running]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    made = build()
    starting = Thread(target=made.app.start)
    starting.start()
    starting.join(20)
    assert made.ask().allowed
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_never_started_can_be_stopped(build: Callable[..., Running]) -> None:
    build().app.stop()


def takes_calls(running: Running) -> bool:
    try:
        running.ask()
    except CallError:
        return False
    return True


def test_stopping_lets_a_running_call_end(running: Running) -> None:
    began, may_end = Event(), Event()
    real = running.app._authentication.verifier

    class Slow:
        def verify(self, presented: Presented, now: int) -> Subject:
            began.set()
            assert may_end.wait(20)
            assert real is not None
            return real.verify(presented, now)

    running.app._authentication.verifier = Slow()
    answers: SimpleQueue[Answer] = SimpleQueue()
    caller = Thread(target=lambda: answers.put(running.ask(Token(token("ana", NOW)))))
    caller.start()
    assert began.wait(20)
    stopper = Thread(target=running.app.stop)
    stopper.start()
    eventually(lambda: not takes_calls(running))
    sleep(0.1)
    may_end.set()
    caller.join(20)
    stopper.join(20)
    assert answers.get(timeout=1).allowed
    assert not stopper.is_alive()


def test_no_thread_is_left(build: Callable[..., Running]) -> None:
    before = set(threading.enumerate())

    def new() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread not in before}

    made = build(poll_seconds=QUICK)
    made.app.start()
    made.ask()
    assert new() >= {"watch", "http"}
    made.app.stop()
    assert new().isdisjoint({"watch", "http"})


# Addresses


def test_an_address_that_is_taken(running: Running, build: Callable[..., Running]) -> None:
    def grpc_at(port: int) -> Callable[[Config], Config]:
        return lambda config: replace(config, grpc=replace(config.grpc, listen=f"127.0.0.1:{port}"))

    with pytest.raises(ListenError, match="cannot listen for gRPC"):
        build(change=grpc_at(running.app.grpc_port))
    with pytest.raises(ListenError, match="cannot listen for HTTP"):
        build(
            change=lambda config: replace(
                config, http=replace(config.http, listen=f"127.0.0.1:{running.app.http_port}")
            )
        )
    assert running.ask().allowed
