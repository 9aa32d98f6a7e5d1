"""The sample world behind `deploy/envoy/envoy.yaml`, on free ports."""

import importlib.util
import ssl
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from cryptography import x509
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

    def start(name: str, text: str, pdp_port: int | None = None) -> AbstractContextManager[Envoy]:
        ports = {ENVOY_PORT: 0, ADMIN_PORT: 0, PDP_PORT: pdp_port or pdp.grpc_port, SERVICE_PORT: service[0]}
        return running_envoy(binary, with_ports(text, ports), tmp_path_factory.mktemp(name) / "envoy")

    return start


@dataclass(frozen=True)
class Shop:
    """The shop of `deploy/envoy/shop`, running: its folder, who signs its tokens, and its decision point."""

    directory: Path
    issuer: Any
    pdp: Pdp
    configuration: str
    """Its `envoy.yaml`, with the paths of files made absolute."""

    def tls(self, name: str | None, sni: str = "api.shop.example") -> tuple[ssl.SSLContext, str]:
        """What a client shows that has the certificate of this name, or none; and the name that it asks for."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        if name is not None:
            context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context, sni

    def certificate(self, name: str) -> x509.Certificate:
        """The certificate of this name."""
        return x509.load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes())


@pytest.fixture(scope="session")
def shop(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop. Whoever stops its decision point starts it again."""
    directory = tmp_path_factory.mktemp("shop")
    issuer = demo.make_shop(directory)
    configuration = (directory / "envoy.yaml").read_text("utf-8").replace("{filename: ", f"{{filename: {directory}/")
    pdp = Pdp(directory / "pdp.yaml", free_port(), free_port())
    try:
        pdp.start()
        yield Shop(directory, issuer, pdp, configuration)
    finally:
        pdp.stop()


@pytest.fixture(scope="session")
def start_shop_envoy(
    binary: Path, shop: Shop, service: tuple[int, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> StartEnvoy:
    """Starts Envoys before the shop."""

    def start(name: str, text: str, pdp_port: int | None = None) -> AbstractContextManager[Envoy]:
        ports = {ENVOY_PORT: 0, ADMIN_PORT: 0, PDP_PORT: pdp_port or shop.pdp.grpc_port, SERVICE_PORT: service[0]}
        return running_envoy(binary, with_ports(text, ports), tmp_path_factory.mktemp(name) / "envoy")

    return start


@pytest.fixture(scope="session")
def shop_envoy(start_shop_envoy: StartEnvoy, shop: Shop) -> Iterator[Envoy]:
    """Envoy with `deploy/envoy/shop/envoy.yaml`; nothing but the ports and the folder is changed."""
    with start_shop_envoy("shop-envoy", shop.configuration) as running:
        yield running


@pytest.fixture(scope="session")
def envoy(start_envoy: StartEnvoy, configuration: str) -> Iterator[Envoy]:
    """Envoy with `deploy/envoy/envoy.yaml`; nothing but the ports is changed."""
    with start_envoy("envoy", configuration) as running:
        yield running
