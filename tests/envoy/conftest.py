"""The sample world behind `deploy/envoy/envoy.yaml`, on free ports."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from envoy_stack import ROOT, Envoy, Pdp, StartEnvoy, envoy_binary, free_port, running, running_envoy, with_ports

ENVOY_PORT: Final = 10000
SERVICE_PORT: Final = 10080
ADMIN_PORT: Final = 9901
PDP_PORT: Final = 50051


def _load_demo() -> ModuleType:
    """`deploy/envoy/demo.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("envoy_demo", ROOT / "deploy/envoy/demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def binary() -> Path:
    """Envoy's. The first fixture of all: without it nothing is started."""
    return envoy_binary()


@pytest.fixture(scope="session")
def demo(binary: Path) -> Any:
    """The script that README.md tells to use."""
    return _load_demo()


@pytest.fixture(scope="session")
def world(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Pdp]]:
    """The issuer of the tokens, and the running decision point that trusts it."""
    directory = tmp_path_factory.mktemp("world")
    issuer = demo.make_world(directory)
    pdp = Pdp(directory / "pdp.yaml", free_port(), free_port())
    try:
        pdp.start()
        yield issuer, pdp
    finally:
        pdp.stop()


@pytest.fixture(scope="session")
def issuer(world: tuple[Any, Pdp]) -> Any:
    """Signs tokens that the decision point accepts."""
    return world[0]


@pytest.fixture(scope="session")
def pdp(world: tuple[Any, Pdp]) -> Pdp:
    """The decision point. Whoever stops it starts it again."""
    return world[1]


@pytest.fixture(scope="session")
def service(demo: Any) -> Iterator[tuple[int, list[str]]]:
    """The port of the service behind Envoy, and the request lines that reached it."""
    seen: list[str] = []

    class Recording(demo.Echo):  # type: ignore[misc] # loaded from a path
        def parse_request(self) -> bool:
            parsed: bool = super().parse_request()
            seen.append(f"{self.command} {self.path}")
            return parsed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recording)
    with running(server):
        yield server.server_port, seen


@pytest.fixture
def seen(service: tuple[int, list[str]]) -> list[str]:
    """The request lines that reached the service during this test."""
    service[1].clear()
    return service[1]


@pytest.fixture(scope="session")
def configuration() -> str:
    """`deploy/envoy/envoy.yaml`, as it is."""
    return (ROOT / "deploy/envoy/envoy.yaml").read_text("utf-8")


@pytest.fixture(scope="session")
def start_envoy(
    binary: Path, pdp: Pdp, service: tuple[int, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> StartEnvoy:
    """Starts Envoys before this decision point and this service."""

    def start(name: str, text: str) -> AbstractContextManager[Envoy]:
        ports = {ENVOY_PORT: 0, ADMIN_PORT: 0, PDP_PORT: pdp.grpc_port, SERVICE_PORT: service[0]}
        return running_envoy(binary, with_ports(text, ports), tmp_path_factory.mktemp(name) / "envoy")

    return start


@pytest.fixture(scope="session")
def envoy(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """Envoy with `deploy/envoy/envoy.yaml`; nothing but the ports is changed."""
    with start_envoy("envoy", configuration) as running:
        yield running
