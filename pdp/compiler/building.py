"""Python `ast` nodes that all stand at one place of a Cedar text."""

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final, TypedDict, final

from pdp.cedar.source import Source, Span

_LOAD: Final = ast.Load()
_STORE: Final = ast.Store()
_NEWLINE: Final = re.compile("\n")


class Location(TypedDict):
    """Lines from 1 and columns in UTF-8 bytes from 0, as Python's `ast` counts them."""

    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


Locate = Callable[[Span | None], Location]


def locator(source: Source | None, whole: Span | None) -> Locate:
    """Turns the spans inside `whole`, a policy's own span, into locations; without a source, into line 1."""
    if source is None or whole is None:
        nowhere = Location(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
        return lambda _: nowhere
    text, first = source.text, source.position(whole.start).line
    starts = [whole.start - source.position(whole.start).column + 1]
    starts.extend(newline.end() for newline in _NEWLINE.finditer(text, whole.start, whole.end))

    def place(offset: int) -> tuple[int, int]:
        line = bisect_right(starts, offset) - 1
        return first + line, len(text[starts[line] : offset].encode("utf-8", "surrogatepass"))

    def locate(span: Span | None) -> Location:
        line, column = place((span or whole).start)
        end_line, end_column = place((span or whole).end)
        return Location(lineno=line, col_offset=column, end_lineno=end_line, end_col_offset=end_column)

    return locate


@final
class Building:
    """Builds expressions at one place. Names given to it are the compiler's own, never a policy's."""

    __slots__ = ("at",)

    def __init__(self, at: Location) -> None:
        self.at: Final = at

    def name(self, name: str) -> ast.expr:
        """`name`."""
        return ast.Name(id=name, ctx=_LOAD, **self.at)

    def constant(self, value: bool | int | None) -> ast.expr:
        """A constant of the compiler's own."""
        return ast.Constant(value=value, **self.at)

    def named(self, name: str, value: ast.expr) -> ast.expr:
        """`(name := value)`."""
        return ast.NamedExpr(target=ast.Name(id=name, ctx=_STORE, **self.at), value=value, **self.at)

    def member(self, value: ast.expr, name: str) -> ast.expr:
        """`value.name`."""
        return ast.Attribute(value=value, attr=name, ctx=_LOAD, **self.at)

    def item(self, value: ast.expr, index: ast.expr) -> ast.expr:
        """`value[index]`."""
        return ast.Subscript(value=value, slice=index, ctx=_LOAD, **self.at)

    def call(self, function: str | ast.expr, *arguments: ast.expr) -> ast.expr:
        """`function(arguments)`."""
        called = self.name(function) if isinstance(function, str) else function
        return ast.Call(func=called, args=list(arguments), keywords=[], **self.at)

    def tuple_of(self, elements: Sequence[ast.expr]) -> ast.expr:
        """`(elements,)`."""
        return ast.Tuple(elts=list(elements), ctx=_LOAD, **self.at)

    def compare(self, left: ast.expr, *steps: tuple[ast.cmpop, ast.expr]) -> ast.expr:
        """`left op right op ...`, Python's chained comparison."""
        operations, operands = [step[0] for step in steps], [step[1] for step in steps]
        return ast.Compare(left=left, ops=operations, comparators=operands, **self.at)

    def has_type(self, value: ast.expr, type_name: str) -> ast.expr:
        """`type(value) is type_name`."""
        return self.compare(self.call("type", value), (ast.Is(), self.name(type_name)))

    def both_int(self, left: ast.expr, right: ast.expr) -> ast.expr:
        """`type(left) is type(right) is int`: both are evaluated before either is judged."""
        second = self.call("type", right)
        return self.compare(self.call("type", left), (ast.Is(), second), (ast.Is(), self.name("int")))

    def arithmetic(self, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        """`left op right`."""
        return ast.BinOp(left=left, op=op, right=right, **self.at)

    def negation(self, value: ast.expr) -> ast.expr:
        """`not value`."""
        return ast.UnaryOp(op=ast.Not(), operand=value, **self.at)

    def every(self, *values: ast.expr) -> ast.expr:
        """`a and b and ...`; just the value if there is one."""
        return values[0] if len(values) == 1 else ast.BoolOp(op=ast.And(), values=list(values), **self.at)

    def either(self, *values: ast.expr) -> ast.expr:
        """`a or b or ...`; just the value if there is one."""
        return values[0] if len(values) == 1 else ast.BoolOp(op=ast.Or(), values=list(values), **self.at)

    def choose(self, test: ast.expr, then: ast.expr, otherwise: ast.expr) -> ast.expr:
        """`then if test else otherwise`."""
        return ast.IfExp(test=test, body=then, orelse=otherwise, **self.at)

    def function(self, name: str, parameters: Sequence[str], body: Sequence[ast.stmt]) -> ast.FunctionDef:
        """`def name(parameters): body`."""
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=parameter, **self.at) for parameter in parameters],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        return ast.FunctionDef(name=name, args=arguments, body=list(body), decorator_list=[], **self.at)

    def returned(self, value: ast.expr) -> ast.stmt:
        """`return value`."""
        return ast.Return(value=value, **self.at)

    def assigned(self, name: str, value: ast.expr) -> ast.stmt:
        """`name = value`."""
        return ast.Assign(targets=[ast.Name(id=name, ctx=_STORE, **self.at)], value=value, **self.at)

    def added(self, name: str, value: ast.expr) -> ast.stmt:
        """`name += value`."""
        return ast.AugAssign(target=ast.Name(id=name, ctx=_STORE, **self.at), op=ast.Add(), value=value, **self.at)

    def when(self, test: ast.expr, then: ast.stmt) -> ast.stmt:
        """`if test: then`."""
        return ast.If(test=test, body=[then], orelse=[], **self.at)

    def attempted(self, body: ast.stmt, error: str, name: str, handling: ast.stmt) -> ast.stmt:
        """`try: body` and `except error as name: handling`."""
        handler = ast.ExceptHandler(type=self.name(error), name=name, body=[handling], **self.at)
        return ast.Try(body=[body], handlers=[handler], orelse=[], finalbody=[], **self.at)
