"""How a policy came to apply or not, as the command line prints it: a tree of its parts with what each of them was."""

from collections.abc import Iterator
from enum import Enum, unique
from typing import Final

from rich.text import Text

from pdp.cedar.errors import EvaluationError, JsonError
from pdp.cedar.nodes import Expr
from pdp.cedar.policy import ConditionKind, ScopeAny
from pdp.cedar.source import Source
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import Record, Set, Value, type_name
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import write_value
from pdp.cli.output import plain
from pdp.evaluate.explain import Outcome, PolicyTrace, Trace, deciding
from pdp.evaluate.partial.written import write

_SHOWN: Final = 100
"""Characters of an expression and of a value that are printed at most."""

_PLACE_WIDTH: Final = 10
_VARIABLES: Final = ("principal", "action", "resource")


@unique
class Detail(Enum):
    """How much of a trace is shown: what decided, or all of it."""

    DECIDING = "deciding"
    FULL = "full"


def trace_lines(trace: PolicyTrace, detail: Detail) -> Iterator[Text]:
    """The trace for people: a line for each part, indented below what it is a part of, with its place in the file."""
    source = trace.policy.source
    for test in _scope(trace, detail):
        yield from _lines(source, _chosen(test, detail), 0, ("scope ", print_expression(test.expr), ""))
    for number, (condition, body) in enumerate(zip(trace.policy.conditions, trace.conditions, strict=True)):
        if detail is Detail.DECIDING and (body.outcome is None or trace.ending not in (None, number)):
            continue
        holds = body.outcome is (condition.kind is ConditionKind.WHEN)
        words = (f"{condition.kind.value} {{ ", print_expression(body.expr), " }")
        yield from _lines(source, _chosen(body, detail), 0, words, "green" if holds else "red")


def _scope(trace: PolicyTrace, detail: Detail) -> Iterator[Trace]:
    """The tests of the scope that are shown: of those that test anything all, or those that keep the policy out."""
    policy = trace.policy
    for scope, test in zip((policy.principal, policy.action, policy.resource), trace.scope, strict=True):
        if not isinstance(scope, ScopeAny) and (detail is Detail.FULL or test.outcome is not True):
            yield test


def _chosen(trace: Trace, detail: Detail) -> Trace:
    return trace if detail is Detail.FULL else deciding(trace)


def _lines(
    source: Source | None, trace: Trace, depth: int, words: tuple[str, str, str], style: str = ""
) -> Iterator[Text]:
    before, text, after = words
    outcome = ("not evaluated", "dim") if trace.outcome is None else (cut(plain(_told(trace.outcome))), style)
    shown = f"{before}{cut(plain(text))}{after}"
    yield Text.assemble(
        (f"  {_place(source, trace.expr):<{_PLACE_WIDTH}}", "cyan"), "  " * depth, shown, " -> ", outcome
    )
    for part in trace.parts:
        yield from _lines(source, part, depth + 1, ("", print_expression(part.expr), ""))


def _place(source: Source | None, expr: Expr) -> str:
    if source is None or expr.span is None:
        return ""
    position = source.position(expr.span.start)
    return f"{position.line}:{position.column}"


def _told(outcome: Value | EvaluationError) -> str:
    if isinstance(outcome, EvaluationError):
        return f"{outcome.kind.value}: {outcome.message}"
    return value_text(outcome)


def value_text(value: Value) -> str:
    """A value as a policy would write it; of a large set or record, how large it is."""
    written = write(value, None)
    if written is not None:
        return print_expression(written)
    match value:
        case Set():
            return f"a set of {len(value)} elements"
        case Record():
            return f"a record of {len(value.fields)} attributes"
        case _:
            return f"a {type_name(value)}"


def cut(text: str) -> str:
    """A text of one line, without its end if it is long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def trace_json(trace: PolicyTrace, detail: Detail) -> dict[str, Json]:
    """The trace for programs."""
    source = trace.policy.source
    conditions: list[Json] = [
        {"kind": condition.kind.value, **_json(source, _chosen(body, detail))}
        for condition, body in zip(trace.policy.conditions, trace.conditions, strict=True)
    ]
    scope: dict[str, Json] = {
        name: _json(None, _chosen(test, detail)) for name, test in zip(_VARIABLES, trace.scope, strict=True)
    }
    return {"scope": scope, "conditions": conditions}


def _json(source: Source | None, trace: Trace) -> dict[str, Json]:
    """One part. `line` and `column` are null in a scope, whose tests are not expressions of the text."""
    place = None if source is None or trace.expr.span is None else source.position(trace.expr.span.start)
    return {
        "text": print_expression(trace.expr),
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        **_outcome(trace.outcome),
        "parts": [_json(source, part) for part in trace.parts],
    }


def _outcome(outcome: Outcome) -> dict[str, Json]:
    """`value` is null for the few values that have no form in Cedar's JSON."""
    if outcome is None:
        return {"outcome": "not_evaluated"}
    if isinstance(outcome, EvaluationError):
        return {"outcome": "error", "error": {"kind": outcome.kind.value, "message": outcome.message}}
    try:
        return {"outcome": "value", "value": write_value(outcome)}
    except JsonError:
        return {"outcome": "value", "value": None}
