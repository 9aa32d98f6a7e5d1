"""The small world, loaded once at NOW."""

from pathlib import Path

import pytest
from engine_worlds import NOW
from small_world import write_small_world

from pdp.context.facts import Facts
from pdp.context.files import load_facts
from pdp.engine.snapshot import World, build_world
from pdp.policies.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world's folder; tests do not change it."""
    return write_small_world(tmp_path_factory.mktemp("world")).root


@pytest.fixture(scope="session")
def bundle(root: Path) -> Bundle:
    """Its policies and schema."""
    return load_bundle(root)


@pytest.fixture(scope="session")
def facts(root: Path, bundle: Bundle) -> Facts:
    """Its facts."""
    return load_facts(root / "context", bundle.schema, NOW, relative_times=True)


@pytest.fixture(scope="session")
def world(bundle: Bundle, facts: Facts) -> World:
    """All of it, at context revision 1."""
    return build_world(bundle, facts).at(1)
