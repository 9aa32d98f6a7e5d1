"""The table of extension functions (language reference, "Functions"; `Cedar/Spec/ExtFun.lean`).

It is the only list of them: the parsers, the validator, the interpreter and the compiler all read it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from types import MappingProxyType
from typing import Final, final

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.values import Datetime, Decimal, Duration, IPAddr, Value, type_name


@unique
class Style(Enum):
    """How a function is written: `f(x)` or `x.f()`."""

    FUNCTION = "function"
    METHOD = "method"


@final
@dataclass(frozen=True, slots=True)
class ExtensionFunction:
    """One function. `parameters` and `result` name types as `values.type_name` does; a method's receiver is first.

    `apply` takes values of exactly these types; it raises EvaluationError where the function has no value.
    """

    name: str
    style: Style
    parameters: tuple[str, ...]
    result: str
    apply: Callable[..., Value]


_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "decimal": Decimal,
    "ipaddr": IPAddr,
    "datetime": Datetime,
    "duration": Duration,
}

_FUNCTION: Final = Style.FUNCTION
_METHOD: Final = Style.METHOD

_TABLE: Final = (
    ExtensionFunction("decimal", _FUNCTION, ("string",), "decimal", decimal.parse),
    ExtensionFunction("lessThan", _METHOD, ("decimal", "decimal"), "bool", decimal.less_than),
    ExtensionFunction("lessThanOrEqual", _METHOD, ("decimal", "decimal"), "bool", decimal.less_than_or_equal),
    ExtensionFunction("greaterThan", _METHOD, ("decimal", "decimal"), "bool", decimal.greater_than),
    ExtensionFunction("greaterThanOrEqual", _METHOD, ("decimal", "decimal"), "bool", decimal.greater_than_or_equal),
    ExtensionFunction("ip", _FUNCTION, ("string",), "ipaddr", ipaddr.parse),
    ExtensionFunction("isIpv4", _METHOD, ("ipaddr",), "bool", ipaddr.is_ipv4),
    ExtensionFunction("isIpv6", _METHOD, ("ipaddr",), "bool", ipaddr.is_ipv6),
    ExtensionFunction("isLoopback", _METHOD, ("ipaddr",), "bool", ipaddr.is_loopback),
    ExtensionFunction("isMulticast", _METHOD, ("ipaddr",), "bool", ipaddr.is_multicast),
    ExtensionFunction("isInRange", _METHOD, ("ipaddr", "ipaddr"), "bool", ipaddr.is_in_range),
    ExtensionFunction("datetime", _FUNCTION, ("string",), "datetime", datetime.parse),
    ExtensionFunction("offset", _METHOD, ("datetime", "duration"), "datetime", datetime.offset),
    ExtensionFunction("durationSince", _METHOD, ("datetime", "datetime"), "duration", datetime.duration_since),
    ExtensionFunction("toDate", _METHOD, ("datetime",), "datetime", datetime.to_date),
    ExtensionFunction("toTime", _METHOD, ("datetime",), "duration", datetime.to_time),
    ExtensionFunction("duration", _FUNCTION, ("string",), "duration", duration.parse),
    ExtensionFunction("toMilliseconds", _METHOD, ("duration",), "long", duration.to_milliseconds),
    ExtensionFunction("toSeconds", _METHOD, ("duration",), "long", duration.to_seconds),
    ExtensionFunction("toMinutes", _METHOD, ("duration",), "long", duration.to_minutes),
    ExtensionFunction("toHours", _METHOD, ("duration",), "long", duration.to_hours),
    ExtensionFunction("toDays", _METHOD, ("duration",), "long", duration.to_days),
)

FUNCTIONS: Final[Mapping[str, ExtensionFunction]] = MappingProxyType({function.name: function for function in _TABLE})
"""Every extension function by name."""


def call(name: str, arguments: Sequence[Value]) -> Value:
    """The value of a function for its arguments, the receiver of a method first.

    Raises EvaluationError: a type error for an argument of the wrong type, an extension error for everything else (an
    unknown name, a wrong number of arguments, a text that does not parse, an overflow).
    """
    function = FUNCTIONS.get(name)
    if function is None:
        raise EvaluationError(ErrorKind.EXTENSION, f"there is no extension function `{name}`")
    if len(arguments) != len(function.parameters):
        raise EvaluationError(
            ErrorKind.EXTENSION,
            f"wrong number of arguments for `{name}`: expected {len(function.parameters)}, got {len(arguments)}",
        )
    for parameter, argument in zip(function.parameters, arguments, strict=True):
        if type(argument) is not _TYPES[parameter]:
            raise EvaluationError(ErrorKind.TYPE, f"expected {parameter}, got {type_name(argument)}")
    return function.apply(*arguments)
