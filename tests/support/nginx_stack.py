"""A real NGINX before a service and the decision point, on free ports of this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from envoy_stack import ask, eventually

VARIABLE: Final = "PDP_NGINX_BINARY"

_USUAL: Final = "/usr/sbin/nginx"


def nginx_binary() -> Path:
    """The binary. Skips the test when there is none; fails it when the environment names one that does not run."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        if not named or not os.access(named, os.X_OK) or Path(named).is_dir():
            pytest.fail(f"{VARIABLE} is `{named}`, which is no program")
        return Path(named)
    found = shutil.which("nginx") or (_USUAL if os.access(_USUAL, os.X_OK) else None)
    if found is None:
        pytest.skip(f"no NGINX: `apt-get install nginx-light`, or set {VARIABLE}")
    return Path(found)


def with_ports(text: str, ports: Mapping[int, int]) -> str:
    """NGINX's configuration with every port replaced. Fails unless the file has exactly these, once each outside of
    comments.
    """
    code = re.sub(r"(?m)^\s*#.*$", "", text)
    found = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", code)]
    assert sorted(found) == sorted(ports), f"the file has the ports {found}"
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{ports[int(match[1])]}", text)


@dataclass
class Nginx:
    """A running NGINX and its files."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    def log(self) -> str:
        """The access log so far."""
        return (self.directory / "access.log").read_text()


@contextmanager
def running_nginx(binary: Path, text: str, port: int, directory: Path) -> Iterator[Nginx]:
    """NGINX with this configuration, which listens on `port`."""
    directory.mkdir()
    config, errors = directory / "nginx.conf", directory / "nginx.err"
    config.write_text(text)
    # Started by root, the workers would be `nobody`, who may not write into a directory of this test's.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    with errors.open("wb") as err:
        process = subprocess.Popen([binary, "-p", directory, "-c", config, "-e", "stderr", *user], stderr=err)
    try:

        def ready() -> bool:
            assert process.poll() is None, errors.read_text()[-4000:]
            try:
                return ask(port, "/_pdp").status == 404
            except OSError:
                return False

        eventually(ready, "NGINX")
        yield Nginx(process, port, directory)
    finally:
        process.terminate()
        process.wait(20)
