"""Nodes: equality by type and not by place, hashing, and chains that are kept flat on the left."""

import dataclasses
from typing import get_args

import pytest

from pdp.cedar import nodes
from pdp.cedar.nodes import (
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    Literal,
    Or,
    RecordLiteral,
    SetLiteral,
    UnaryOp,
    Var,
    Variable,
    conjoin,
    disjoin,
    in_name_order,
)
from pdp.cedar.source import Span
from pdp.cedar.text.depth import children, too_deep
from pdp.cedar.values import EntityUID

A, B, C, D = (Variable(var) for var in Var)


def test_literals_compare_by_type_too() -> None:
    distinct = [Literal(value) for value in (True, False, 1, 0, "1", "", EntityUID("A", "1"), EntityUID("1", "A"))]
    for i, left in enumerate(distinct):
        for j, right in enumerate(distinct):
            assert (left == right) is (i == j)
    assert len(set(distinct)) == len(distinct)
    assert Literal(1) != 1
    assert Literal(EntityUID("A", "1")) == Literal(EntityUID("A", "1"))


def test_places_take_no_part_in_equality() -> None:
    first, second = Literal(1, span=Span(0, 1)), Literal(1, span=Span(5, 6))
    assert first == second == Literal(1)
    assert hash(first) == hash(second)
    assert GetAttr(first, "a", span=Span(0, 3)) == GetAttr(second, "a")
    assert "span" not in repr(first)


def test_nodes_of_different_kinds_are_different() -> None:
    operands = (A, B)
    different: list[Expr] = [
        And(operands), Or(operands), SetLiteral(operands), Call("ip", operands), Call("decimal", operands),
        GetAttr(A, "a"), HasAttr(A, ("a",)), HasAttr(A, ("a", "a")), RecordLiteral((("a", A),)),
    RecordLiteral((("b", A),)),
        *(Binary(op, A, B) for op in BinaryOp), Binary(BinaryOp.EQ, B, A),
    ]  # fmt: skip
    assert len(set(different)) == len(different)


def test_every_node_is_frozen_slotted_and_knows_its_place() -> None:
    for node in get_args(Expr):
        assert dataclasses.is_dataclass(node)
        assert "__slots__" in vars(node)
        assert "span" in {field.name for field in dataclasses.fields(node)}
    assert not hasattr(A, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        A.name = Var.CONTEXT  # type: ignore[misc]  # the point of the test


def test_no_node_is_left_out_of_the_union() -> None:
    defined = {kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, nodes._Node)}
    assert defined - {nodes._Node} == set(get_args(Expr))


def test_a_chain_is_flat_on_the_left_and_nested_on_the_right() -> None:
    assert conjoin(A, []) is A
    assert conjoin(A, [B]) == And((A, B))
    assert conjoin(And((A, B)), [C, D]) == And((A, B, C, D))
    assert conjoin(A, [And((B, C))]) == And((A, And((B, C))))
    assert conjoin(Or((A, B)), [C]) == And((Or((A, B)), C))
    assert disjoin(A, []) is A
    assert disjoin(Or((A, B)), [C]) == Or((A, B, C))
    assert disjoin(And((A, B)), [C]) == Or((And((A, B)), C))
    assert conjoin(A, [B], Span(1, 2)).span == Span(1, 2)


def test_the_fields_of_a_record_are_evaluated_by_name() -> None:
    fields = (("b", A), ("a", B), ("", C), ("B", D), ("\uffff", A), ("\U00010000", B))
    assert [name for name, _ in in_name_order(fields)] == ["", "B", "a", "b", "\uffff", "\U00010000"]
    assert dict(in_name_order(fields)) == dict(fields)


def test_operators_are_named_as_in_the_json_format() -> None:
    assert [op.value for op in UnaryOp] == ["!", "neg", "isEmpty"]
    assert {op.value for op in BinaryOp} == {
        "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "contains", "containsAll", "containsAny", "getTag",
    "hasTag",
    }  # fmt: skip


def test_children_are_in_source_order() -> None:
    every: list[Expr] = [
        And((A, B, C)), Or((A, B)), nodes.If(A, B, C), nodes.Unary(UnaryOp.NOT, A), Binary(BinaryOp.IN, A, B),
    GetAttr(A, "a"),
        HasAttr(A, ("a",)), nodes.Like(A, ()), nodes.Is(A, "T"), nodes.Is(A, "T", B), SetLiteral((A, B)),
        RecordLiteral((("b", A), ("a", B))), Call("ip", (A, B)), Literal(1), A,
    ]  # fmt: skip
    expected = [[A, B, C], [A, B], [A, B, C], [A], [A, B], [A], [A], [A], [A], [A, B], [A, B], [A, B], [A, B], [], []]
    assert [list(children(node)) for node in every] == expected
    assert {type(node) for node in every} == set(get_args(Expr))


def test_depth_is_measured_without_a_stack() -> None:
    expr: Expr = A
    for _ in range(127):
        expr = nodes.Unary(UnaryOp.NOT, expr)
    assert too_deep(expr) is None
    assert too_deep(nodes.Unary(UnaryOp.NOT, expr)) == A
    assert too_deep(And((*[A] * 100_000, expr))) == A
    for _ in range(100_000):
        expr = SetLiteral((expr,))
    assert too_deep(expr) is not None
