"""Every door asks who asks: all doors and all kinds of callers, and what each gets."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from callers import FAR, LOCAL, UNIX, admission
from certificates import authority
from engine_worlds import NOW
from http_worlds import AUTHZEN, configure
from small_world import SmallWorld, write_small_world

from pdp.app import App
from pdp.config import CallersConfig, load_config
from pdp.engine.callers.judging import CallerAction, CallerDoor, Switches, load_caller_policies
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Metrics
from pdp.transport.admission import REFUSED, Admission
from pdp.transport.callers import NOBODY, Caller, certified
from pdp.transport.grpc.server import GrpcServer, Methods
from pdp.transport.grpc.streams import Streamed, Subscribed
from pdp.transport.http import connections

A, D = CallerAction, CallerDoor
KNOWN = certified(authority("clients").issue("envoy", uris=("spiffe://consortium.example/edge",)).der, LOCAL.address)
UNKNOWN = certified(authority("clients").issue("other").der, LOCAL.address)
CALLERS = {"loopback": LOCAL, "unix": UNIX, "far": FAR, "nobody": NOBODY, "known": KNOWN, "unknown": UNKNOWN}

POLICIES = """\
@id("callers/edge")
permit (principal == Pdp::Caller::"spiffe://consortium.example/edge", action == Pdp::Action::"{action}", resource)
when {{ resource == Pdp::Door::"{door}" }};
"""

GRPC: Mapping[tuple[str, str], tuple[CallerAction, CallerDoor]] = {
    ("pdp.v1.DecisionService", "Check"): (A.CHECK, D.DECISIONS),
    ("pdp.v1.DecisionService", "CheckBatch"): (A.CHECK, D.DECISIONS),
    ("pdp.v1.DecisionService", "CheckStream"): (A.CHECK, D.DECISIONS),
    ("pdp.v1.DecisionService", "Explain"): (A.EXPLAIN, D.DECISIONS),
    ("pdp.v1.DecisionService", "Watch"): (A.WATCH, D.DECISIONS),
    ("pdp.v1.ContextService", "Write"): (A.ADMINISTER, D.CONTEXT),
    ("pdp.v1.ContextService", "Believed"): (A.ADMINISTER, D.CONTEXT),
    ("envoy.service.auth.v3.Authorization", "Check"): (A.CHECK, D.EXT_AUTHZ),
}
HTTP: Mapping[str, tuple[CallerAction, CallerDoor]] = {
    "/tenant1/access/v1/evaluation": (A.CHECK, D.AUTHZEN),
    "/tenant1/access/v1/evaluations": (A.CHECK, D.AUTHZEN),
    "/tenant1/access/v1/search/subject": (A.SEARCH, D.AUTHZEN),
    "/tenant1/access/v1/search/resource": (A.SEARCH, D.AUTHZEN),
    "/tenant1/access/v1/search/action": (A.SEARCH, D.AUTHZEN),
    "/forward-auth/traefik": (A.CHECK, D.FORWARD_AUTH),
    "/forward-auth/nginx": (A.CHECK, D.FORWARD_AUTH),
    "/kubernetes/authorize": (A.CHECK, D.KUBERNETES),
    "/metrics": (A.READ_METRICS, D.METRICS),
}
OPEN = {"/healthz", "/readyz", "/.well-known/authzen-configuration/tenant1"}
"""Whatever everybody may know."""


def permitted(kind: str, action: CallerAction, door: CallerDoor, given: tuple[CallerAction, CallerDoor]) -> bool:
    """What is documented: this machine may ask, the known certificate what its policy says, nobody else anything."""
    if kind in {"loopback", "unix"}:
        return action not in {A.EXPLAIN, A.ADMINISTER}  # the one is not configured, the other nobody's
    return kind == "known" and (action, door) == given


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    made = write_small_world(tmp_path_factory.mktemp("world"))
    configure(made, authzen=AUTHZEN, forward_auth={}, kubernetes={})
    return made


def an_app(world: SmallWorld, policies: Path | None) -> App:
    config = replace(load_config(world.config), callers=CallersConfig(policies))
    return App(config, EventLog(StringIO(), LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)


def asgi(app: App) -> Any:
    return app._http._server.config.app


@pytest.fixture(params=[*sorted({*GRPC.values(), *HTTP.values()}, key=str)], ids=lambda pair: f"{pair[0]}-{pair[1]}")
def given(request: pytest.FixtureRequest) -> tuple[CallerAction, CallerDoor]:
    """What the known certificate may do, and where."""
    pair: tuple[CallerAction, CallerDoor] = request.param
    return pair


@pytest.fixture
def app(world: SmallWorld, given: tuple[CallerAction, CallerDoor], tmp_path: Path) -> Iterator[App]:
    (tmp_path / "own.cedar").write_text(POLICIES.format(action=given[0].value, door=given[1].value))
    made = an_app(world, tmp_path)
    yield made
    made.stop()


class Aborted(Exception):
    """What ends a call."""


class Call:
    """What a method sees of its call."""

    def abort(self, code: grpc.StatusCode, message: str) -> None:
        raise Aborted(code, message)


def is_refused(method: Any, caller: Caller) -> bool:
    """Whether a method refuses a caller, whatever it asks."""
    match method:
        case Subscribed():
            with pytest.raises(Aborted) as caught:
                list(method.events(b"\xff", caller, cast("grpc.ServicerContext", Call())))
            return bool(caught.value.args[0] is grpc.StatusCode.PERMISSION_DENIED)
        case Streamed():
            return is_refused(method.answer, caller)
        case _:
            return REFUSED.message.encode() in method(b"\xff", caller)


def test_every_method_of_every_service(
    world: SmallWorld, given: tuple[CallerAction, CallerDoor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Mapping[str, Methods]] = []

    def remember(config: Any, services: Mapping[str, Methods], *rest: Any, **named: Any) -> GrpcServer:
        served.append(services)
        return GrpcServer(config, services, *rest, **named)

    monkeypatch.setattr("pdp.app.GrpcServer", remember)
    (tmp_path / "own.cedar").write_text(POLICIES.format(action=given[0].value, door=given[1].value))
    an_app(world, tmp_path).stop()
    found = {(service, name): method for service, methods in served[0].items() for name, method in methods.items()}
    assert found.keys() == GRPC.keys(), "a new method needs a line in that table"
    for method, answer in found.items():
        for kind, caller in CALLERS.items():
            assert is_refused(answer, caller) is not permitted(kind, *GRPC[method], given), (method, kind)


def test_every_path(app: App, given: tuple[CallerAction, CallerDoor]) -> None:
    routes: Any = asgi(app).routes
    methods = {route.path: "GET" if "GET" in route.methods else "POST" for route in routes}
    assert methods.keys() == HTTP.keys() | OPEN, "a new path needs a line in that table"

    async def ask(path: str, caller: Caller) -> httpx.Response:
        async def known(scope: Any, receive: Any, send: Any) -> None:
            await asgi(app)({**scope, connections._CALLER: caller}, receive, send)

        transport = httpx.ASGITransport(known)
        async with httpx.AsyncClient(transport=transport, base_url="http://pdp") as client:
            return await client.request(methods[path], path)

    async def ask_all() -> None:
        for path in methods:
            for kind, caller in CALLERS.items():
                answer = await ask(path, caller)
                refused = "this caller may not" in answer.text
                if path in OPEN:
                    assert not refused
                    continue
                assert refused is not permitted(kind, *HTTP[path], given), (path, kind)
                if refused:  # Kubernetes would ask another authorizer after an error of HTTP
                    assert answer.status_code == (200 if "kubernetes" in path else 403)
                    assert '"allowed": true' not in answer.text

    asyncio.run(ask_all())


def test_a_request_without_a_caller_is_nobodys(world: SmallWorld) -> None:
    app = an_app(world, None)
    try:

        async def ask() -> int:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi(app)), base_url="http://pdp") as client:
                return (await client.get("/metrics")).status_code

        assert asyncio.run(ask()) == 403
    finally:
        app.stop()


# Remembering


def test_new_policies_hold_for_who_was_judged_already(tmp_path: Path) -> None:
    judge = admission(Metrics())
    gate = judge.gate(A.CHECK, D.DECISIONS)
    assert gate.admits(LOCAL)
    assert not gate.admits(KNOWN)
    (tmp_path / "own.cedar").write_text(
        '@id("callers/a") forbid (principal, action, resource) when { principal.way == "loopback" };'
        '@id("callers/b") permit (principal, action, resource) when { principal.way == "mtls" };'
    )
    judge.replace(load_caller_policies(tmp_path))
    assert not gate.admits(LOCAL)
    assert gate.admits(KNOWN)


def test_a_refusal_is_counted_every_time_by_its_action() -> None:
    metrics = Metrics()
    judge = admission(metrics)
    for _ in range(3):
        assert not judge.permits(FAR, A.CHECK, D.EXT_AUTHZ)
    assert not judge.permits(FAR, A.ADMINISTER, D.METRICS)
    assert judge.permits(LOCAL, A.CHECK, D.EXT_AUTHZ)
    shown = [line for line in metrics.exposition().decode().splitlines() if line.startswith("pdp_callers_refused")]
    assert [line for line in shown if "_total{" in line] == [
        'pdp_callers_refused_total{action="check"} 3.0',
        'pdp_callers_refused_total{action="administer"} 1.0',
    ]


def test_more_callers_than_are_remembered_are_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.transport.admission._REMEMBERED", 2)
    judge = Admission(load_caller_policies(None), Switches(), Metrics())
    for _ in range(2):
        for caller in (LOCAL, UNIX, FAR, KNOWN, NOBODY):
            assert judge.permits(caller, A.CHECK, D.DECISIONS) is (caller in (LOCAL, UNIX))
            assert len(judge._state[1]) <= 2


def test_callers_that_differ_in_anything_are_judged_apart() -> None:
    kinds = [*CALLERS.values(), replace(UNIX, user=0), replace(UNIX, user=1), replace(KNOWN, address=None)]
    assert len(set(kinds)) == len(kinds)
    assert len({hash(kind) for kind in kinds}) == len(kinds)
