"""A decision point that reloads in another process, and one that starts from a built bundle."""

import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from built_bundles import sha
from engine_worlds import ANA, NOW, PLAN, READ
from small_world import SmallWorld, write_small_world

from pdp.app import App
from pdp.cedar.errors import CedarError
from pdp.config import PolicyConfig, load_config
from pdp.engine.decider import CheckRequest, Verdict
from pdp.identity.mapping import asserted_subject
from pdp.policies.built.building import build
from pdp.policies.built.process import BuildProcess
from pdp.telemetry.logs import EventLog, LogFormat


@dataclass
class Running:
    """An app that was started, and its log."""

    app: App
    log: StringIO = field(default_factory=StringIO)

    def ask(self) -> Verdict:
        return self.app.decider.decide(CheckRequest(asserted_subject(ANA), READ, PLAN))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def metric(self, series: str) -> str | None:
        lines = self.app.metrics.exposition().decode().splitlines()
        return next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{series} ")), None)


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    return write_small_world(tmp_path / "world")


@pytest.fixture
def start(files: SmallWorld) -> Iterator[Callable[..., Running]]:
    """Starts an app over the small world, and stops it in the end."""
    started: list[App] = []

    def make(
        change: Callable[[PolicyConfig], PolicyConfig] = lambda policies: policies, *, alone: bool = False
    ) -> Running:
        config = load_config(files.config)
        log = StringIO()
        log_to = EventLog(log, LogFormat.JSON, lambda: NOW)
        app = App(replace(config, policies=change(config.policies)), log_to, lambda: NOW, 60.0, alone=alone)
        started.append(app)
        app.start()
        return Running(app, log)

    yield make
    for app in started:
        app.stop()
    gc.unfreeze()


def change(files: SmallWorld) -> None:
    files.replace("teams/files/files.cedar", "readers read", "readers do read")


def test_a_changed_bundle_is_built_in_another_process_and_then_answers(
    files: SmallWorld, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()
    assert running.ask().message == "readers read"
    monkeypatch.setattr("pdp.policies.loading.parse_bundle", lambda _: pytest.fail("it was parsed here"))
    change(files)
    world = running.app.reload()
    verdict = running.ask()
    assert (verdict.message, verdict.policy_revision) == ("readers do read", world.policy_revision)
    policy = world.program.policy("files/readers-read")
    assert policy.source is not None
    assert policy.source.name == str(files.root / "teams/files/files.cedar")


def test_unchanged_policies_are_not_built_again(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    before = running.app.world
    monkeypatch.setattr(BuildProcess, "build", lambda *_: pytest.fail("it was built"))
    world = running.app.reload()
    assert before is not None
    assert world is not before
    assert world.policies.static is before.policies.static
    assert world.context_revision == 2


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import os; os.kill(os.getpid(), 9)", "build_process"),
        ("raise SystemExit(7)", "build_process"),
        ("import time; time.sleep(60)", "build_timeout"),
        ("print('built')", "build_process"),
    ],
)
def test_a_process_that_fails_is_a_fault_by_name_and_the_running_world_stays(
    files: SmallWorld,
    start: Callable[..., Running],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    code: str,
) -> None:
    running = start()
    before = running.app.world
    monkeypatch.setattr(running.app._bundles._process, "_command", (sys.executable, "-S", "-c", script))
    monkeypatch.setattr(running.app._bundles._process, "_seconds", 1.0)
    monkeypatch.setattr(running.app._bundles._process, "_gentle", 1.0)
    change(files)
    with pytest.raises(CedarError) as caught:
        running.app.reload()
    assert caught.value.code == code
    assert running.app.world is before
    assert running.ask().message == "readers read"
    assert running.metric(f'pdp_load_errors_total{{code="{code}"}}') == "1.0"
    assert running.metric('pdp_policy_load_total{outcome="error"}') == "1.0"
    monkeypatch.undo()
    running.app.reload()
    assert running.ask().message == "readers do read"


def test_stopping_does_not_wait_for_a_process_that_builds(
    files: SmallWorld, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()
    process = running.app._bundles._process
    monkeypatch.setattr(process, "_command", (sys.executable, "-S", "-c", "import time; time.sleep(600)"))
    change(files)
    running.app._watcher.order("SIGHUP")
    while process._running is None:
        threading.Event().wait(0.01)
    stopping = threading.Thread(target=running.app.stop)
    stopping.start()
    stopping.join(60)
    assert not stopping.is_alive()
    assert [event["code"] for event in running.events() if event.get("outcome") == "error"] == ["build_process"]


def with_built(files: SmallWorld, *, rebuild: bool = True) -> Callable[[PolicyConfig], PolicyConfig]:
    file = files.root.parent / "built.pdpb"
    data = build(files.root)
    file.write_bytes(data)
    return lambda policies: replace(policies, built=file, built_sha256=sha(data), rebuild=rebuild)


def test_it_starts_from_a_built_bundle(
    files: SmallWorld, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.policies.loading.parse_bundle", lambda _: pytest.fail("it was parsed"))
    running = start(with_built(files))
    assert running.ask().message == "readers read"
    assert [event["event"] for event in running.events()] == ["load"]


def test_a_built_bundle_that_is_passed_over_is_told_and_counted(
    files: SmallWorld, start: Callable[..., Running]
) -> None:
    built = with_built(files)
    change(files)
    running = start(built)
    assert running.ask().message == "readers do read"
    event = running.events()[0]
    assert (event["level"], event["event"], event["outcome"], event["code"]) == (
        "error",
        "built",
        "refused",
        "built_revision",
    )
    assert running.metric('pdp_built_refused_total{code="built_revision"}') == "1.0"


def test_where_the_sources_may_not_stand_in_for_it_there_is_no_start(
    files: SmallWorld, start: Callable[..., Running]
) -> None:
    built = with_built(files, rebuild=False)
    change(files)
    with pytest.raises(CedarError) as caught:
        start(built)
    assert caught.value.code == "built_revision"


def test_alone_in_its_process_it_frees_what_it_replaced(files: SmallWorld, start: Callable[..., Running]) -> None:
    running = start(alone=True)
    assert gc.get_freeze_count() > 0
    thresholds = gc.get_threshold()
    for number in range(3):
        files.replace("teams/files/files.cedar", f"readers {'do ' * number}read", f"readers {'do ' * (number + 1)}read")
        running.app.reload()
        assert not running.app._reloader._retiring._waiting, "the world before has been let go"
    assert running.ask().message == "readers do do do read"
    assert gc.get_threshold() == thresholds
