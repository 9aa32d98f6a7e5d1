"""The decision point dies, hangs or is overrun, and nothing reaches the service: Envoy fails closed."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any, Final, TypeAlias

import pytest
from envoy_stack import Envoy, Pdp, ask, eventually

pytestmark = pytest.mark.envoy

ORDER: Final = "/orders/4711"

Outcome: TypeAlias = tuple[int, str | None]
"""The status, and the reason if the body states one."""

PASSED: Final[Outcome] = (200, None)
UNANSWERED: Final[Outcome] = (403, None)
"""Envoy's own refusal has no body."""

OVERFLOW: Final = "cluster.pdp.upstream_rq_active_overflow"


@pytest.fixture
def token(issuer: Any) -> dict[str, str]:
    """The header of a request that is permitted."""
    return {"authorization": f"Bearer {issuer.token(sub='ana', device_id='laptop-ana', acr='mfa')}"}


@pytest.fixture
def restored(envoy: Envoy, pdp: Pdp, token: dict[str, str]) -> Iterator[Pdp]:
    """The decision point, to be damaged: afterwards it is running again, and answers through Envoy."""
    yield pdp
    pdp.stop()
    pdp.start()
    eventually(lambda: ask(envoy.port, ORDER, headers=token).status == 200, "an answer after the repair")


class Traffic:
    """Clients that ask without a pause; remembers when each request began, and its status and reason."""

    def __init__(self, port: int, token: dict[str, str], clients: int) -> None:
        self.answers: list[tuple[float, Outcome]] = []
        self._port, self._token = port, token
        self._end = Event()
        self._threads = [Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def outcomes(self, begun_after: float = 0) -> Counter[Outcome]:
        """How the requests ended that began after this moment."""
        return Counter(outcome for begun, outcome in tuple(self.answers) if begun > begun_after)

    def _run(self) -> None:
        while not self._end.is_set():
            begun = time.monotonic()
            answer = ask(self._port, ORDER, headers=self._token)
            reason = answer.json().get("reason") if answer.body else None
            self.answers.append((begun, (answer.status, reason)))


def test_killed_in_mid_traffic_nothing_passes_until_it_is_back(
    envoy: Envoy, restored: Pdp, token: dict[str, str], seen: list[str]
) -> None:
    with Traffic(envoy.port, token, clients=3) as traffic:
        eventually(lambda: traffic.outcomes()[PASSED] >= 100, "traffic")
        assert set(traffic.outcomes()) == {PASSED}
        restored.send(signal.SIGKILL)
        killed = time.monotonic()
        eventually(lambda: traffic.outcomes(killed).total() >= 200, "traffic after the kill")
        down = traffic.outcomes(killed)
        restored.start()
        eventually(lambda: traffic.outcomes(killed)[PASSED] >= 100, "answers after the restart")
    assert set(down) == {UNANSWERED}
    # What was under way when it died was decided before or refused; what came while it started was told so.
    assert set(traffic.outcomes()) <= {PASSED, UNANSWERED, (503, "not_ready")}
    assert len(seen) == traffic.outcomes()[PASSED]


def test_frozen_nothing_passes_and_the_timeout_says_so(
    envoy: Envoy, restored: Pdp, token: dict[str, str], seen: list[str]
) -> None:
    restored.send(signal.SIGSTOP)
    answers = [ask(envoy.port, ORDER, headers=token) for _ in range(3)]
    assert [(answer.status, answer.body) for answer in answers] == [(403, b"")] * 3
    restored.send(signal.SIGCONT)
    eventually(lambda: ask(envoy.port, ORDER, headers=token).status == 200, "an answer after the thaw")
    ids = {answer.headers["x-request-id"] for answer in answers}

    def lines() -> list[dict[str, Any]]:
        return [line for line in envoy.log() if line["request_id"] in ids]

    eventually(lambda: len(lines()) == 3, "the access log")
    assert {(line["details"], line["flags"], line["decision"]) for line in lines()} == {
        ("ext_authz_error", "UAEX", None)
    }
    assert len(seen) == 1


def test_overrun_what_is_above_the_bound_is_refused(
    envoy: Envoy, restored: Pdp, token: dict[str, str], seen: list[str]
) -> None:
    restored.send(signal.SIGSTOP)
    with Traffic(envoy.port, token, clients=300) as traffic:
        eventually(lambda: envoy.stats(OVERFLOW)[OVERFLOW] > 0, "an overflow")
    assert set(traffic.outcomes()) == {UNANSWERED}
    assert seen == []
