"""Damaged protobuf messages: what their fields are is kept or changed by the rules of the wire format, not by chance.

https://protobuf.dev/programming-guides/encoding/
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_VARINT, _FIXED64, _LENGTH, _START, _END, _FIXED32 = range(6)


class Field(NamedTuple):
    """A field as it stands on the wire; `body` is all after the tag."""

    number: int
    kind: int
    body: bytes

    def encoded(self) -> bytes:
        """The field's bytes."""
        return varint(self.number << 3 | self.kind) + self.body

    def content(self) -> bytes:
        """What a field of a length holds."""
        length, start = _read_varint(self.body, 0)
        return self.body[start : start + length]


def varint(value: int) -> bytes:
    """A number in base 128."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift, more = at + 1, shift + 7, data[at] & 0x80
        if not more:
            return value, at


def fields_of(message: bytes) -> list[Field]:
    """The fields of a message that is well-formed and has no groups."""
    found, at = [], 0
    while at < len(message):
        tag, start = _read_varint(message, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, content = _read_varint(message, start)
            at = content + length
        else:
            at = {_FIXED64: start + 8, _FIXED32: start + 4}.get(kind) or _read_varint(message, start)[1]
        found.append(Field(tag >> 3, kind, message[start:at]))
    return found


def delimited(number: int, content: bytes) -> bytes:
    """A field that holds bytes, a text or a message."""
    return varint(number << 3 | _LENGTH) + varint(len(content)) + content


def nested(number: int, levels: int, within: bytes = b"") -> bytes:
    """A message in a field of a message, so many levels deep."""
    for _ in range(levels):
        within = delimited(number, within)
    return within


_Change = Callable[[random.Random, list[Field]], bytes]


def _joined(fields: Sequence[Field]) -> bytes:
    return b"".join(field.encoded() for field in fields)


def _unknown(rng: random.Random, fields: list[Field]) -> bytes:
    number = rng.choice((16, 999, 19_500, 2**29 - 1))
    kind = rng.choice((_VARINT, _FIXED64, _LENGTH, _FIXED32))
    body = {_VARINT: varint(rng.getrandbits(63)), _FIXED64: rng.randbytes(8), _FIXED32: rng.randbytes(4)}
    fields.insert(rng.randrange(len(fields) + 1), Field(number, kind, body.get(kind) or varint(3) + rng.randbytes(3)))
    return _joined(fields)


def _another_type(rng: random.Random, fields: list[Field]) -> bytes:
    at = rng.randrange(len(fields))
    body = rng.choice((varint(rng.getrandbits(40)), rng.randbytes(8), rng.randbytes(4), b"\0"))
    fields[at] = Field(fields[at].number, rng.choice((_VARINT, _FIXED64, _FIXED32, _LENGTH)), body)
    return _joined(fields)


def _inside(rng: random.Random, fields: list[Field]) -> bytes:
    """The change of a field that holds something, one level down."""
    holding = [at for at, field in enumerate(fields) if field.kind == _LENGTH and field.content()]
    if not holding:
        return _unknown(rng, fields)
    at = rng.choice(holding)
    content = fields[at].content()
    try:
        inner = fields_of(content)
        changed = mutant(rng, content) if inner else rng.randbytes(4)
    except IndexError:
        changed = rng.choice((b"\xff\xfe", b"", content + b"\xc0\xaf", content[:-1], content * 2))
    fields[at] = Field(fields[at].number, _LENGTH, varint(len(changed)) + changed)
    return _joined(fields)


CHANGES: Final[Mapping[str, _Change]] = {
    "random bytes": lambda rng, fields: rng.randbytes(rng.randrange(64)),
    "cut off": lambda rng, fields: (data := _joined(fields))[: rng.randrange(len(data) + 1)],
    "a byte changed": lambda rng, fields: _byte_changed(rng, _joined(fields)),
    "an unknown field": _unknown,
    "another wire type": _another_type,
    "a field twice": lambda rng, fields: _joined([*fields, rng.choice(fields)]),
    "a field less": lambda rng, fields: _joined([field for field in fields if rng.random() < 0.7]),
    "another order": lambda rng, fields: _joined(rng.sample(fields, len(fields))),
    "another number": lambda rng, fields: _joined(
        [field._replace(number=rng.choice((field.number, field.number + 1, 1, 2, 15))) for field in fields]
    ),
    "field number zero": lambda rng, fields: _joined(fields) + b"\x00\x01",
    "a wire type that is none": lambda rng, fields: _joined(fields) + bytes([rng.choice((0x0E, 0x0F))]),
    "a number without an end": lambda rng, fields: _joined(fields) + b"\x38" + b"\xff" * 11,
    "a length beyond the end": lambda rng, fields: _joined(fields) + b"\x0a" + varint(rng.choice((5, 2**31, 2**63))),
    "a group": lambda rng, fields: _joined(fields) + varint(999 << 3 | _START) + varint(999 << 3 | _END),
    "a group without an end": lambda rng, fields: _joined(fields) + varint(999 << 3 | _START),
    "an end without a group": lambda rng, fields: _joined(fields) + varint(999 << 3 | _END),
    "groups nested deeply": lambda rng, fields: (
        _joined(fields) + varint(999 << 3 | _START) * 5_000 + varint(999 << 3 | _END) * 5_000
    ),
    "nested deeply": lambda rng, fields: _joined(fields) + nested(rng.randrange(1, 8), rng.choice((50, 110, 3_000))),
    "inside": _inside,
}
"""Ways to change a message, by their names."""


def _byte_changed(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def mutant(rng: random.Random, message: bytes, change: str | None = None) -> bytes:
    """A message changed in one way, or in any."""
    fields = fields_of(message)
    if not fields:
        return rng.randbytes(4)
    return CHANGES[change or rng.choice(list(CHANGES))](rng, fields)


def mutants(rng: random.Random, seeds: Sequence[bytes], count: int) -> Iterator[tuple[str, bytes]]:
    """So many changed messages, each way equally often, with its name."""
    names = list(CHANGES)
    for number in range(count):
        name = names[number % len(names)]
        yield name, mutant(rng, rng.choice(seeds), name)
