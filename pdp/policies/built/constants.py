"""What fills the holes of compiled code, as plain values, and back.

Bools, whole numbers and texts are themselves; everything else is a tuple that begins with what it is.
"""

import sys
from typing import Any, Final, assert_never

from pdp.cedar import ext
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.compiler.terms import Constant
from pdp.policies.built.expressions import pack_pattern, unpack_pattern

_FUNCTIONS: Final = {function.apply: name for name, function in ext.FUNCTIONS.items()}


def pack_constant(constant: Constant) -> Any:
    """A constant of code. Raises KeyError for a function that is no extension function."""
    if isinstance(constant, frozenset):
        return ("entities", *sorted(map(tuple, constant)))
    if isinstance(constant, tuple) and not isinstance(constant, EntityUID):
        return ("texts", *pack_pattern(constant))
    if callable(constant):
        return ("function", _FUNCTIONS[constant])
    return _pack_value(constant)


def _pack_value(value: Value) -> Any:
    match value:
        case bool() | int() | str():
            return value
        case EntityUID():
            return ("entity", *value)
        case Set(elements=elements):
            return ("set", *map(_pack_value, elements))
        case Record(fields=fields):
            return ("record", *[(name, _pack_value(field)) for name, field in fields.items()])
        case Decimal(units):
            return ("decimal", units)
        case Datetime(milliseconds):
            return ("datetime", milliseconds)
        case Duration(milliseconds):
            return ("duration", milliseconds)
        case IPAddr(version, address, prefix):
            return ("ip", version, address, prefix)
        case _:
            assert_never(value)


def unpack_constant(packed: Any) -> Constant:
    """What `pack_constant` was given. Raises ValueError, TypeError or KeyError for what it did not give."""
    if type(packed) is str:
        return sys.intern(packed)  # most are names of attributes, as facts have them
    if type(packed) is not tuple:
        return _unpack_value(packed)
    kind, *parts = packed
    match kind:
        case "entities":
            return frozenset([EntityUID(*entity) for entity in parts])
        case "texts":
            return unpack_pattern(tuple(parts))
        case "function":
            (name,) = parts
            return ext.FUNCTIONS[name].apply
        case _:
            return _unpack_value(packed)


def _unpack_value(packed: Any) -> Value:
    match packed:
        case bool() | int() | str():
            return packed
        case ("entity", entity_type, id):
            return EntityUID(sys.intern(entity_type), id)
        case ("set", *elements):
            return Set(map(_unpack_value, elements))
        case ("record", *fields):
            return Record({name: _unpack_value(field) for name, field in fields})
        case ("decimal", units):
            return Decimal(units)
        case ("datetime", milliseconds):
            return Datetime(milliseconds)
        case ("duration", milliseconds):
            return Duration(milliseconds)
        case ("ip", version, address, prefix):
            return IPAddr(version, address, prefix)
        case _:
            raise ValueError(packed)
