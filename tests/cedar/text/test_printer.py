"""Printing: `parse(print(x)) == x`, no parenthesis too many, and the same meaning where text has no form for a node."""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_policies import policy_json, read_policies
from strategies import World, worlds

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import EvaluationError, ParseError, PrintError
from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_EXPRESSION_DEPTH, MAX_POLICY_TEXT
from pdp.cedar.names import is_bare_name
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
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Condition,
    ConditionKind,
    Effect,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.depth import children, too_deep
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_expression, print_policies, print_policy
from pdp.cedar.values import EntityUID, Record
from pdp.evaluate.interpreter import evaluate

CONTEXT: Final = Variable(Var.CONTEXT)
ALICE: Final = EntityUID("User", "alice")
HOSTILE: Final = (
    "",
    " ",
    "a b",
    "in",
    "__cedar",
    'q"\\',
    "\n\r\t\0",
    "*",
    "\u2028\u200b\ufeff",
    "\U0001f600é",
    "${x}",
    "'",
)


def parse(text: str) -> Expr:
    return parse_expression(Source("printed", text))


def neg(operand: Expr, times: int = 1) -> Expr:
    for _ in range(times):
        operand = Unary(UnaryOp.NEGATE, operand)
    return operand


def no(operand: Expr, times: int = 1) -> Expr:
    for _ in range(times):
        operand = Unary(UnaryOp.NOT, operand)
    return operand


A, B, C = (GetAttr(CONTEXT, name) for name in "abc")
FIVE: Final = Literal(5)

EXPRESSIONS: Final[dict[str, Expr]] = {
    # literals
    "true": Literal(True),
    "5": FIVE,
    "-5": Literal(-5),
    "-9223372036854775808": Literal(LONG_MIN),
    "9223372036854775807": Literal(LONG_MAX),
    '"q\\"\\\\\\n"': Literal('q"\\\n'),
    '"\\u{202e}\\u{1}é"': Literal("\u202e\x01é"),
    'NS::User::"a\\0"': Literal(EntityUID("NS::User", "a\0")),
    # signs
    "-(5)": neg(FIVE),
    "-(0)": neg(Literal(0)),
    "0 - 0": Binary(BinaryOp.SUB, Literal(0), Literal(0)),
    "--(5)": neg(FIVE, 2),
    "----(5)": neg(FIVE, 4),
    "----(-(5))": neg(FIVE, 5),
    "--5": neg(Literal(-5)),
    "----5": neg(Literal(-5), 3),
    "----(-5)": neg(Literal(-5), 4),
    "--9223372036854775808": neg(Literal(LONG_MIN)),
    "-5.a": neg(GetAttr(FIVE, "a")),
    "(-5).a": GetAttr(Literal(-5), "a"),
    "(-context).a": GetAttr(neg(CONTEXT), "a"),
    '-"a"': neg(Literal("a")),
    "!!!!context": no(CONTEXT, 4),
    "!!!!(!context)": no(CONTEXT, 5),
    "!!!!(!!!!(!context))": no(CONTEXT, 9),
    "!(-5)": no(Literal(-5)),
    "-(!context)": neg(no(CONTEXT)),
    "!(-context)": no(neg(CONTEXT)),
    "context.a - -5": Binary(BinaryOp.SUB, A, Literal(-5)),
    "-5 * context.a": Binary(BinaryOp.MUL, Literal(-5), A),
    "-5 - 5": Binary(BinaryOp.SUB, Literal(-5), FIVE),
    # precedence and association
    "context.a + context.b * context.c": Binary(BinaryOp.ADD, A, Binary(BinaryOp.MUL, B, C)),
    "(context.a + context.b) * context.c": Binary(BinaryOp.MUL, Binary(BinaryOp.ADD, A, B), C),
    "context.a - context.b + context.c": Binary(BinaryOp.ADD, Binary(BinaryOp.SUB, A, B), C),
    "context.a - (context.b + context.c)": Binary(BinaryOp.SUB, A, Binary(BinaryOp.ADD, B, C)),
    "context.a * (context.b * context.c)": Binary(BinaryOp.MUL, A, Binary(BinaryOp.MUL, B, C)),
    "(context.a == context.b) == context.c": Binary(BinaryOp.EQ, Binary(BinaryOp.EQ, A, B), C),
    "context.a == (context.b < context.c)": Binary(BinaryOp.EQ, A, Binary(BinaryOp.LT, B, C)),
    "context.a && context.b && context.c": And((A, B, C)),
    "context.a && (context.b && context.c)": And((A, And((B, C)))),
    "context.a && (context.b && (context.c && context.a))": And((A, And((B, And((C, A)))))),
    "context.a || context.b && context.c": Or((A, And((B, C)))),
    "(context.a || context.b) && context.c": And((Or((A, B)), C)),
    "context.a || (context.b || context.c)": Or((A, Or((B, C)))),
    "!(context.a && context.b)": no(And((A, B))),
    "context.a && true && false": And((A, Literal(True), Literal(False))),
    # if
    "if context.a then context.b else context.c": If(A, B, C),
    "if if context.a then context.b else context.c then context.a else if context.a then context.b else context.c": (
        If(If(A, B, C), A, If(A, B, C))
    ),
    "(if context.a then context.b else context.c) && context.a": And((If(A, B, C), A)),
    "context.a && (if context.a then context.b else context.c)": And((A, If(A, B, C))),
    "[if context.a then context.b else context.c]": SetLiteral((If(A, B, C),)),
    # relations
    "context has a && context.b": And((HasAttr(CONTEXT, ("a",)), B)),
    "context has a": HasAttr(CONTEXT, ("a",)),
    "context has a.b.c": HasAttr(CONTEXT, ("a", "b", "c")),
    'context has "in"': HasAttr(CONTEXT, ("in",)),
    'context has ""': HasAttr(CONTEXT, ("",)),
    "(context has a) has b": HasAttr(HasAttr(CONTEXT, ("a",)), ("b",)),
    'context.a like "a*\\*\\"*"': Like(A, ("a", ANY, '*"', ANY)),
    'context.a like ""': Like(A, ()),
    'context.a like "*"': Like(A, (ANY,)),
    "principal is NS::User": Is(Variable(Var.PRINCIPAL), "NS::User"),
    "principal is User in context.a": Is(Variable(Var.PRINCIPAL), "User", A),
    "(principal is User) in context.a": Binary(BinaryOp.IN, Is(Variable(Var.PRINCIPAL), "User"), A),
    "principal is User in (principal is User in context.a)": (
        Is(Variable(Var.PRINCIPAL), "User", Is(Variable(Var.PRINCIPAL), "User", A))
    ),
    "context.a + context.b is User": Is(Binary(BinaryOp.ADD, A, B), "User"),
    # attributes and calls
    'context["in"]["a b"].c': GetAttr(GetAttr(GetAttr(CONTEXT, "in"), "a b"), "c"),
    'context[""]': GetAttr(CONTEXT, ""),
    "context.contains": GetAttr(CONTEXT, "contains"),
    "context.contains(context.a)": Binary(BinaryOp.CONTAINS, CONTEXT, A),
    "(context.a in context.b).containsAll(context.c)": Binary(BinaryOp.CONTAINS_ALL, Binary(BinaryOp.IN, A, B), C),
    "context.isEmpty().isEmpty()": Unary(UnaryOp.IS_EMPTY, Unary(UnaryOp.IS_EMPTY, CONTEXT)),
    "(!context).isEmpty()": Unary(UnaryOp.IS_EMPTY, no(CONTEXT)),
    "!context.isEmpty()": no(Unary(UnaryOp.IS_EMPTY, CONTEXT)),
    'ip("::1").isInRange(context.a)': Call("isInRange", (Call("ip", (Literal("::1"),)), A)),
    "ip()": Call("ip", ()),
    'decimal("1", 2)': Call("decimal", (Literal("1"), Literal(2))),
    "context.lessThan()": Call("lessThan", (CONTEXT,)),
    "5.toDays(1, 2)": Call("toDays", (FIVE, Literal(1), Literal(2))),
    # sets and records
    "[]": SetLiteral(()),
    "[[], [5]]": SetLiteral((SetLiteral(()), SetLiteral((FIVE,)))),
    "{}": RecordLiteral(()),
    '{a: 5, "in": {}, "": [], "a b": context || true}': RecordLiteral(
        (("a", FIVE), ("in", RecordLiteral(())), ("", SetLiteral(())), ("a b", Or((CONTEXT, Literal(True)))))
    ),
    "{a: 5}.a": GetAttr(RecordLiteral((("a", FIVE),)), "a"),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_has_one_text(text: str) -> None:
    assert print_expression(EXPRESSIONS[text]) == text
    assert parse(text) == EXPRESSIONS[text]


LEAVES: Final[dict[str, Expr]] = {
    "variable": CONTEXT,
    "bool": Literal(False),
    "positive": FIVE,
    "negative": Literal(-5),
    "string": Literal('"'),
    "entity": Literal(ALICE),
    "empty set": SetLiteral(()),
    "empty record": RecordLiteral(()),
}

FORMS: Final[dict[str, Callable[[Expr], Expr]]] = {
    "&& _": lambda x: And((CONTEXT, x)),
    "_ && x": lambda x: conjoin(x, [CONTEXT]),
    "&& _ && x": lambda x: And((CONTEXT, x, CONTEXT)),
    "|| _": lambda x: Or((CONTEXT, x)),
    "_ || x": lambda x: disjoin(x, [CONTEXT]),
    "if _": lambda x: If(x, CONTEXT, CONTEXT),
    "then _": lambda x: If(CONTEXT, x, CONTEXT),
    "else _": lambda x: If(CONTEXT, CONTEXT, x),
    "_ .a": lambda x: GetAttr(x, "a"),
    '_ ["in"]': lambda x: GetAttr(x, "in"),
    "_ has a": lambda x: HasAttr(x, ("a",)),
    '_ has "in"': lambda x: HasAttr(x, ("in",)),
    "_ has a.b": lambda x: HasAttr(x, ("a", "b")),
    "_ like": lambda x: Like(x, ("*", ANY)),
    "_ is": lambda x: Is(x, "T"),
    "_ is in": lambda x: Is(x, "T", CONTEXT),
    "is in _": lambda x: Is(CONTEXT, "T", x),
    "[_]": lambda x: SetLiteral((x,)),
    "[x, _]": lambda x: SetLiteral((CONTEXT, x)),
    "{a: _}": lambda x: RecordLiteral((("a", x),)),
    "{in: x, a: _}": lambda x: RecordLiteral((("in", CONTEXT), ("a", x))),
    "ip(_)": lambda x: Call("ip", (x,)),
    "_.toDays()": lambda x: Call("toDays", (x,)),
    "x.offset(_)": lambda x: Call("offset", (CONTEXT, x)),
    **{f"{op.value} of _": lambda x, op=op: Unary(op, x) for op in UnaryOp},  # type: ignore[misc]  # of a bound default
    **{f"_ {op.value} x": lambda x, op=op: Binary(op, x, CONTEXT) for op in BinaryOp},  # type: ignore[misc]  # the same
    **{f"x {op.value} _": lambda x, op=op: Binary(op, CONTEXT, x) for op in BinaryOp},  # type: ignore[misc]  # the same
}
"""Every place where an expression can stand in another."""


def nested() -> Iterator[Expr]:
    for leaf, inner, outer in itertools.product(LEAVES.values(), FORMS.values(), FORMS.values()):
        yield outer(inner(leaf))


def test_every_form_in_every_place_of_every_form_parses_back() -> None:
    wrong = [text for expr in nested() if parse(text := print_expression(expr)) != expr]
    assert wrong == []


def test_every_form_in_every_place_of_every_form_is_the_same_to_the_rust_engine() -> None:
    policies = [_when(expr, f"policy{number}") for number, expr in enumerate(nested())]
    assert len(policies) > 20_000
    theirs = read_policies(print_policies(policies))
    assert {policy.id: policy_json(policy) for policy in policies} == theirs


def test_every_parenthesis_is_needed() -> None:
    """Without any one pair, a text is refused or means something else."""
    needless = []
    for outer, inner in itertools.product(FORMS.values(), repeat=2):
        expr = outer(inner(CONTEXT))
        text = print_expression(expr)
        needless += [shorter for shorter in _with_a_pair_less(text) if _reads_as(shorter, expr)]
    assert needless == []


def _with_a_pair_less(text: str) -> Iterator[str]:
    opened: list[int] = []
    for at, char in enumerate(text):
        if char == "(":
            opened.append(at)
        elif char == ")":
            start = opened.pop()
            yield text[:start] + " " + text[start + 1 : at] + " " + text[at + 1 :]


def _reads_as(text: str, expr: Expr) -> bool:
    try:
        return parse(text) == expr
    except ParseError:
        return False


@pytest.mark.parametrize("form", FORMS)
def test_what_is_as_deep_as_a_text_may_be_parses_back(form: str) -> None:
    expr: Expr = CONTEXT
    for _ in range(MAX_EXPRESSION_DEPTH):
        if too_deep(deeper := FORMS[form](expr)) is not None:
            break
        expr = deeper
    assert parse(print_expression(expr)) == expr


def test_what_is_deeper_than_a_text_may_be_is_printed_and_then_refused_by_name() -> None:
    for form in (FORMS["! of _"], FORMS["_ == x"], FORMS["[_]"], FORMS["else _"]):
        expr: Expr = CONTEXT
        for _ in range(50_000):
            expr = form(expr)
        text = print_expression(expr)
        with pytest.raises(ParseError, match=f"nested more than {MAX_EXPRESSION_DEPTH} levels deep"):
            parse(text)


def test_a_chain_of_a_hundred_thousand_terms_parses_back() -> None:
    expr = And(tuple(GetAttr(CONTEXT, f"a{number}") for number in range(100_000)))
    assert parse(print_expression(expr)) == expr


PATHS: Final[dict[str, Expr]] = {
    'context has a && context.a has "in"': HasAttr(CONTEXT, ("a", "in")),
    'context has "in" && context["in"] has a.b': HasAttr(CONTEXT, ("in", "a", "b")),
    'context has a.b && context.a.b has "" && context.a.b[""] has "c d" && context.a.b[""]["c d"] has e': (
        HasAttr(CONTEXT, ("a", "b", "", "c d", "e"))
    ),
    '!(context has a && context.a has "in")': no(HasAttr(CONTEXT, ("a", "in"))),
    'context.b || context has a && context.a has "in"': Or((B, HasAttr(CONTEXT, ("a", "in")))),
    '(context has a && context.a has "in") == context.b': Binary(BinaryOp.EQ, HasAttr(CONTEXT, ("a", "in")), B),
}


@pytest.mark.parametrize("text", PATHS)
def test_a_path_that_text_cannot_write_becomes_the_conjunction_it_stands_for(text: str) -> None:
    assert print_expression(PATHS[text]) == text
    contexts = [
        Record(),
        Record({"a": True, "in": 1, "b": False}),
        Record({"a": Record({"in": 1, "b": Record({"": Record({"c d": Record({"e": 1})})})}), "b": True}),
        Record({"in": Record({"a": Record({"b": 1})}), "b": True}),
    ]
    for context in contexts:
        assert _outcome(parse(text), context) == _outcome(PATHS[text], context)


@pytest.mark.parametrize("chain", [And, Or])
def test_a_chain_that_starts_with_bools_means_the_same(chain: type[And] | type[Or]) -> None:
    for bools in itertools.product((True, False), repeat=3):
        for last in (A, FIVE):
            expr = chain((*map(Literal, bools), last))
            for context in (Record({"a": True}), Record({"a": False}), Record({"a": 1})):
                assert _outcome(parse(print_expression(expr)), context) == _outcome(expr, context)


def _outcome(expr: Expr, context: Record) -> object:
    try:
        return evaluate(expr, Request(ALICE, ALICE, ALICE, context), Entities([Entity(ALICE)]))
    except EvaluationError as error:
        return error.kind


UNPRINTABLE: Final[dict[str, Expr]] = {
    "U+D800 is half of a surrogate pair": Literal("a\ud800"),
    "U+DFFF is half of a surrogate pair": GetAttr(CONTEXT, "\udfff"),
    "U+DC00 is half of a surrogate pair": Like(CONTEXT, (ANY, "\udc00")),
    "U+DC01 is half of a surrogate pair": RecordLiteral((("\udc01", FIVE),)),
    '"a b" is not an entity type': Literal(EntityUID("a b", "x")),
    '"" is not an entity type': Is(CONTEXT, ""),
    '"in::T" is not an entity type': Is(CONTEXT, "in::T"),
    '"__cedar::T" is not an entity type': Literal(EntityUID("__cedar::T", "x")),
    '"T\\n" is not an entity type': Is(CONTEXT, "T\n"),
    "the number is not a Long": Literal(LONG_MAX + 1),
    'there is no extension function "unknown"': Call("unknown", (CONTEXT,)),
    "the method `toDays` has nothing to be called on": Call("toDays", ()),
}


@pytest.mark.parametrize("message", UNPRINTABLE)
def test_what_text_cannot_say_is_refused(message: str) -> None:
    with pytest.raises(PrintError) as caught:
        print_expression(SetLiteral((FIVE, UNPRINTABLE[message])))
    assert caught.value.message.startswith(message)


def test_a_text_that_no_parser_would_take_is_not_written() -> None:
    # Doubling: each of these paths names its operand twice.
    expr: Expr = GetAttr(CONTEXT, "a" * 1_000_000)
    for _ in range(5):
        expr = HasAttr(expr, ("a", "in"))
    with pytest.raises(PrintError, match=f"more than {MAX_POLICY_TEXT} characters"):
        print_expression(expr)


PRINCIPALS: Final[dict[str, Scope]] = {
    "principal": ScopeAny(),
    'principal == User::"alice"': ScopeEq(ALICE),
    "principal == ?principal": ScopeEq(Slot.PRINCIPAL),
    'principal in NS::Team::"\\0"': ScopeIn(EntityUID("NS::Team", "\0")),
    "principal in ?principal": ScopeIn(Slot.PRINCIPAL),
    "principal is NS::User": ScopeIs("NS::User"),
    'principal is User in User::"alice"': ScopeIsIn("User", ALICE),
    "principal is User in ?principal": ScopeIsIn("User", Slot.PRINCIPAL),
}
ACTIONS: Final[dict[str, ActionScope]] = {
    "action": ScopeAny(),
    'action == Action::"read"': ScopeEq(EntityUID("Action", "read")),
    'action in NS::Action::"all"': ActionIn((EntityUID("NS::Action", "all"),)),
    "action in []": ActionIn(()),
    'action in [Action::"a", Action::"a", NS::Action::""]': ActionIn(
        (EntityUID("Action", "a"), EntityUID("Action", "a"), EntityUID("NS::Action", ""))
    ),
}
RESOURCES: Final[dict[str, Scope]] = {
    "resource": ScopeAny(),
    "resource == ?resource": ScopeEq(Slot.RESOURCE),
    "resource is User in ?resource": ScopeIsIn("User", Slot.RESOURCE),
    'resource in User::"alice"': ScopeIn(ALICE),
}


def test_every_form_of_scope_and_of_effect() -> None:
    expected: list[str] = []
    policies: list[Policy] = []
    for principal, action, resource, effect in itertools.product(PRINCIPALS, ACTIONS, RESOURCES, Effect):
        expected.append(f"{effect.value}({principal}, {action}, {resource});")
        scopes = PRINCIPALS[principal], ACTIONS[action], RESOURCES[resource]
        policies.append(Policy(f"policy{len(policies)}", effect, *scopes))
    assert [print_policy(policy) for policy in policies] == expected
    text = print_policies(policies)
    assert list(parse_policies(Source("printed", text))) == policies
    assert {policy.id: policy_json(policy) for policy in policies} == read_policies(text)


EVERYTHING: Final = r"""@id("a \"b\"\n")
@if
@empty("")
forbid(principal, action, resource)
when { context.a }
unless { if context.a then context.b else context.c };"""


def test_a_policy_with_everything() -> None:
    conditions = Condition(ConditionKind.WHEN, A), Condition(ConditionKind.UNLESS, If(A, B, C))
    annotations = {"id": 'a "b"\n', "if": None, "empty": ""}
    policy = Policy("policy0", Effect.FORBID, ScopeAny(), ScopeAny(), ScopeAny(), conditions, annotations)
    assert print_policy(policy) == EVERYTHING
    assert parse_policies(Source("printed", EVERYTHING)) == (policy,)


def test_a_set_has_a_blank_line_between_policies() -> None:
    policy = Policy("any id", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny())
    line = "permit(principal, action, resource);\n"
    assert print_policies([]) == ""
    assert print_policies([policy]) == line
    assert print_policies(iter([policy, policy])) == f"{line}\n{line}"


UNPRINTABLE_POLICIES: Final = {
    "the resource's slot for the principal": ((ScopeEq(Slot.RESOURCE), ScopeAny(), ScopeAny()), {}),
    "the principal's slot for the resource": ((ScopeAny(), ScopeAny(), ScopeIsIn("T", Slot.PRINCIPAL)), {}),
    "a slot for the action": ((ScopeAny(), ScopeEq(Slot.PRINCIPAL), ScopeAny()), {}),
    "an action that is none": ((ScopeAny(), ScopeEq(ALICE), ScopeAny()), {}),
    "an action among others that is none": ((ScopeAny(), ActionIn((EntityUID("Action::T", "a"),)), ScopeAny()), {}),
    "a type that is none": ((ScopeIs("a b"), ScopeAny(), ScopeAny()), {}),
    "an annotation without a name": ((ScopeAny(), ScopeAny(), ScopeAny()), {"": None}),
    "an annotation of two words": ((ScopeAny(), ScopeAny(), ScopeAny()), {"a b": "x"}),
    "an annotation that is no text": ((ScopeAny(), ScopeAny(), ScopeAny()), {"a": "\ud800"}),
}


@pytest.mark.parametrize("name", UNPRINTABLE_POLICIES)
def test_a_policy_that_text_cannot_say_is_refused(name: str) -> None:
    scopes, annotations = UNPRINTABLE_POLICIES[name]
    with pytest.raises(PrintError):
        print_policy(Policy("p", Effect.PERMIT, *scopes, annotations=annotations))  # type: ignore[arg-type]  # rows differ


def test_every_extension_function_is_written_in_its_style() -> None:
    for function in FUNCTIONS.values():
        expr = Call(function.name, (A, B))
        method = function.style is Style.METHOD
        text = f"context.a.{function.name}(context.b)" if method else f"{function.name}(context.a, context.b)"
        assert print_expression(expr) == text
        assert parse(text) == expr


@given(worlds())
def test_generated_policies_parse_back(world: World) -> None:
    made = (*world.policies.static.values(), *world.policies.templates.values())
    policies = sorted(made, key=lambda policy: int(policy.id.removeprefix("policy")))
    again = parse_policies(Source("printed", print_policies(policies)))
    assert parse_policies(Source("printed", print_policies(again))) == again
    if not any(map(_reads_otherwise, (condition.body for policy in policies for condition in policy.conditions))):
        assert list(again) == policies


def _reads_otherwise(expr: Expr) -> bool:
    """Whether text cannot say some part of an expression: Bool literals that the parser would fold into one, a path of
    `has` with a name that needs quotes (printed as the `&&` chain that it stands for).
    """
    if isinstance(expr, HasAttr) and len(expr.path) > 1 and not all(map(is_bare_name, expr.path)):
        return True
    if isinstance(expr, And | Or):
        first, second, *_ = expr.operands
        if all(isinstance(part, Literal) and isinstance(part.value, bool) for part in (first, second)):
            return True
    return any(map(_reads_otherwise, children(expr)))


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(HOSTILE))
def test_any_text_can_be_anything_that_is_quoted(text: str) -> None:
    exprs: list[Expr] = [
        Literal(text),
        Literal(EntityUID("T", text)),
        GetAttr(CONTEXT, text),
        HasAttr(CONTEXT, (text,)),
        RecordLiteral(((text, FIVE),)),
        Like(CONTEXT, (ANY, text, ANY) if text else (ANY,)),
    ]
    for expr in exprs:
        assert parse(print_expression(expr)) == expr
    (policy,) = parse_policies(Source("printed", print_policy(_when(Literal(text), "policy0", {"note": text}))))
    assert policy.annotations == {"note": text}


@given(st.lists(st.sampled_from(("a", "*", "\\", '"', "x2a", "\n", ANY))))
def test_any_pattern_keeps_its_stars_and_its_wildcards(parts: list[str | Wildcard]) -> None:
    runs = [list(run) for _, run in itertools.groupby(parts, lambda part: part is ANY)]
    pattern = tuple(ANY if ANY in run else "".join(map(str, run)) for run in runs)
    assert parse(print_expression(Like(CONTEXT, pattern))) == Like(CONTEXT, pattern)


def _when(body: Expr, policy_id: str, annotations: dict[str, str | None] | None = None) -> Policy:
    condition = Condition(ConditionKind.WHEN, body)
    return Policy(policy_id, Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (condition,), annotations or {})
