"""The world of records (`http_worlds`), and AuthZEN's doors over it."""

from pathlib import Path

import pytest
from authzen_doors import Doors, records_world
from doors import Reports

from pdp.engine.snapshot import World
from pdp.telemetry.metrics import Metrics


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What is loaded from the files."""
    root: Path = tmp_path_factory.mktemp("records")
    return records_world(root)


@pytest.fixture
def doors(world: World, metrics: Metrics, reports: Reports) -> Doors:
    """The doors, for this test alone."""
    return Doors(world, metrics, reports)
