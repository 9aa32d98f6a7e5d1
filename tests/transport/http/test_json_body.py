"""I-JSON: what is read, as what, and that everything else is one error."""

import json
import random
from functools import partial
from typing import Any

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.transport.errors import MessageError
from pdp.transport.http.json_body import MAX_DEPTH, parse_object


def read(text: str) -> Any:
    """The value of the member `x` of an object whose member is this text."""
    return parse_object(f'{{"x": {text}}}'.encode())["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("null", None), ('"é😀"', "é😀"), ('"\\u00e9\\ud83d\\ude00"', "é😀"), ("[]", []), ("{}", {})),
        *(("1", 1), ("-1", -1), ("-0", 0), ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63))),
        # A whole number is whole, however it was written: I-JSON knows doubles alone.
        *(("1.0", 1), ("1e2", 100), ("-0.0", 0), ("1.5", 1.5), ("9007199254740992.0", 2**53), ("5e-324", 5e-324)),
        *(("9223372036854775808", 2.0**63), ("-9223372036854775809", -(2.0**63)), ("1e20", 1e20)),
        ('"\\u0000"', "\0"),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        *((body, "not JSON") for body in (b" ", b"{", b"{} {}", b"{'a': 1}", b'{"a": 01}', b'{"a": 1,}')),
        (b'{"a": tru}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        *((body, "not a JSON object") for body in (b"[]", b"null", b"1", b'"x"', b"true")),
        *((body, "not UTF-8") for body in (b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', "{}".encode("utf-16"))),
        *((body, "one name twice") for body in (b'{"a": 1, "a": 1}', b'{"a": 1, "\\u0061": 2}')),
        (b'{"x": [{"a": 1, "a": 1}]}', "one name twice"),
        *((body, "surrogate") for body in (b'{"a": "\\ud800"}', b'{"\\udc00": 1}', b'{"a": "\\udc00\\ud800"}')),
        *((body, "NaN or Infinity") for body in (b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}')),
        *((body, "larger than a double") for body in (b'{"a": 1e309}', b'{"a": -1e999}')),
        (b'{"a": ' + b"9" * 400 + b"}", "larger than a double"),
    ],
)
def test_what_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        parse_object(body)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_the_depth_is_bounded(opening: str, closing: str) -> None:
    def nested(levels: int) -> bytes:
        inner = opening * (levels - 1) + "1" + closing * (levels - 1)
        return f'{{"x": {inner}}}'.encode()

    assert parse_object(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 500, 100_000):
        with pytest.raises(MessageError, match=f"more than {MAX_DEPTH} levels"):
            parse_object(nested(levels))


def test_an_unclosed_depth_is_no_crash() -> None:
    for body in (b"[" * 200_000, b'{"a":' * 200_000, b'{"a":[' * 100_000):
        with pytest.raises(MessageError):
            parse_object(body)


def test_a_wide_body_is_not_deep() -> None:
    assert len(parse_object(json.dumps({"x": [{}] * 10_000}).encode())["x"]) == 10_000  # type: ignore[arg-type] # a list


def test_a_long_number_costs_no_more_than_its_length() -> None:
    # `int` would refuse more than 4,300 digits with an error of its own.
    with pytest.raises(MessageError, match="larger than a double"):
        read("1" * 500_000)
    assert read("0." + "1" * 500_000) == pytest.approx(1 / 9)


def test_messages_hold_nothing_of_the_body() -> None:
    for body in (
        b'{"secret": ',
        b'{"secret": 1, "secret": 2}',
        b'{"secret": NaN}',
        b'["secret"]',
        b'{"a": "\\ud800secret"}',
    ):
        with pytest.raises(MessageError) as caught:
            parse_object(body)
        assert "secret" not in caught.value.message


def test_damaged_bodies_raise_only_our_error() -> None:
    seeds = [b'{"a": [1, 2.5, "x", null, {"b": true}], "\\u00e9": "\\ud83d\\ude00"}', b'{"subject": {"type": "user"}}']
    bodies = damaged(random.Random(20261125), seeds, '{}[]":,\\ue0-.19 ', rounds(4_000))
    errors = [refusal(partial(parse_object, body)) for body in bodies]
    assert errors.count(None) > 100
    assert all(isinstance(error, MessageError) for error in errors if error is not None)
