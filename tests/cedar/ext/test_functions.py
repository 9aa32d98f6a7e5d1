"""The table of extension functions: completeness, arity, argument types, and every method against the Rust engine."""

import random

import pytest
from rust_engine import disagreements

from pdp.cedar import ext
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value, quote, type_name

SAMPLES: list[Value] = [
    True, 0, "", EntityUID("User", "u"), Set(), Record(), Decimal(0), IPAddr(4, 0, 32), Datetime(0), Duration(0),
]  # fmt: skip


def test_the_table_is_that_of_the_language() -> None:
    constructors = {name for name, function in ext.FUNCTIONS.items() if function.style is ext.Style.FUNCTION}
    assert constructors == {"decimal", "ip", "datetime", "duration"}
    assert set(ext.FUNCTIONS) - constructors == {
        "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual",
        "isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange",
        "offset", "durationSince", "toDate", "toTime",
        "toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays",
    }  # fmt: skip
    assert all(name == function.name for name, function in ext.FUNCTIONS.items())


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ext.FUNCTIONS["decimal"] = ext.FUNCTIONS["ip"]  # type: ignore[index]  # the point of the test


def test_an_unknown_function_is_an_extension_error() -> None:
    for name in ("unknown", "", "DECIMAL", "contains"):
        with pytest.raises(EvaluationError) as caught:
            ext.call(name, ["1.0"])
        assert caught.value.kind is ErrorKind.EXTENSION


@pytest.mark.parametrize("function", ext.FUNCTIONS.values(), ids=lambda function: function.name)
def test_arity_comes_before_types(function: ext.ExtensionFunction) -> None:
    for count in {0, 1, 2, 3} - {len(function.parameters)}:
        with pytest.raises(EvaluationError, match="wrong number of arguments") as caught:
            ext.call(function.name, [1] * count)
        assert caught.value.kind is ErrorKind.EXTENSION


@pytest.mark.parametrize("function", ext.FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_parameter_has_one_type(function: ext.ExtensionFunction) -> None:
    good: list[Value] = [next(s for s in SAMPLES if type_name(s) == wanted) for wanted in function.parameters]
    for index, wanted in enumerate(function.parameters):
        for sample in SAMPLES:
            arguments = [*good[:index], sample, *good[index + 1 :]]
            if type_name(sample) == wanted:
                continue
            with pytest.raises(EvaluationError) as caught:
                ext.call(function.name, arguments)
            assert caught.value.kind is ErrorKind.TYPE


def test_results_are_of_the_declared_type() -> None:
    rng = random.Random(5)
    kinds = set()
    for function in ext.FUNCTIONS.values():
        if function.style is ext.Style.METHOD:
            for _ in range(50):
                arguments = [_value(rng, wanted) for wanted in function.parameters]
                try:
                    assert type_name(ext.call(function.name, arguments)) == function.result
                except EvaluationError as error:
                    kinds.add(error.kind)
    assert kinds == {ErrorKind.EXTENSION}


def test_methods_agree_with_the_rust_engine() -> None:
    rng = random.Random(6)
    methods = [function for function in ext.FUNCTIONS.values() if function.style is ext.Style.METHOD]
    cases = [_case(function, rng) for function in methods for _ in range(250)]
    assert {outcome for _, outcome in cases} == {"true", "extension_error"}
    assert disagreements(cases) == []


def test_misuse_agrees_with_the_rust_engine() -> None:
    cases = []
    for function in ext.FUNCTIONS.values():
        for first in SAMPLES:
            for second in (None, *SAMPLES):
                arguments = [first] if second is None else [first, second]
                cases.append(_misuse(function, arguments))
    assert disagreements(cases) == []


def _misuse(function: ext.ExtensionFunction, arguments: list[Value]) -> tuple[str, str]:
    written = [_write(argument) for argument in arguments]
    if function.style is ext.Style.METHOD:
        call = f"{written[0]}.{function.name}({', '.join(written[1:])})"
    else:
        call = f"{function.name}({', '.join(written)})"
    try:
        ext.call(function.name, arguments)
    except EvaluationError as error:
        return f"{call} == 1", error.kind.value
    return f"{call} == {call}", "true"


def _case(function: ext.ExtensionFunction, rng: random.Random) -> tuple[str, str]:
    receiver, *others = (_value(rng, wanted) for wanted in function.parameters)
    if others and rng.random() < 0.4:
        others = [_near(rng, receiver, others[0])]
    written = f"{_write(receiver)}.{function.name}({', '.join(map(_write, others))})"
    try:
        result = ext.call(function.name, [receiver, *others])
    except EvaluationError as error:
        return f"{written} == 1", error.kind.value
    return f"{written} == {_write(result)}", "true"


def _near(rng: random.Random, receiver: Value, other: Value) -> Value:
    """A second argument that is equal to the first one or close to it."""
    match receiver, other:
        case IPAddr(version, address, prefix), IPAddr():
            bits = 32 if version == 4 else 128
            return IPAddr(
                version, address ^ (rng.choice((0, 1)) << rng.randrange(bits)), min(bits, rng.randint(0, prefix + 2))
            )
        case Decimal(units), Decimal():
            return Decimal(min(LONG_MAX, max(LONG_MIN, units + rng.choice((-1, 0, 1)))))
        case _:
            return other


def _value(rng: random.Random, wanted: str) -> Value:
    match wanted:
        case "decimal":
            return Decimal(_long(rng))
        case "datetime":
            return Datetime(_long(rng))
        case "duration":
            return Duration(_long(rng))
        case "ipaddr":
            return _ip(rng)
        case _:
            return "1.0"


def _long(rng: random.Random) -> int:
    match rng.randrange(5):
        case 0:
            return rng.choice((0, 1, -1, LONG_MIN, LONG_MIN + 1, LONG_MAX, LONG_MAX - 1))
        case 1:
            return rng.choice((1, -1)) * rng.choice((1_000, 60_000, 3_600_000, 86_400_000)) * rng.randrange(
                5
            ) + rng.randint(-1, 1)
        case 2:
            return LONG_MIN + rng.randrange(10**9)
        case 3:
            return rng.randint(LONG_MIN, LONG_MAX)
        case _:
            return rng.randint(-(10**14), 10**14)


def _ip(rng: random.Random) -> IPAddr:
    if rng.random() < 0.5:
        first = rng.choice((127, 126, 128, 223, 224, 239, 240, rng.randrange(256)))
        return IPAddr(4, first << 24 | rng.randrange(2**24), rng.choice((0, 3, 4, 5, 7, 8, 9, 32, rng.randrange(33))))
    top = rng.choice((0, 0xFF, 0xFE, rng.randrange(256))) << 120
    low = rng.choice((0, 1, 2, rng.randrange(2**120)))
    return IPAddr(6, top | low, rng.choice((0, 7, 8, 9, 127, 128, rng.randrange(129))))


def _write(value: Value) -> str:
    """A value as an expression."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"({value})" if value < 0 else str(value)
        case str():
            return quote(value)
        case Set():
            return f"[{', '.join(map(_write, value.elements))}]"
        case Record():
            return "{}"
        case Decimal():
            return f'decimal("{decimal.format(value)}")'
        case IPAddr():
            return f'ip("{ipaddr.format(value)}")'
        case Duration():
            return f'duration("{duration.format(value)}")'
        case Datetime():
            if datetime.has_text(value):
                return f'datetime("{datetime.format(value)}")'
            return f'datetime("1970-01-01").offset(duration("{value.milliseconds}ms"))'
        case _:
            return str(value)
