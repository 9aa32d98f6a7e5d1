"""From a partial request, and a schema if there is one, to what is known of the four variables.

With a schema, what is known of one variable says something about the others: an action applies to principals and
resources of some types and has a context of one type. So the actions that are possible are found first, and a variable
may be what it is for any of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

from pdp.cedar.errors import ConformanceError
from pdp.cedar.nodes import Var
from pdp.cedar.schema.faults import context_faults
from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.schema.types import show_name
from pdp.cedar.values import EntityUID, Record
from pdp.evaluate.partial.request import EntityOrUnknown, PartialContext, PartialRequest
from pdp.evaluate.partial.shapes import ANYTHING, Exactly, Field, Records, References, Shape, join_all


def variables(request: PartialRequest, schema: Schema | None) -> Mapping[Var, Shape]:
    """The shapes of the variables; `Exactly` for what is known.

    Raises ConformanceError if no request that the schema accepts completes this one.
    """
    return _untyped(request) if schema is None else _typed(request, schema)


def _untyped(request: PartialRequest) -> Mapping[Var, Shape]:
    context = request.context
    fields = {name: Field(Exactly(value)) for name, value in context.known.fields.items()}
    fields |= {name: Field(ANYTHING) for name in context.present}
    fields |= {name: Field(ANYTHING, required=False) for name in context.optional}
    return {
        Var.PRINCIPAL: _entity(request.principal),
        Var.ACTION: _entity(request.action),
        Var.RESOURCE: _entity(request.resource),
        Var.CONTEXT: _record(fields, others=context.others),
    }


def _entity(given: EntityOrUnknown) -> Shape:
    if isinstance(given, EntityUID):
        return Exactly(given)
    return References(None if given.type is None else frozenset((given.type,)), None, given.stored)


def _record(fields: Mapping[str, Field], *, others: bool) -> Shape:
    """The shape of a record; `Exactly` if every field is known."""
    values = {name: field.shape.value for name, field in fields.items() if isinstance(field.shape, Exactly)}
    return Records(fields, others) if others or len(values) < len(fields) else Exactly(Record(values))


@final
@dataclass(frozen=True, slots=True)
class _Candidate:
    """An action that is possible, and what the rest of the request may be for it."""

    action: EntityUID
    principals: frozenset[str]
    resources: frozenset[str]
    context: Mapping[str, Field]


def _typed(request: PartialRequest, schema: Schema) -> Mapping[Var, Shape]:
    candidates = list(_candidates(request, schema))
    if not candidates:
        raise ConformanceError(
            _why_not(request, schema), help="give a request that its action is declared for, as far as it is known"
        )
    actions = frozenset(candidate.action for candidate in candidates)
    principals = frozenset[str]().union(*(candidate.principals for candidate in candidates))
    resources = frozenset[str]().union(*(candidate.resources for candidate in candidates))
    return {
        Var.PRINCIPAL: _typed_entity(request.principal, principals, schema),
        Var.ACTION: _action(request.action, actions),
        Var.RESOURCE: _typed_entity(request.resource, resources, schema),
        Var.CONTEXT: _record(_joined([candidate.context for candidate in candidates]), others=False),
    }


def _typed_entity(given: EntityOrUnknown, types: frozenset[str], schema: Schema) -> Shape:
    if isinstance(given, EntityUID):
        return Exactly(given)
    ids = [schema.ids.get(name) for name in types]
    listed = [
        frozenset(EntityUID(name, id) for id in members)
        for name, members in zip(types, ids, strict=True)
        if members is not None
    ]
    uids = frozenset[EntityUID]().union(*listed) if len(listed) == len(types) else None
    return References(types, uids, given.stored)


def _action(given: EntityOrUnknown, actions: frozenset[EntityUID]) -> Shape:
    if len(actions) == 1:
        (action,) = actions
        return Exactly(action)
    stored = not isinstance(given, EntityUID) and given.stored
    return References(frozenset(uid.type for uid in actions), actions, stored)


def _joined(contexts: list[Mapping[str, Field]]) -> Mapping[str, Field]:
    """The fields of one context or another; a field is there for certain only if every one has it."""
    if len(contexts) == 1:
        return contexts[0]
    joined: dict[str, Field] = {}
    for name in dict.fromkeys(name for context in contexts for name in context):
        found = [context[name] for context in contexts if name in context]
        required = len(found) == len(contexts) and all(field.required for field in found)
        joined[name] = Field(join_all(field.shape for field in found), required)
    return joined


def _candidates(request: PartialRequest, schema: Schema) -> Iterator[_Candidate]:
    for action in _actions(request.action, schema):
        principals = _types(request.principal, action.principal_types, schema)
        resources = _types(request.resource, action.resource_types, schema)
        context = _context(request.context, action, schema)
        if principals and resources and context is not None:
            yield _Candidate(action.uid, principals, resources, context)


def _actions(given: EntityOrUnknown, schema: Schema) -> Iterable[Action]:
    if isinstance(given, EntityUID):
        declared = schema.actions.get(given)
        return () if declared is None else (declared,)
    return (action for uid, action in schema.actions.items() if given.type in (None, uid.type))


def _types(given: EntityOrUnknown, applicable: frozenset[str], schema: Schema) -> frozenset[str]:
    """Which of the types that an action applies to are possible."""
    if given.type is None:
        return applicable
    if isinstance(given, EntityUID):
        ids = schema.ids.get(given.type)
        if ids is not None and given.id not in ids:
            return frozenset()
    return applicable & {given.type}


def _context(given: PartialContext, action: Action, schema: Schema) -> Mapping[str, Field] | None:
    """The fields that a context of this action may have; None if none can complete the given one."""
    declared = action.context.attributes
    # The only faults without a way are missing attributes of the context itself: here, those may be unknown.
    if any(fault.steps for fault in context_faults(schema, action.uid, given.known)):
        return None
    if not given.present <= declared.keys():
        return None
    fields: dict[str, Field] = {}
    for name, attribute in declared.items():
        if name in given.known.fields:
            fields[name] = Field(Exactly(given.known.fields[name]))
        elif name in given.named or given.others:
            fields[name] = Field(attribute.type, attribute.required or name in given.present)
        elif attribute.required:
            return None
    return fields


def _why_not(request: PartialRequest, schema: Schema) -> str:
    if not isinstance(request.action, EntityUID):
        return "no action of the schema is declared for such a request"
    action = schema.actions.get(request.action)
    if action is None:
        return f"the action `{request.action}` is not declared in the schema"
    for variable, given, types in (
        ("principal", request.principal, action.principal_types),
        ("resource", request.resource, action.resource_types),
    ):
        if not _types(given, types, schema):
            shown = f"`{given}`" if isinstance(given, EntityUID) else f"a {variable} of type `{given.type}`"
            return f"`{action.uid}` does not apply to {shown}"
    for fault in context_faults(schema, action.uid, request.context.known):
        if fault.steps:
            return fault.message
    undeclared = sorted(request.context.present - action.context.attributes.keys())
    if undeclared:
        return f"the context of `{action.uid}` has the attribute `{show_name(undeclared[0])}`, which is not declared"
    required = (name for name, attribute in action.context.attributes.items() if attribute.required)
    missing = next(name for name in required if name not in request.context.named)
    return f"the context of `{action.uid}` has no attribute `{show_name(missing)}`, which is required"
