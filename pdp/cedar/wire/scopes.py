"""Scopes of policies in JSON (Cedar JSON policy format, "principal", "action", "resource"; research: section 6).

    {"op": "All"}                                       no constraint; `all` is read, too
    {"op": "==", "entity": U} or {.., "slot": S}        U is an entity's uid, S is `?principal` or `?resource`
    {"op": "in", "entity": U} or {.., "slot": S}
    {"op": "is", "entity_type": T}                      T is a normalised name
    {"op": "is", "entity_type": T, "in": {"entity": U} or {"slot": S}}

The action has `All`, `==` and `in` with an entity, and `{"op": "in", "entities": [U, ...]}`; a list of one means the
same as `entity` and is written so. A slot stands for its own variable only, and none for the action.

Further keys beside `entity`, `entities` and `slot` are ignored, as in the reference implementation. It ignores them
beside `All`, too, and all but `entity` where several of the three stand together: what the writer meant would be
dropped without a word, and the policy match more or less than it says. Both are refused here.
"""

from typing import Final, assert_never

from pdp.cedar.errors import JsonError
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
from pdp.cedar.values import EntityUID, brief
from pdp.cedar.wire.forms import (
    guess,
    read_elements,
    read_fields,
    read_object,
    read_text,
    read_type_name,
    write_type_name,
    write_uid,
)
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.cedar.wire.values import read_entity_uid

_ANY: Final = frozenset({"All", "all"})
_OPERATORS: Final = ("All", "==", "in", "is")
_TARGETS: Final = ("entity", "entities", "slot")
_ACTION_OPERATORS: Final = ("All", "==", "in")


def read_scope(json: Json, path: Path, slot: Slot) -> Scope:
    """The scope of the principal or of the resource; `slot` is the one that may stand there. Raises FormError."""
    fields, operator = _read_operator(json, path, f"the {_variable(slot)}'s scope", _OPERATORS)
    what = f"the {_variable(slot)}'s scope with `{operator}`"
    if operator == "==":
        return ScopeEq(_read_target(fields, path, what, slot))
    if operator == "in":
        return ScopeIn(_read_target(fields, path, what, slot))
    if operator == "is":
        read_fields(fields, path, what, ("op", "entity_type"), ("in",))
        entity_type = read_type_name(fields["entity_type"], (*path, "entity_type"))
        within, inner = fields.get("in"), (*path, "in")
        if within is None:
            return ScopeIs(entity_type)
        what = f"the `in` of {what}"
        return ScopeIsIn(entity_type, _read_target(read_object(within, inner, what), inner, what, slot))
    read_fields(fields, path, what, ("op",))
    return ScopeAny()


def read_action_scope(json: Json, path: Path) -> ActionScope:
    """The scope of the action. Raises FormError."""
    fields, operator = _read_operator(json, path, "the action's scope", _ACTION_OPERATORS)
    what = f"the action's scope with `{operator}`"
    if operator in _ANY:
        read_fields(fields, path, what, ("op",))
        return ScopeAny()
    key = _target_key(fields, path, what, ("entity", "entities") if operator == "in" else ("entity",))
    inner = (*path, key)
    if key == "entity":
        action = _read_action(fields[key], inner)
        return ScopeEq(action) if operator == "==" else ActionIn((action,))
    actions = read_elements(fields[key], inner, "a list of actions")
    return ActionIn(tuple([_read_action(action, (*inner, index)) for index, action in enumerate(actions)]))


def _read_operator(json: Json, path: Path, what: str, operators: tuple[str, ...]) -> tuple[dict[str, Json], str]:
    fields = read_object(json, path, what)
    if "op" not in fields:
        raise FormError(f"{what} lacks the key `op`", path, help='write `{"op": "All"}` for no constraint')
    operator = read_text(fields["op"], (*path, "op"), "an operator")
    if operator not in _ANY and operator not in operators:
        help = guess(operator, operators, "the operators are")
        raise FormError(f"{what} cannot have the operator {brief(operator)}", (*path, "op"), help=help)
    return fields, operator


def _target_key(fields: dict[str, Json], path: Path, what: str, fitting: tuple[str, ...]) -> str:
    """Which of `fitting` is the key of what a scope names. Only one may be there, or one of two would be dropped."""
    given = [key for key in _TARGETS if key in fields]
    if len(given) == 1 and given[0] in fitting:
        return given[0]
    help = f"it takes {' or '.join(f'`{key}`' for key in fitting)}"
    if len(given) > 1:
        raise FormError(f"{what} has both `{given[0]}` and `{given[1]}`", (*path, given[1]), help=help)
    if given:
        raise FormError(f"{what} cannot have `{given[0]}`", (*path, given[0]), help=help)
    raise FormError(f"{what} lacks what it compares with", path, help=help)


def _read_target(fields: dict[str, Json], path: Path, what: str, slot: Slot) -> EntityOrSlot:
    key = _target_key(fields, path, what, ("entity", "slot"))
    inner = (*path, key)
    if key == "entity":
        return read_entity_uid(fields[key], inner)
    name = read_text(fields[key], inner, "a slot")
    if name != slot.value:
        message = f"the slot {brief(name)} cannot stand for the {_variable(slot)}"
        raise FormError(message, inner, help=f"the slot here is `{slot.value}`")
    return slot


def _read_action(json: Json, path: Path) -> EntityUID:
    uid = read_entity_uid(json, path)
    if not is_action_type(uid.type):
        raise FormError(f"`{uid}` is not an action", path, help="the last part of an action's type is `Action`")
    return uid


def _variable(slot: Slot) -> str:
    return slot.value.removeprefix("?")


def write_scope(scope: Scope, slot: Slot) -> dict[str, Json]:
    """The JSON of the principal's or the resource's scope; `slot` is the one that may stand there. Raises JsonError."""
    match scope:
        case ScopeAny():
            return {"op": "All"}
        case ScopeEq(entity):
            return {"op": "==", **_write_target(entity, slot)}
        case ScopeIn(entity):
            return {"op": "in", **_write_target(entity, slot)}
        case ScopeIs(entity_type):
            return {"op": "is", "entity_type": write_type_name(entity_type)}
        case ScopeIsIn(entity_type, entity):
            return {"op": "is", "entity_type": write_type_name(entity_type), "in": _write_target(entity, slot)}
        case _:
            assert_never(scope)


def write_action_scope(scope: ActionScope) -> dict[str, Json]:
    """The JSON of the action's scope. Raises JsonError."""
    match scope:
        case ScopeAny():
            return {"op": "All"}
        case ScopeEq(entity):
            return {"op": "==", "entity": _write_action(entity)}
        case ActionIn((entity,)):
            return {"op": "in", "entity": _write_action(entity)}
        case ActionIn(entities):
            return {"op": "in", "entities": [_write_action(entity) for entity in entities]}
        case _:
            assert_never(scope)


def _write_target(target: EntityOrSlot, slot: Slot) -> dict[str, Json]:
    if isinstance(target, EntityUID):
        return {"entity": write_uid(target)}
    if target is not slot:
        raise JsonError(f"the slot `{target.value}` cannot stand for the {_variable(slot)}")
    return {"slot": target.value}


def _write_action(action: EntityOrSlot) -> dict[str, Json]:
    if isinstance(action, Slot):
        raise JsonError(f"the slot `{action.value}` cannot stand for the action")
    if not is_action_type(action.type):
        raise JsonError(f"`{action}` is not an action", help="the last part of an action's type is `Action`")
    return write_uid(action)
