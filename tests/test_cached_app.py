"""A whole decision point with its cache: hits, and none from before a reload that has returned; and one without."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
import pytest
from decision_messages import ANA, BOB, question
from engine_worlds import NOW
from small_world import SmallWorld, write_small_world

from pdp.app import App
from pdp.config import CacheConfig, load_config
from pdp.telemetry import names
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub

PATIENCE = 30
KEEPING = CacheConfig()


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return write_small_world(tmp_path)


@contextmanager
def serving(world: SmallWorld, cache: CacheConfig = KEEPING) -> Iterator[tuple[App, Any]]:
    config = replace(load_config(world.config), cache=cache)
    app = App(config, EventLog(StringIO(), LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
    with ExitStack() as stack:
        app.start()
        stack.callback(app.stop)
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{app.grpc_port}"))
        yield app, DecisionServiceStub(channel)


def counted(app: App, outcome: str) -> float:
    lines = app.metrics.exposition().decode().splitlines()
    series = f'{names.CACHE_REQUESTS}{{outcome="{outcome}"}} '
    return next(float(line.removeprefix(series)) for line in lines if line.startswith(series))


def test_what_was_asked_before_is_answered_from_the_cache_under_its_own_request_id(world: SmallWorld) -> None:
    with serving(world) as (app, client):
        first, second = [client.Check(question(request_id=name), timeout=PATIENCE) for name in ("a", "b")]
        assert (first.request_id, second.request_id) == ("a", "b")
        second.request_id = "a"
        assert first == second
        assert (counted(app, "miss"), counted(app, "hit")) == (1, 1)


def test_without_a_cache_nothing_is_kept(world: SmallWorld) -> None:
    with serving(world, CacheConfig(enabled=False)) as (app, client):
        answers = [client.Check(question(), timeout=PATIENCE).decision for _ in range(2)]
        assert answers == [pb.DECISION_ALLOW] * 2
        assert (counted(app, "miss"), counted(app, "hit")) == (0, 0)


def test_after_a_reload_nobody_is_answered_from_before_it(world: SmallWorld) -> None:
    """bob's grant comes and goes; askers look at what was acknowledged before they ask."""
    granted = world.root / "context/grants.json"
    with_grant = granted.read_text("utf-8")
    with serving(world) as (app, client):
        revision = [1]
        stop = Event()
        faults: list[str] = []

        def ask() -> None:
            while not stop.is_set():
                least = revision[0]
                answer = client.Check(question(principal=BOB), timeout=PATIENCE)
                is_granted = answer.context_revision % 2 == 1
                if answer.context_revision < least or (answer.decision == pb.DECISION_ALLOW) is not is_granted:
                    faults.append(f"{answer.decision} at {answer.context_revision} after {least}")

        askers = [Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        for number in range(10):
            world.write("context/grants.json", "[]" if number % 2 == 0 else with_grant)
            revision[0] = app.reload().context_revision
        stop.set()
        for asker in askers:
            asker.join(PATIENCE)
        assert faults == []
        assert counted(app, "hit") > 0


def test_who_watches_hears_of_a_reload_and_is_answered_by_it(world: SmallWorld) -> None:
    with serving(world) as (app, client):
        asked = question(principal=BOB)
        assert client.Check(asked, timeout=PATIENCE).decision == pb.DECISION_ALLOW
        stream = client.Watch(pb.WatchRequest(entities=[ANA, BOB]), timeout=PATIENCE)
        assert next(stream).everything
        world.write("context/grants.json", "[]")
        app.reload()
        event = next(stream)
        assert (event.everything, list(event.entities), event.context_revision) == (False, [BOB], 2)
        demanding = question(principal=BOB, min_revision=event.context_revision)
        assert client.Check(demanding, timeout=PATIENCE).decision == pb.DECISION_DENY
        world.replace("teams/files/files.cedar", '"readers read"', '"readers may read"')
        app.reload()
        assert next(stream).everything
        app.stop()
        assert list(stream) == []
