"""Log lines: one event, one line, whatever the values hold."""

import io
import json

import pytest

from pdp.telemetry.logs import EventLog, LogFormat

HOSTILE = 'x"\n2026-01-01T00:00:00Z error forged \u2028\x1b[31m'


def written(form: LogFormat, **fields: str | int | None) -> str:
    stream = io.StringIO()
    EventLog(stream, form, lambda: 1_764_000_000_123).info("load", **fields)
    return stream.getvalue()


def test_json_lines_parse_back() -> None:
    line = written(LogFormat.JSON, outcome="ok", policies=35, error=None)
    assert json.loads(line) == {
        "time": "2025-11-24T16:00:00.123Z",
        "level": "info",
        "event": "load",
        "outcome": "ok",
        "policies": 35,
        "error": None,
    }


def test_text_lines_are_for_people() -> None:
    assert written(LogFormat.TEXT, outcome="ok", policies=35) == (
        '2025-11-24T16:00:00.123Z info load outcome="ok" policies=35\n'
    )


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_value_cannot_begin_a_line_of_its_own(form: LogFormat) -> None:
    line = written(form, message=HOSTILE)
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert line.count("\n") == 1


def test_a_field_cannot_take_a_name_of_every_line() -> None:
    with pytest.raises(ValueError, match="cannot be called time"):
        written(LogFormat.JSON, time="now")


def test_a_closed_stream_does_not_stop_the_program() -> None:
    stream = io.StringIO()
    log = EventLog(stream, LogFormat.JSON, lambda: 0)
    stream.close()
    log.error("load", outcome="error")
