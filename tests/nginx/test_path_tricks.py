"""The table of path tricks through a real NGINX: what reaches the service is what was decided on.

Of `deploy/nginx/nginx.conf`, the settings for paths are varied; the decision point is in this process, in a world where
everybody may do everything that has a route. Run with `-m nginx`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from envoy_stack import free_port, replaced
from nginx_stack import Nginx, running_nginx, with_ports
from path_tricks import TRICKS, Judge, Received, confusion, running_judge, running_service, send

pytestmark = pytest.mark.nginx

Start: TypeAlias = Callable[[str], AbstractContextManager[Nginx]]

SETTINGS: Final[Mapping[str, tuple[str, str]]] = {
    "as deployed": ("", ""),
    "slashes not merged": ("server_name _;", "server_name _; merge_slashes off;"),
    "a URI behind the service": ("proxy_pass http://service;", "proxy_pass http://service/;"),
    "a large buffer": ("server_name _;", "server_name _; large_client_header_buffers 4 32k;"),
}
"""What is replaced in the file, and by what."""

CARELESS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    # NGINX has decoded it and tidied it up; the service gets the path as it came.
    "what NGINX made of the path is judged": (
        ("auth_request /_pdp;", "set $judged $uri; auth_request /_pdp;"),
        ("X-Original-URI $request_uri", "X-Original-URI $judged"),
    ),
    # The one of the header, which the request line may contradict.
    "another host is sent than the one that is judged": (
        ("proxy_set_header Host $host", "proxy_set_header Host $http_host"),
    ),
    "headers that steer a service are passed on": (('proxy_set_header X-Original-URL "";', ""),),
}


@pytest.fixture(scope="module")
def judge(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with running_judge(tmp_path_factory.mktemp("open") / "world") as judge:
        yield judge


@pytest.fixture(scope="module")
def upstream(binary: Path) -> Iterator[tuple[int, list[Received]]]:
    with running_service() as service:
        yield service


@pytest.fixture(scope="module")
def start(
    binary: Path, judge: Judge, upstream: tuple[int, list[Received]], tmp_path_factory: pytest.TempPathFactory
) -> Start:
    @contextmanager
    def starting(text: str) -> Iterator[Nginx]:
        port = free_port()
        ports = {10000: port, 8080: judge.app.http_port, 10080: upstream[0]}
        directory = tmp_path_factory.mktemp("varied") / "nginx"
        with running_nginx(binary, with_ports(text, ports), port, directory) as nginx:
            yield nginx

    return starting


def tried(nginx: Nginx, judge: Judge, received: list[Received]) -> tuple[Counter[str], dict[str, str]]:
    """How many tricks were let through, and what was wrong."""
    outcomes: Counter[str] = Counter()
    wrong = {}
    for name, trick in TRICKS.items():
        received.clear()
        judge.found.clear()
        status = send(nginx.port, trick)
        if (found := confusion(judge.found, received)) is not None:
            wrong[name] = found
        elif not received:
            assert status != 200, name
        outcomes["let through" if received else "refused"] += 1
    return outcomes, wrong


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_reaches_the_service_is_what_was_decided_on(
    start: Start, judge: Judge, upstream: tuple[int, list[Received]], configuration: str, setting: str
) -> None:
    old, new = SETTINGS[setting]
    with start(replaced(configuration, old, new) if old else configuration) as nginx:
        outcomes, wrong = tried(nginx, judge, upstream[1])
    print(f"\n{setting}: {dict(outcomes)}")
    assert wrong == {}
    assert outcomes["let through"] >= 20


@pytest.mark.parametrize("setting", CARELESS)
def test_why_the_settings_are_as_they_are(
    start: Start, judge: Judge, upstream: tuple[int, list[Received]], configuration: str, setting: str
) -> None:
    """With another setting the table finds a service that is asked for another resource: so it would find one here."""
    for old, new in CARELESS[setting]:
        configuration = replaced(configuration, old, new)
    with start(configuration) as nginx:
        outcomes, wrong = tried(nginx, judge, upstream[1])
    print(f"\n{setting}: {dict(outcomes)} {wrong}")
    assert wrong != {}
