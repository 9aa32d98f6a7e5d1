"""The table of path tricks through a real Envoy: what reaches the service is what was decided on, however Envoy is set.

Of `deploy/envoy/envoy.yaml`, the settings for paths are varied; the decision point is in this process, in a world where
everybody may do everything that has a route. Run with `-m envoy`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from envoy_stack import Envoy, running_envoy, with_ports
from path_tricks import TRICKS, Judge, Received, confusion, running_judge, running_service, send

pytestmark = pytest.mark.envoy

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "as deployed": {},
    "as it comes": {
        "normalize_path": None,
        "merge_slashes": None,
        "path_with_escaped_slashes_action": None,
        "strip_trailing_host_dot": None,
    },
    "nothing normalised": {
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    },
    "slashes merged alone": {"normalize_path": False, "path_with_escaped_slashes_action": "KEEP_UNCHANGED"},
    "escaped slashes unescaped": {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
    "escaped slashes redirected": {"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
    "only unescaped": {
        "normalize_path": False,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    },
}
"""Settings of the connection manager; None leaves one out."""


@pytest.fixture(scope="module")
def judge(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with running_judge(tmp_path_factory.mktemp("open") / "world") as judge:
        yield judge


@pytest.fixture(scope="module")
def upstream(binary: Path) -> Iterator[tuple[int, list[Received]]]:
    with running_service() as service:
        yield service


@pytest.fixture(scope="module", params=SETTINGS)
def varied(
    request: pytest.FixtureRequest,
    binary: Path,
    configuration: str,
    judge: Judge,
    upstream: tuple[int, list[Received]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Envoy]]:
    parsed = yaml.safe_load(configuration)
    [listener] = parsed["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for name, value in SETTINGS[request.param].items():
        if value is None:
            manager.pop(name, None)
        else:
            manager[name] = value
    ports = {10000: 0, 9901: 0, 50051: judge.app.grpc_port, 10080: upstream[0]}
    directory = tmp_path_factory.mktemp("varied") / "envoy"
    with running_envoy(binary, with_ports(yaml.safe_dump(parsed), ports), directory) as envoy:
        yield request.param, envoy


def test_what_reaches_the_service_is_what_was_decided_on(
    varied: tuple[str, Envoy], judge: Judge, upstream: tuple[int, list[Received]]
) -> None:
    setting, envoy = varied
    received = upstream[1]
    outcomes: Counter[str] = Counter()
    wrong = {}
    for name, trick in TRICKS.items():
        received.clear()
        judge.found.clear()
        status = send(envoy.port, trick)
        if (found := confusion(judge.found, received)) is not None:
            wrong[name] = found
        elif not received:
            assert status != 200, name
        outcomes["let through" if received else "redirected" if status == 307 else "refused"] += 1
    print(f"\n{setting}: {dict(outcomes)}")
    assert wrong == {}
    assert outcomes["let through"] >= 20
