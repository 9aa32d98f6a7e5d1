"""Random protobuf messages of any type: every field, at every depth, with values that parsers stumble over."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

TEXTS: Final = (
    *("", "a", "Bearer good", "DPoP good", "GET", "/orders?page=2&tier=1", "/orders?t%69er=1;page=%zz", "true", "-1"),
    *("1e99", "é\u0661", "\0\r\n\x7f", "\u2028", '{"amount": 1}', '{"amount": 1, "Amount": ' + "[" * 90, "x" * 70_000),
    *("URI=spiffe://a/proxy", "URI=spiffe://a/shop,Hash=", "-----BEGIN%20CERTIFICATE-----%0A", "spiffe://a/proxy"),
    *("192.0.2.7", "::ffff:1.2.3.4", "fe80::1%eth0", "999", "application/json", "*", "a" * 300),
)
BYTES: Final = (b"", b"\xff\xfe", b"Bearer good", b'{"amount": 1}', b"\x30\x82\xff\xff", b"false", b"1", b"[" * 5000)
NUMBERS: Final = (0, 1, -1, 2**31 - 1, 65_536)
FRACTIONS: Final = (0.0, 1.5, -1e300, 2.0**53, float("nan"), float("inf"))

_SCALARS: Final[Mapping[int, Callable[[random.Random], object]]] = {
    FieldDescriptor.CPPTYPE_STRING: lambda source: source.choice(TEXTS),
    FieldDescriptor.CPPTYPE_BOOL: lambda source: source.random() < 0.5,
    FieldDescriptor.CPPTYPE_DOUBLE: lambda source: source.choice(FRACTIONS),
    FieldDescriptor.CPPTYPE_FLOAT: lambda source: source.choice(FRACTIONS[:4]),
    FieldDescriptor.CPPTYPE_ENUM: lambda source: source.choice((0, 1, 77)),
    **dict.fromkeys(
        (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64), lambda source: source.choice(NUMBERS)
    ),
    **dict.fromkeys(
        (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64), lambda source: abs(source.choice(NUMBERS))
    ),
}


def fill(message: Any, source: random.Random, names: Mapping[str, tuple[str, ...]], depth: int) -> None:
    """Set random fields of a message, and of the messages in it down to a depth. `names` are texts that fields of
    these names get more often than others.
    """
    for field in message.DESCRIPTOR.fields:
        if depth == 0 or source.random() < 0.3:
            continue
        if field.message_type is None:
            _set_scalar(message, field, _scalar(field, source, names))
        elif field.message_type.GetOptions().map_entry:
            _fill_map(getattr(message, field.name), field.message_type, source, names, depth)
        elif field.is_repeated:
            for _ in range(source.randrange(3)):
                fill(getattr(message, field.name).add(), source, names, depth - 1)
        else:
            fill(getattr(message, field.name), source, names, depth - 1)


def _fill_map(
    entries: Any, entry: Any, source: random.Random, names: Mapping[str, tuple[str, ...]], depth: int
) -> None:
    value = entry.fields_by_name["value"]
    for _ in range(source.randrange(4)):
        key = _scalar(entry.fields_by_name["key"], source, names)
        if value.message_type is None:
            entries[key] = _scalar(value, source, names)
        else:
            fill(entries[key], source, names, depth - 1)


def _scalar(field: Any, source: random.Random, names: Mapping[str, tuple[str, ...]]) -> Any:
    if field.name in names and source.random() < 0.7:
        return source.choice(names[field.name])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return source.choice(BYTES)
    return _SCALARS[field.cpp_type](source)


def _set_scalar(message: Any, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)
