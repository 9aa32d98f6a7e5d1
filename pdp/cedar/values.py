"""Cedar values as Python values (language reference, "Data types"; `Cedar/Spec/Value.lean`).

    Bool    bool            Set        Set (unordered, no duplicates, may mix types)
    Long    int             Record     Record (name -> value)
    String  str             decimal, ipaddr, datetime, duration: the four extension classes below
    Entity  EntityUID

INVARIANT: never compare two values with `==` nor put one into a Python set unless their types are known. In Python
`True == 1` and `hash(True) == hash(1)`; in Cedar they differ. Use `equal` and `key`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, final


class EntityUID(NamedTuple):
    """An entity's type name (normalised, with namespace) and id. Ids are arbitrary Unicode."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}::{quote(self.id)}"


@final
@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal number with four digits after the point, held as `units` of 1/10000 (64-bit)."""

    units: int

    def __str__(self) -> str:
        whole, fraction = divmod(abs(self.units), 10_000)
        digits = f"{fraction:04d}".rstrip("0") or "0"
        return f"{'-' if self.units < 0 else ''}{whole}.{digits}"


@final
@dataclass(frozen=True, slots=True)
class Datetime:
    """An instant in milliseconds since 1970-01-01T00:00:00Z (64-bit)."""

    milliseconds: int


@final
@dataclass(frozen=True, slots=True)
class Duration:
    """A signed span of time in milliseconds (64-bit)."""

    milliseconds: int


@final
@dataclass(frozen=True, slots=True)
class IPAddr:
    """An address or a network. `address` keeps its host bits; two values are equal only if prefixes are, too."""

    version: int
    address: int
    prefix: int


class _BoolKey(NamedTuple):
    """Stands for a Bool inside a hashed collection, where a bare one would be taken for 0 or 1."""

    bool_value: int


_FALSE: Final = _BoolKey(0)
_TRUE: Final = _BoolKey(1)


@final
class Set:
    """An immutable Cedar set. `elements` keeps first-seen order, for printing only; equality ignores it.

    `only_entities`: every element is an entity reference (true for the empty set), so that `x in set` has a value;
    found once here and not at each evaluation. Then `keys` holds the references themselves.
    """

    __slots__ = ("elements", "keys", "only_entities")

    def __init__(self, elements: "Iterable[Value]" = ()) -> None:
        unique = {key(element): element for element in elements}
        self.elements: Final = tuple(unique.values())
        self.keys: Final = frozenset(unique)
        self.only_entities: Final = set(map(type, self.elements)) <= {EntityUID}

    def __contains__(self, value: "Value") -> bool:
        return key(value) in self.keys

    def __len__(self) -> int:
        return len(self.elements)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Set) and self.keys == other.keys

    def __hash__(self) -> int:
        return hash(self.keys)

    def __repr__(self) -> str:
        return f"Set({list(self.elements)!r})"


@final
class Record:
    """An immutable Cedar record. `fields` must not be changed after construction."""

    __slots__ = ("fields",)

    def __init__(self, fields: "Mapping[str, Value] | None" = None) -> None:
        self.fields: Final[dict[str, Value]] = dict(fields) if fields else {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or self.fields.keys() != other.fields.keys():
            return False
        # Written out, not by `all` and `equal`: records nest, and those would cost a frame of the stack a level.
        theirs = other.fields
        for name, value in self.fields.items():
            if type(value) is not type(theirs[name]) or value != theirs[name]:
                return False
        return True

    def __hash__(self) -> int:
        return hash(frozenset([(name, key(value)) for name, value in self.fields.items()]))

    def __repr__(self) -> str:
        return f"Record({self.fields!r})"


Extension: TypeAlias = Decimal | IPAddr | Datetime | Duration
Value: TypeAlias = bool | int | str | EntityUID | Set | Record | Extension
Key: TypeAlias = int | str | EntityUID | Set | Record | Extension | _BoolKey

EMPTY_RECORD: Final = Record()


def key(value: Value) -> Key:
    """A hashable stand-in: equal keys exactly for equal values, whatever their types."""
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    return value


def equal(left: Value, right: Value) -> bool:
    """Cedar's `==`: total and structural; values of different types are unequal."""
    return type(left) is type(right) and left == right


def type_name(value: Value) -> str:
    """What messages call a value's type: `bool long string set record`, an entity type, an extension type."""
    match value:
        case EntityUID():
            return f"(entity of type `{value.type}`)"
        case _:
            return _TYPE_NAMES[type(value)]


_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "bool",
    int: "long",
    str: "string",
    Set: "set",
    Record: "record",
    Decimal: "decimal",
    IPAddr: "ipaddr",
    Datetime: "datetime",
    Duration: "duration",
}

_BRIEF: Final = 60
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def quote(text: str) -> str:
    """A string as a Cedar literal. Control characters are escaped, so that a hostile id cannot forge a log line."""
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def brief(text: str) -> str:
    """A string as `quote` writes it, cut off when it is long: for messages about input of any length."""
    return quote(text) if len(text) <= _BRIEF else quote(text[:_BRIEF]) + "..."


def _printable(char: str) -> str:
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"
