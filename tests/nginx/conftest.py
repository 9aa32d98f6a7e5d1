"""The sample world behind `deploy/nginx/nginx.conf`, on free ports."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from envoy_stack import ROOT, Pdp, free_port, running
from nginx_stack import Nginx, nginx_binary, running_nginx, with_ports

NGINX_PORT: Final = 10000
SERVICE_PORT: Final = 10080
PDP_PORT: Final = 8080


@pytest.fixture(scope="session")
def binary() -> Path:
    """NGINX's. The first fixture of all: without it nothing is started."""
    return nginx_binary()


@pytest.fixture(scope="session")
def demo(binary: Path) -> Any:
    """`deploy/envoy/demo.py`, which is in no package: an issuer of tokens, and a service that says what it was sent."""
    spec = importlib.util.spec_from_file_location("nginx_demo", ROOT / "deploy/envoy/demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Pdp]]:
    """The issuer of the tokens, and the running decision point that trusts it."""
    directory = tmp_path_factory.mktemp("world")
    issuer = demo.make_world(directory)
    path = directory / "pdp.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["forward_auth"] = {"headers": ["x-data-class", "x-scope", "x-rate-tier"]}
    path.write_text(yaml.safe_dump(config), "utf-8")
    pdp = Pdp(path, free_port(), free_port())
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
    """The port of the service behind NGINX, and the request lines that reached it."""
    seen: list[str] = []

    class Recording(demo.Echo):  # type: ignore[misc] # loaded from a path
        def parse_request(self) -> bool:
            parsed: bool = super().parse_request()
            seen.append(self.requestline)
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
    """`deploy/nginx/nginx.conf`, as it is."""
    return (ROOT / "deploy/nginx/nginx.conf").read_text("utf-8")


@pytest.fixture(scope="session")
def start_nginx(
    binary: Path, pdp: Pdp, service: tuple[int, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], AbstractContextManager[Nginx]]:
    """Starts NGINXs, with a name for their files and a text of configuration, before this decision point."""

    def start(name: str, text: str) -> AbstractContextManager[Nginx]:
        port = free_port()
        ports = {NGINX_PORT: port, PDP_PORT: pdp.http_port, SERVICE_PORT: service[0]}
        return running_nginx(binary, with_ports(text, ports), port, tmp_path_factory.mktemp(name) / "nginx")

    return start


@pytest.fixture(scope="session")
def nginx(start_nginx: Callable[[str, str], AbstractContextManager[Nginx]], configuration: str) -> Iterator[Nginx]:
    """NGINX with `deploy/nginx/nginx.conf`; nothing but the ports is changed."""
    with start_nginx("nginx", configuration) as started:
        yield started
