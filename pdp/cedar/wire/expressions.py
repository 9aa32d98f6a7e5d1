"""Expressions in JSON (Cedar JSON policy format, "JsonExpr objects"; research: Cedar language, section 6).

An expression E is an object with one key, its operator:

    {"Value": V}, {"Var": "principal"}                          V is a value as in `values`, with its escapes
    {"!": {"arg": E}}                                           likewise `neg`, `isEmpty`
    {"==": {"left": E, "right": E}}                             likewise `&&` and the other binary operators
    {".": {"left": E, "attr": name}}
    {"has": {"left": E, "attr": name or [name, ...]}}
    {"like": {"left": E, "pattern": ["Wildcard" or {"Literal": text}, ...]}}
    {"is": {"left": E, "entity_type": T, "in": E}}              `in` is optional
    {"if-then-else": {"if": E, "then": E, "else": E}}
    {"Set": [E, ...]}, {"Record": {name: E, ...}}
    {"isInRange": [E, E]}                                       any extension function; a method's receiver comes first

JSON can say more than text, and the nodes can hold all of it: any names, chained comparisons, any number of signs. A
value with parts becomes the expression that builds it: `Value` of an array, a record or `__extn` is read as a set, a
record or a call, so that a call's errors come when it is evaluated, as in the reference implementation. Two Bool
literals joined by `&&` or `||` are one literal, as in the text parser.

What is written is what the reference implementation writes, except for `has` with several names: there it writes the
tests that they stand for. Chains of `&&` and `||` nest to the left, two levels of JSON an operand, so that a policy set
holds chains of about 60. The reference implementation writes longer ones, too, and cannot read them; here they are
refused when they are written.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final, assert_never, cast

from pdp.cedar.errors import JsonError
from pdp.cedar.ext import FUNCTIONS
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH
from pdp.cedar.nodes import (
    ANY,
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Like,
    Literal,
    Or,
    Pattern,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
    Wildcard,
    conjoin,
    disjoin,
)
from pdp.cedar.values import EntityUID, brief
from pdp.cedar.wire.forms import (
    guess,
    is_too_deep,
    read_elements,
    read_fields,
    read_object,
    read_text,
    read_type_name,
    read_word,
    require_levels,
    writable,
    write_type_name,
    write_uid,
)
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.cedar.wire.values import describe, is_escape, read_value

_VARIABLES: Final = {var.value: var for var in Var}
_UNARY: Final = {op.value: op for op in UnaryOp}
_BINARY: Final = {op.value: op for op in BinaryOp}
_OTHERS: Final = ("Value", "Var", "&&", "||", ".", "has", "like", "is", "if-then-else", "Set", "Record")
_OPERATORS: Final = (*_OTHERS, *_UNARY, *_BINARY)
_OTHER_WORDS: Final = {"and": "&&", "or": "||", "not": "!", "=": "==", "if": "if-then-else"}
"""What operators are called elsewhere."""

_FORM: Final = 'an expression is an object with one key, as in `{"Var": "principal"}`'
_DEPTH_HELP: Final = (
    f"a document has fewer than {MAX_JSON_DEPTH} levels; an operator takes two, and so does each operand of `&&` and "
    "`||`: move a part into a `when` clause of its own"
)
_WILDCARD: Final = "Wildcard"
_PATTERN_WORDS: Final = {_WILDCARD: ANY}


def read_expression(json: Json, path: Path = ()) -> Expr:
    """The expression that JSON stands for. `path` says where in its document it stands.

    Raises FormError: another form, an unknown operator or function, a slot, a value that is none, too many levels.
    """
    fields = read_object(json, path, "an expression")
    if len(fields) != 1:
        raise FormError(f"an expression has one key, found {len(fields) or 'none'}", path, help=_FORM)
    ((operator, operand),) = fields.items()
    path = (*path, operator)
    match operator:
        case "Value":
            return _read_constant(operand, path, len(path) - 1)
        case "Var":
            return Variable(read_word(operand, path, "a variable", _VARIABLES))
        case "&&" | "||":
            return _read_logic(operator, operand, path)
        case ".":
            parts = read_fields(operand, path, "`.`", ("left", "attr"))
            return GetAttr(_read_part(parts, "left", path), read_text(parts["attr"], (*path, "attr"), "`attr`"))
        case "has":
            parts = read_fields(operand, path, "`has`", ("left", "attr"))
            return HasAttr(_read_part(parts, "left", path), _read_names(parts["attr"], (*path, "attr")))
        case "like":
            parts = read_fields(operand, path, "`like`", ("left", "pattern"))
            return Like(_read_part(parts, "left", path), _read_pattern(parts["pattern"], (*path, "pattern")))
        case "is":
            return _read_is(operand, path)
        case "if-then-else":
            parts = read_fields(operand, path, "`if-then-else`", ("if", "then", "else"))
            condition, consequent, alternative = [_read_part(parts, name, path) for name in ("if", "then", "else")]
            return If(condition, consequent, alternative)
        case "Set":
            return SetLiteral(_read_each(operand, path, "`Set`"))
        case "Record":
            inner = read_object(operand, path, "`Record`")
            return RecordLiteral(tuple([(name, _read_part(inner, name, path)) for name in inner]))
        case _ if operator in _UNARY:
            parts = read_fields(operand, path, f"`{operator}`", ("arg",))
            return Unary(_UNARY[operator], _read_part(parts, "arg", path))
        case _ if operator in _BINARY:
            parts = read_fields(operand, path, f"`{operator}`", ("left", "right"))
            return Binary(_BINARY[operator], _read_part(parts, "left", path), _read_part(parts, "right", path))
        case _ if operator in FUNCTIONS:
            return Call(operator, _read_each(operand, path, f"the arguments of `{operator}`"))
        case _:
            raise _unknown_operator(operator, path)


def _unknown_operator(operator: str, path: Path) -> FormError:
    if operator == "Slot":
        return FormError("a slot cannot stand in a condition", path, help="slots stand in the scope, as `slot`")
    if operator in _OTHER_WORDS:
        help = f"did you mean `{_OTHER_WORDS[operator]}`?"
    else:
        help = guess(operator, (*_OPERATORS, *FUNCTIONS), "operators are")
    return FormError(f"there is no operator or function {brief(operator)}", path, help=help)


def _read_part(parts: Mapping[str, Json], name: str, path: Path) -> Expr:
    return read_expression(parts[name], (*path, name))


def _read_each(json: Json, path: Path, what: str) -> tuple[Expr, ...]:
    return tuple(
        [read_expression(element, (*path, index)) for index, element in enumerate(read_elements(json, path, what))]
    )


def _read_logic(operator: str, json: Json, path: Path) -> Expr:
    parts = read_fields(json, path, f"`{operator}`", ("left", "right"))
    left, right = _read_part(parts, "left", path), _read_part(parts, "right", path)
    conjunction = operator == "&&"
    match left, right:
        case Literal(bool(first)), Literal(bool(second)):
            return Literal(first and second if conjunction else first or second)
        case _:
            return (conjoin if conjunction else disjoin)(left, (right,))


def _read_is(json: Json, path: Path) -> Expr:
    parts = read_fields(json, path, "`is`", ("left", "entity_type"), ("in",))
    operand = _read_part(parts, "left", path)
    entity_type = read_type_name(parts["entity_type"], (*path, "entity_type"))
    return Is(operand, entity_type, None if parts.get("in") is None else _read_part(parts, "in", path))


def _read_names(json: Json, path: Path) -> tuple[str, ...]:
    """The name or names that `has` tests for."""
    if isinstance(json, str):
        return (json,)
    if not isinstance(json, list) or not json:
        found = "an empty one" if isinstance(json, list) else describe(json)
        help = 'write `"name"`, or `["a", "b"]` for `has a.b`'
        raise FormError(f"`attr` must be a string or an array of strings, found {found}", path, help=help)
    require_levels(len(path), 1, path)
    return tuple([read_text(name, (*path, index), "the name of an attribute") for index, name in enumerate(json)])


def _read_pattern(json: Json, path: Path) -> Pattern:
    elements = read_elements(json, path, "`pattern`")
    parts = [_read_pattern_part(element, (*path, index)) for index, element in enumerate(elements)]
    # Literal runs stay whole and not empty, wildcards single (`nodes.Pattern`).
    runs = groupby(filter(None, parts), type)
    return tuple(["".join([part for part in run if isinstance(part, str)]) or ANY for _, run in runs])


def _read_pattern_part(json: Json, path: Path) -> str | Wildcard:
    what = "a part of a pattern"
    if isinstance(json, dict):
        return read_text(read_fields(json, path, what, ("Literal",))["Literal"], (*path, "Literal"), "`Literal`")
    return read_word(json, path, what, _PATTERN_WORDS)


def _read_constant(json: Json, path: Path, around: int) -> Expr:
    """The expression that builds a value. `around` counts the levels around it as they will be written."""
    if isinstance(json, list):
        require_levels(around, 2, path)
        return SetLiteral(tuple([_read_constant(part, (*path, index), around + 2) for index, part in enumerate(json)]))
    if isinstance(json, dict) and not is_escape(json):
        require_levels(around, 2, path)
        return RecordLiteral(
            tuple([(name, _read_constant(part, (*path, name), around + 2)) for name, part in json.items()])
        )
    if isinstance(json, dict) and isinstance(call := json.get("__extn"), dict):
        require_levels(around, 2, path)
        return _read_call(call, (*path, "__extn"), around)
    require_levels(around, 3 if isinstance(json, dict) else 1, path)
    # What is left has no parts: a Bool, a Long, a String, an entity.
    return Literal(cast("bool | int | str | EntityUID", read_value(json, path)))


def _read_call(json: dict[str, Json], path: Path, around: int) -> Expr:
    """A call in the form of values, which `is_escape` has seen: `arg`, or else `args`."""
    function, several = cast("str", json["fn"]), cast("list[Json]", json.get("args"))
    if function not in FUNCTIONS:
        help = guess(function, FUNCTIONS, "the functions are")
        raise FormError(f"there is no extension function {brief(function)}", (*path, "fn"), help=help)
    if "arg" in json:
        return Call(function, (_read_constant(json["arg"], (*path, "arg"), around + 2),))
    path = (*path, "args")
    return Call(function, tuple([_read_constant(part, (*path, at), around + 2) for at, part in enumerate(several)]))


def write_expression(expr: Expr) -> dict[str, Json]:
    """The JSON that `read_expression` reads as this expression.

    Raises JsonError for what would not be read again: more than fits into MAX_JSON_DEPTH levels, an unknown extension
    function, half a surrogate pair, a type name that is none.
    """
    return write_nested(expr, 0)


def write_nested(expr: Expr, around: int) -> dict[str, Json]:
    """As `write_expression`, for a document that has `around` levels of JSON around the expression."""
    _require_levels(expr, around, 1)
    inside = around + 2
    match expr:
        case Literal(value):
            return {"Value": _write_literal(expr, value, around)}
        case Variable(name):
            return {"Var": name.value}
        case And(operands):
            return _write_chain("&&", expr, operands, around)
        case Or(operands):
            return _write_chain("||", expr, operands, around)
        case If(condition, consequent, alternative):
            parts = {"if": condition, "then": consequent, "else": alternative}
            return {"if-then-else": {name: write_nested(part, inside) for name, part in parts.items()}}
        case Unary(op, operand):
            return {op.value: {"arg": write_nested(operand, inside)}}
        case Binary(op, left, right):
            return {op.value: {"left": write_nested(left, inside), "right": write_nested(right, inside)}}
        case GetAttr(operand, name):
            return {".": {"left": write_nested(operand, inside), "attr": writable(name)}}
        case HasAttr(operand, path):
            names: list[Json] = [writable(name) for name in path]
            return {"has": {"left": write_nested(operand, inside), "attr": names[0] if len(names) == 1 else names}}
        case Like(operand, pattern):
            _require_levels(expr, around, 4)
            return {"like": {"left": write_nested(operand, inside), "pattern": _write_pattern(pattern)}}
        case Is(operand, entity_type, ancestor):
            test: dict[str, Json] = {
                "left": write_nested(operand, inside),
                "entity_type": write_type_name(entity_type),
            }
            return {"is": test if ancestor is None else {**test, "in": write_nested(ancestor, inside)}}
        case SetLiteral(elements):
            _require_levels(expr, around, 2)
            return {"Set": [write_nested(element, inside) for element in elements]}
        case RecordLiteral(fields):
            _require_levels(expr, around, 2)
            return {"Record": {writable(name): write_nested(part, inside) for name, part in fields}}
        case Call(function, arguments):
            _require_levels(expr, around, 2)
            if function not in FUNCTIONS:
                raise JsonError(f"there is no extension function {brief(function)}", span=expr.span)
            return {function: [write_nested(argument, inside) for argument in arguments]}
        case _:
            assert_never(expr)


def _require_levels(expr: Expr, around: int, needed: int) -> None:
    if is_too_deep(around, needed):
        raise JsonError("nested too deeply for JSON", span=expr.span, help=_DEPTH_HELP)


def _write_chain(operator: str, expr: Expr, operands: Sequence[Expr], around: int) -> dict[str, Json]:
    """`a && b && c` as `(a && b) && c`: the first operands stand deepest."""
    level = around + 2 * (len(operands) - 1)
    _require_levels(expr, level, 1)
    chain = write_nested(operands[0], level)
    for operand in operands[1:]:
        chain = {operator: {"left": chain, "right": write_nested(operand, level)}}
        level -= 2
    return chain


def _write_literal(expr: Expr, value: bool | int | str | EntityUID, around: int) -> Json:
    match value:
        case bool():
            return value
        case int():
            if not LONG_MIN <= value <= LONG_MAX:
                raise JsonError(
                    "the number is not a Long", span=expr.span, help=f"the range is {LONG_MIN} to {LONG_MAX}"
                )
            return value
        case str():
            return writable(value)
        case EntityUID():
            _require_levels(expr, around, 3)
            return {"__entity": write_uid(value)}
        case _:
            assert_never(value)


def _write_pattern(pattern: Pattern) -> list[Json]:
    """One character a literal, as the reference implementation writes it."""
    written: list[Json] = []
    for part in pattern:
        written += [_WILDCARD] if isinstance(part, Wildcard) else [{"Literal": char} for char in writable(part)]
    return written
