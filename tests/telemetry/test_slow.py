"""The log of slow decisions."""

import json
from io import StringIO
from typing import Any

import pytest

from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Metrics
from pdp.telemetry.observing import Observation, Outcome, Phase
from pdp.telemetry.rate import Rate
from pdp.telemetry.slow import SlowDecisions

DENIED = Outcome("deny", "forbidden", "ab12", 7, ("p",))


class Slow:
    """A log with a threshold of 5 ms, and two lines a second at most."""

    def __init__(self) -> None:
        self.stream, self.metrics, self.now = StringIO(), Metrics(), [0.0]
        log = EventLog(self.stream, LogFormat.JSON, lambda: 0)
        self.slow = SlowDecisions(log, self.metrics.tracing, 5, Rate(2, lambda: self.now[0]))

    def saw(self, milliseconds: float, *outcomes: Outcome, trace_id: str = "", **phases: float) -> None:
        observation = Observation("check", (), None, None)
        observation.request_id = "r-1"
        for name, spent in phases.items():
            observation.phases.append(Phase(name, observation.began, observation.began + int(spent * 1_000_000)))
        observation.ended = observation.began + int(milliseconds * 1_000_000)
        self.slow.saw(observation, outcomes or (DENIED,), trace_id)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Slow:
    return Slow()


def test_a_line_says_what_was_slow_and_how_to_find_it(log: Slow) -> None:
    log.saw(12.5, trace_id="ab" * 16, identity=8, evaluate=2.25)
    assert log.lines == [
        {
            "time": "1970-01-01T00:00:00.000Z",
            "level": "info",
            "event": "slow_decision",
            "door": "check",
            "decision": "deny",
            "reason": "forbidden",
            "request_id": "r-1",
            "milliseconds": 12.5,
            "trace_id": "ab" * 16,
            "identity_milliseconds": 8.0,
            "evaluate_milliseconds": 2.25,
        }
    ]


def test_what_is_quicker_than_the_threshold_is_not_logged(log: Slow) -> None:
    log.saw(4.999)
    assert log.lines == []
    log.saw(5)
    assert len(log.lines) == 1


def test_of_several_in_one_answer_each_has_its_share(log: Slow) -> None:
    log.saw(14, DENIED, DENIED, DENIED)
    assert log.lines == []
    log.saw(15, DENIED, DENIED, DENIED)
    (line,) = log.lines
    assert (line["decisions"], line["milliseconds"], "reason" in line) == (3, 15.0, False)


def test_it_is_never_a_flood_and_says_what_it_left_out(log: Slow) -> None:
    for _ in range(1_000):
        log.saw(6)
    assert len(log.lines) == 2
    log.now[0] += 1
    log.saw(6)
    log.saw(6)
    assert [line.get("left_out") for line in log.lines] == [None, None, 998, None]
    assert 'pdp_slow_decisions_total{door="check"} 1002.0' in log.metrics.exposition().decode()
