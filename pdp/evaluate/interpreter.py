"""The oracle: what an expression means, in one sitting (`Cedar/Spec/Evaluator.lean`).

No cache and no cleverness: the compiler is tested against this file. Arguments are evaluated left to right and all of
them (a record's in the order of its names, wherever they stand: so does the Rust engine); only `&&`, `||` and `if` are
lazy.
"""

from typing import assert_never

from pdp.cedar import ext
from pdp.cedar.entities import Entities
from pdp.cedar.nodes import (
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
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
    in_name_order,
)
from pdp.cedar.request import Request
from pdp.cedar.values import Record, Set, Value, equal
from pdp.evaluate import operators


def evaluate(expr: Expr, request: Request, entities: Entities) -> Value:
    """The value of an expression for a request. Raises EvaluationError where Cedar has no value."""
    match expr:
        case Literal(constant):
            return constant
        case Variable(name):
            return _variable(name, request)
        case And(operands):
            return all(operators.as_bool(evaluate(operand, request, entities)) for operand in operands)
        case Or(operands):
            return any(operators.as_bool(evaluate(operand, request, entities)) for operand in operands)
        case If(condition, consequent, alternative):
            chosen = operators.as_bool(evaluate(condition, request, entities))
            return evaluate(consequent if chosen else alternative, request, entities)
        case Unary(op, operand):
            return _unary(op, evaluate(operand, request, entities))
        case Binary(op, left, right):
            first = evaluate(left, request, entities)
            return _binary(op, first, evaluate(right, request, entities), entities)
        case GetAttr(operand, name):
            return operators.get_attribute(evaluate(operand, request, entities), name, entities.get)
        case HasAttr(operand, path):
            return operators.has_path(evaluate(operand, request, entities), path, entities.get)
        case Like(operand, pattern):
            return operators.like(evaluate(operand, request, entities), pattern)
        case Is(operand, entity_type, ancestor):
            value = evaluate(operand, request, entities)
            if not operators.is_type(value, entity_type):
                return False
            return ancestor is None or operators.is_in(value, evaluate(ancestor, request, entities), entities.get)
        case SetLiteral(elements):
            return Set([evaluate(element, request, entities) for element in elements])
        case RecordLiteral(fields):
            return Record({name: evaluate(value, request, entities) for name, value in in_name_order(fields)})
        case Call(function, arguments):
            return ext.call(function, [evaluate(argument, request, entities) for argument in arguments])
        case _:
            assert_never(expr)


def _variable(name: Var, request: Request) -> Value:
    match name:
        case Var.PRINCIPAL:
            return request.principal
        case Var.ACTION:
            return request.action
        case Var.RESOURCE:
            return request.resource
        case Var.CONTEXT:
            return request.context
        case _:
            assert_never(name)


def _unary(op: UnaryOp, value: Value) -> Value:
    match op:
        case UnaryOp.NOT:
            return operators.logical_not(value)
        case UnaryOp.NEGATE:
            return operators.negate(value)
        case UnaryOp.IS_EMPTY:
            return operators.is_empty(value)
        case _:
            assert_never(op)


def _binary(op: BinaryOp, left: Value, right: Value, entities: Entities) -> Value:
    match op:
        case BinaryOp.EQ:
            return equal(left, right)
        case BinaryOp.NE:
            return not equal(left, right)
        case BinaryOp.LT:
            return operators.less(left, right)
        case BinaryOp.LE:
            return operators.less_or_equal(left, right)
        case BinaryOp.GT:
            return not operators.less_or_equal(left, right)
        case BinaryOp.GE:
            return not operators.less(left, right)
        case BinaryOp.IN:
            return operators.is_in(left, right, entities.get)
        case BinaryOp.ADD:
            return operators.add(left, right)
        case BinaryOp.SUB:
            return operators.subtract(left, right)
        case BinaryOp.MUL:
            return operators.multiply(left, right)
        case BinaryOp.CONTAINS:
            return operators.contains(left, right)
        case BinaryOp.CONTAINS_ALL:
            return operators.contains_all(left, right)
        case BinaryOp.CONTAINS_ANY:
            return operators.contains_any(left, right)
        case BinaryOp.GET_TAG:
            return operators.get_tag(left, right, entities.get)
        case BinaryOp.HAS_TAG:
            return operators.has_tag(left, right, entities.get)
        case _:
            assert_never(op)
