"""The sections `tracing` and `slow_decisions`."""

import pytest

from pdp.cedar.source import Source
from pdp.config.telemetry import (
    SlowDecisionsConfig,
    TracingConfig,
    read_slow_decisions,
    read_tracing,
)
from pdp.config.urls import HttpUrl
from pdp.documents import DocumentError, Node, parse_yaml


def node(text: str) -> Node:
    return parse_yaml(Source("pdp.yaml", text))


def test_both_are_off_by_default() -> None:
    assert (read_tracing(None), read_slow_decisions(None)) == (None, None)


def test_tracing_that_is_on_begins_no_trace_by_itself() -> None:
    assert read_tracing(node("{}")) == TracingConfig(None, None, parents=True, per_second=100, principal=False)


def test_a_collector_on_this_machine_may_be_asked_in_plain_text() -> None:
    assert read_tracing(node("endpoint: http://127.0.0.1:4318/v1/traces")) == TracingConfig(
        HttpUrl("http://127.0.0.1:4318/v1/traces")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("endpoint: http://collector.example/v1/traces", "is not encrypted"),
        ("endpoint: collector:4318", "is no address"),
        ("one_in: 0", "`one_in` must be a whole number from 1 to 1000000000, found `0`"),
        ("one_in: 0.1", "`one_in` must be a whole number"),
        ("parents: yes", "`parents` must be `true` or `false`"),
        ("per_second: 0", "`per_second` must be a whole number from 1 to 100000"),
        ("principal: 1", "`principal` must be `true` or `false`"),
        ("ratio: 1", 'unknown key "ratio"'),
    ],
)
def test_what_tracing_does_not_take(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message.replace("`", ".")):
        read_tracing(node(text))


def test_the_threshold_of_slow_decisions() -> None:
    assert read_slow_decisions(node("threshold: 5ms")) == SlowDecisionsConfig(5, per_second=10)
    assert read_slow_decisions(node("{threshold: 1m, per_second: 1000}")) == SlowDecisionsConfig(60_000, 1000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("per_second: 1", "`threshold` is missing"),
        ("threshold: 0ms", "`threshold` must be from 1ms to 1m"),
        ("threshold: 61s", "`threshold` must be from 1ms to 1m"),
        ("{threshold: 5ms, per_second: 0}", "`per_second` must be a whole number from 1 to 1000"),
        ("{threshold: 5ms, lines: 1}", 'unknown key "lines"'),
    ],
)
def test_what_slow_decisions_do_not_take(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message.replace("`", ".")):
        read_slow_decisions(node(text))
