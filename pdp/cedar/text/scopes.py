"""Tokens to a policy's scope (language reference, "Cedar policy grammar": Scope).

    scope     = "(" principal "," action "," resource [","] ")"
    principal = "principal" [ "==" target | "in" target | "is" path [ "in" target ] ]
    action    = "action" [ "==" entity | "in" ( entity | "[" [ entity { "," entity } [","] ] "]" ) ]
    resource  = "resource" and what may follow `principal`
    target    = entity | the variable's own slot

Parentheses may stand around a target, an entity and the list, but not around a type.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from pdp.cedar.names import is_action_type
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    EntityOrSlot,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.source import Span
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.entity_uids import read_reference, read_type_name
from pdp.cedar.text.lexer import Kind, describe
from pdp.cedar.values import EntityUID

_T = TypeVar("_T")

_ORDER_HELP: Final = "a scope names `principal`, `action` and `resource`, in this order"
_CONSTRAINT_HELP: Final = {
    "=": "did you mean `==`?",
    "!=": "write `unless { %s == ... }` after the scope",
    "has": "write `when { %s has ... }` after the scope",
    "like": "write `when { %s.... like ... }` after the scope",
    ".": "write `when { %s.... }` after the scope",
    "&&": "write `when { ... }` after the scope",
    "||": "write `when { ... }` after the scope",
    ":": "did you mean `%s is Type`?",
}
_ACTION_HELP: Final = _CONSTRAINT_HELP | {
    "is": "the action's scope takes `==` and `in` only",
    ":": "the action's scope takes `==` and `in` only",
}


def read_scopes(cursor: Cursor) -> tuple[Scope, ActionScope, Scope]:
    """Reads the scopes of principal, action and resource, with the parentheses around them."""
    cursor.expect("(", f"{_ORDER_HELP}, in parentheses")
    principal = _scope(cursor, Slot.PRINCIPAL)
    cursor.expect(",", _ORDER_HELP)
    action = _action_scope(cursor)
    cursor.expect(",", _ORDER_HELP)
    resource = _scope(cursor, Slot.RESOURCE)
    cursor.take(",")
    cursor.expect(")", "conditions stand after the scope, in `when { ... }`")
    return principal, action, resource


def _scope(cursor: Cursor, slot: Slot) -> Scope:
    variable = slot.value.removeprefix("?")
    scope: Scope = ScopeAny()
    cursor.expect(variable, _ORDER_HELP)
    if cursor.take("=="):
        entity, span = _target(cursor, slot)
        scope = ScopeEq(entity, spans=(span,))
    elif cursor.take("in"):
        entity, span = _target(cursor, slot)
        scope = ScopeIn(entity, spans=(span,))
    elif cursor.take("is"):
        start = cursor.token.start
        entity_type = read_type_name(cursor)
        scope = ScopeIs(entity_type, spans=(cursor.since(start),))
        if cursor.take("in"):
            entity, span = _target(cursor, slot)
            scope = ScopeIsIn(entity_type, entity, spans=(*scope.spans, span))
        if cursor.at("=="):
            cursor.fail("`is` and `==` cannot stand together in a scope", help="`==` alone already fixes the type")
    _refuse_more(cursor, variable, _CONSTRAINT_HELP)
    return scope


def _action_scope(cursor: Cursor) -> ActionScope:
    scope: ActionScope = ScopeAny()
    cursor.expect("action", _ORDER_HELP)
    if cursor.take("=="):
        action, span = _in_parentheses(cursor, _action)
        scope = ScopeEq(action, spans=(span,))
    elif cursor.take("in"):
        actions = _in_parentheses(cursor, _actions)
        scope = ActionIn(tuple([action for action, _ in actions]), spans=tuple([span for _, span in actions]))
    _refuse_more(cursor, "action", _ACTION_HELP)
    return scope


def _refuse_more(cursor: Cursor, variable: str, help: dict[str, str]) -> None:
    """Refuses what cannot follow a scope's constraint, with help for what is often written there."""
    token = cursor.token
    if token.text in help:
        advice = help[token.text].replace("%s", variable)
        cursor.fail(f"expected `,` or the end of the scope, found {describe(token)}", help=advice)


def _in_parentheses(cursor: Cursor, read: Callable[[Cursor], _T]) -> _T:
    """Reads what `read` reads, in any number of parentheses."""
    opened = 0
    while cursor.take("("):
        opened += 1
    result = read(cursor)
    for _ in range(opened):
        cursor.expect(")")
    return result


def _target(cursor: Cursor, slot: Slot) -> tuple[EntityOrSlot, Span]:
    def read(cursor: Cursor) -> tuple[EntityOrSlot, Span]:
        token = cursor.token
        if token.kind is not Kind.SLOT:
            if token.text == "[":
                cursor.fail_expected(
                    "an entity", "only the action's scope takes a list; write one policy for each, or a group"
                )
            return read_reference(cursor), cursor.since(token.start)
        if token.text != slot.value:
            cursor.fail(
                f"the slot {describe(token)} cannot stand for the {slot.value.removeprefix('?')}",
                help=f"the slot here is `{slot.value}`",
            )
        cursor.advance()
        return slot, token.span

    return _in_parentheses(cursor, read)


def _actions(cursor: Cursor) -> list[tuple[EntityUID, Span]]:
    if not cursor.take("["):
        return [_action(cursor)]
    actions: list[tuple[EntityUID, Span]] = []
    while not cursor.take("]"):
        actions.append(_in_parentheses(cursor, _action))
        if not cursor.at("]") and not cursor.take(","):
            cursor.fail_expected("`,` or `]`")
    return actions


def _action(cursor: Cursor) -> tuple[EntityUID, Span]:
    start = cursor.token.start
    if cursor.token.kind is Kind.SLOT:
        cursor.fail("a slot cannot stand for the action", help="the slots are `?principal` and `?resource`")
    if cursor.at("["):
        cursor.fail_expected("an action", "a list of actions follows `in`; lists do not nest")
    uid = read_reference(cursor)
    if not is_action_type(uid.type):
        cursor.fail(
            f"`{uid}` is not an action",
            cursor.since(start),
            'the last part of an action\'s type is `Action`, as in `Action::"read"` or `Files::Action::"read"`',
        )
    return uid, cursor.since(start)
