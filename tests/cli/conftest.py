"""The small world in files, and a decision point that serves it."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from engine_worlds import NOW
from small_world import SmallWorld, write_small_world

from pdp.app import App
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    """The small world, for this test alone."""
    return write_small_world(tmp_path / "world")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A running decision point over the small world, at NOW."""
    config = load_config(write_small_world(tmp_path_factory.mktemp("served")).config)
    app = App(config, EventLog(StringIO(), LogFormat.TEXT, lambda: NOW), lambda: NOW)
    starting = Thread(target=app.start)  # not on the main thread: signals are for the tests
    starting.start()
    starting.join(30)
    yield app
    app.stop()


@pytest.fixture
def address(served: App) -> str:
    """Where it listens for gRPC."""
    return f"127.0.0.1:{served.grpc_port}"
