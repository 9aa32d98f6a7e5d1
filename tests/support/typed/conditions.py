"""The forms of a Bool: what an operator asks, guards and what stands behind them, and what is dead."""

from collections.abc import Sequence
from typing import Final

from pdp.cedar.nodes import (
    ANY,
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
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
    conjoin,
    disjoin,
)
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType, Type
from pdp.cedar.values import EntityUID
from typed.expressions import BOOL, COMPARISONS, LONG, STRING, ExpressionMaker, Form, Path


def _logic(make: ExpressionMaker, depth: int) -> Expr:
    operands = [make.of(BOOL, depth) for _ in range(make.rng.choice((2, 2, 3)))]
    join = conjoin if make.rng.random() < 0.6 else disjoin
    return join(operands[0], operands[1:])


def _choice(make: ExpressionMaker, depth: int) -> Expr:
    return If(make.of(BOOL, depth), make.of(BOOL, depth), make.of(BOOL, depth))


def _negation(make: ExpressionMaker, depth: int) -> Expr:
    return Unary(UnaryOp.NOT, make.of(BOOL, depth))


def _plain(make: ExpressionMaker, depth: int) -> Expr:
    return make.readable(PrimitiveType).expr if make.rng.random() < 0.1 else make.of(BOOL, 0)


def _equality(make: ExpressionMaker, depth: int) -> Expr:
    rng = make.rng
    op = BinaryOp.NE if rng.random() < 0.3 else BinaryOp.EQ
    if rng.random() < 0.15:
        # Literals and entities may differ in type.
        pool = (Literal(True), Literal(1), Literal("a"), Literal(make.uid(make.any_type())), Variable(Var.ACTION))
        chains: tuple[Expr, ...] = (conjoin(Literal(True), [Literal(False)]), Unary(UnaryOp.NOT, Literal(True)))
        return Binary(op, rng.choice((*pool, *chains)), rng.choice((*pool, make.readable(ReferenceType).expr)))
    type = make.some_type()
    return Binary(op, make.of(type, depth), make.of(type, depth))


def _comparison(make: ExpressionMaker, depth: int) -> Expr:
    type = make.rng.choice((LONG, LONG, ExtensionType.DATETIME, ExtensionType.DURATION))
    return Binary(make.rng.choice(COMPARISONS), make.of(type, depth), make.of(type, depth))


def _call(make: ExpressionMaker, depth: int) -> Expr:
    return make.call(BOOL, depth)


def _like(make: ExpressionMaker, depth: int) -> Expr:
    return Like(make.of(STRING, depth), make.rng.choice(((ANY,), ("a", ANY), (ANY, "*"), ())))


def _member(make: ExpressionMaker, depth: int) -> Expr:
    rng = make.rng
    if rng.random() < 0.3:
        return _action_member(make)
    left = make.readable(ReferenceType)
    types = [make.some_entity_type() for _ in range(2)]
    if isinstance(left.type, ReferenceType) and left.type.entity_type in make.schema.entity_types:
        types += map(ReferenceType, (left.type.entity_type, *make.schema.entity_types[left.type.entity_type].ancestors))
    type: Type = rng.choice(types)
    right = make.of(type if rng.random() < 0.5 else SetType(type), depth)
    if rng.random() < 0.3 and isinstance(left.type, ReferenceType):
        return Is(left.expr, left.type.entity_type if rng.random() < 0.7 else make.any_type(), right)
    return Binary(BinaryOp.IN, left.expr, right)


def _action_member(make: ExpressionMaker) -> Expr:
    rng = make.rng
    pool: list[Expr] = [Variable(Var.ACTION), *(Literal(uid) for uid in make.actions)]
    if make.faulty():
        pool.append(Literal(EntityUID("Action", "nope")))
    right = rng.choice(pool) if rng.random() < 0.5 else SetLiteral(tuple(rng.sample(pool, min(len(pool), 2))))
    return Binary(BinaryOp.IN, rng.choice(pool[:3]), right)


def _is(make: ExpressionMaker, depth: int) -> Expr:
    path = make.readable(ReferenceType)
    same = isinstance(path.type, ReferenceType) and make.rng.random() < 0.5
    name = path.type.entity_type if same and isinstance(path.type, ReferenceType) else make.any_type()
    return Is(path.expr, name)


def _containment(make: ExpressionMaker, depth: int) -> Expr:
    path = make.readable(SetType)
    type = path.type if isinstance(path.type, SetType) else SetType(make.some_type())
    container = path.expr if isinstance(path.type, SetType) and make.rng.random() < 0.7 else make.of(type, depth)
    match make.rng.randrange(4):
        case 0:
            return Unary(UnaryOp.IS_EMPTY, container)
        case 1:
            op = make.rng.choice((BinaryOp.CONTAINS_ALL, BinaryOp.CONTAINS_ANY))
            return Binary(op, container, make.of(type, depth))
        case _:
            return Binary(BinaryOp.CONTAINS, container, make.of(type.element, depth))


def _has(make: ExpressionMaker, depth: int) -> Expr:
    path = make.readable(ReferenceType, RecordType)
    names = [*make.attributes(path.type), "nope"]
    if make.rng.random() < 0.2:
        return Binary(BinaryOp.HAS_TAG, path.expr, make.of(STRING, depth))
    return HasAttr(path.expr, tuple(make.rng.sample(names, 1 if make.rng.random() < 0.9 else min(2, len(names)))))


def _guarded(make: ExpressionMaker, depth: int) -> Expr:
    """Asks whether something is there and reads it; rarely in a way that does not help."""
    guarded = [path for path in make.paths if path.guards and not all(guard in make.known for guard in path.guards)]
    if not guarded:
        return _equality(make, depth)
    path = make.rng.choice(guarded)
    count = len(make.known)
    make.known += path.guards
    use = make.about(path, depth)
    del make.known[count:]
    asked = _asked(make, path)
    match make.rng.randrange(12):
        case 0 | 1:
            return If(asked, use, make.of(BOOL, depth))
        case 2:
            return If(conjoin(asked, [make.of(BOOL, depth)]), use, Literal(False))
        case 3:
            return conjoin(make.of(BOOL, depth), [asked, use])
        case 4:
            return disjoin(conjoin(asked, [use]), [make.of(BOOL, depth)])
        case 5:
            return conjoin(disjoin(asked, [conjoin(asked, [make.of(BOOL, depth)])]), [use])
        case 6:
            return conjoin(If(make.of(BOOL, depth), asked, asked), [use])
        case 7 if make.faulty() or make.faulty():
            wrong = (
                disjoin(Unary(UnaryOp.NOT, asked), [use]),
                conjoin(Unary(UnaryOp.NOT, Unary(UnaryOp.NOT, asked)), [use]),
                conjoin(Binary(BinaryOp.EQ, asked, Literal(True)), [use]),
                conjoin(If(asked, Literal(True), Literal(False)), [use]),
                conjoin(use, [asked]),
                If(asked, make.of(BOOL, depth), use),
            )
            return make.rng.choice(wrong)
        case _:
            return conjoin(asked, [use])


def _asked(make: ExpressionMaker, path: Path) -> Expr:
    """The question that makes a path readable, in one `has` if it can be."""
    names: list[str] = []
    expr = path.expr
    while isinstance(expr, GetAttr):
        names.insert(0, expr.name)
        expr = expr.operand
    if isinstance(expr, Variable) and make.rng.random() < 0.4:
        return HasAttr(expr, tuple(names))
    return conjoin(path.guards[0], path.guards[1:])


def _dead(make: ExpressionMaker, depth: int) -> Expr:
    """Something that is wrong, behind something that is False or True."""
    rng = make.rng
    wrong = rng.choice(
        (
            GetAttr(make.readable().expr, "nope"),
            Binary(BinaryOp.ADD, Literal("a"), Literal(1)),
            SetLiteral(()),
            Call("ip", (Literal("nope"),)),
            Binary(BinaryOp.GET_TAG, make.readable(ReferenceType).expr, Literal("k")),
            Literal(make.uid(make.any_type())),
        )
    )
    false = rng.choice(
        (
            Literal(False),
            Binary(BinaryOp.EQ, Literal(1), Literal("a")),
            Is(Variable(Var.PRINCIPAL), rng.choice(make.types)),
            HasAttr(make.readable(ReferenceType, RecordType).expr, ("nope",)),
            conjoin(make.of(BOOL, depth), [Literal(False)]),
        )
    )
    match rng.randrange(4):
        case 0:
            return conjoin(false, [wrong])
        case 1:
            return disjoin(Unary(UnaryOp.NOT, false), [wrong])
        case 2:
            return If(false, wrong, make.of(BOOL, depth))
        case _:
            return If(Unary(UnaryOp.NOT, false), make.of(BOOL, depth), wrong)


FORMS: Final[Sequence[Form]] = (
    *(_guarded,) * 5,
    *(_equality, _comparison, _member, _containment, _logic) * 2,
    *(_choice, _negation, _plain, _call, _like, _is, _has, _dead),
)
