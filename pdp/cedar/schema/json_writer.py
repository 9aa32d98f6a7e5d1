"""Declarations to JSON (Cedar schema, "JSON schema format"), such that `parse_json_fragment` reads them back."""

from typing import Final, assert_never

from pdp.cedar.schema.json_form import PRIMITIVES, TYPE_WORDS
from pdp.cedar.schema.syntax import (
    ActionDecl,
    ActionRef,
    AttributeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    RecordOf,
    SetOf,
    Sort,
    TypeExpr,
    TypeName,
)
from pdp.cedar.schema.types import Annotations, ExtensionType, PrimitiveType
from pdp.cedar.wire.strict_json import Json

_WORDS: Final = {type: word for word, type in PRIMITIVES.items()}


def write_json_schema(fragment: Fragment) -> dict[str, Json]:
    """The JSON document of a schema; empty parts are left out where the format allows it."""
    return {namespace.name: _namespace(namespace) for namespace in fragment.namespaces}


def _namespace(namespace: Namespace) -> Json:
    common_types: dict[str, Json] = {
        common.name: {**_type(common.type), **_annotated(common.annotations)} for common in namespace.common_types
    }
    written: dict[str, Json] = {"commonTypes": common_types} if common_types else {}
    written["entityTypes"] = {declared.name: _entity_type(declared) for declared in namespace.entity_types}
    written["actions"] = {action.name: _action(action) for action in namespace.actions}
    return written | _annotated(namespace.annotations)


def _entity_type(declared: EntityTypeDecl | EnumDecl) -> Json:
    written: dict[str, Json] = {}
    match declared:
        case EnumDecl(_, ids):
            written["enum"] = list(ids)
        case EntityTypeDecl(_, parents, shape, tags):
            if parents:
                written["memberOfTypes"] = [parent.path for parent in parents]
            if shape != RecordOf():
                written["shape"] = _type(shape)
            if tags is not None:
                written["tags"] = _type(tags)
        case _:
            assert_never(declared)
    return written | _annotated(declared.annotations)


def _action(action: ActionDecl) -> Json:
    applies_to: dict[str, Json] = {
        "resourceTypes": [name.path for name in action.resource_types],
        "principalTypes": [name.path for name in action.principal_types],
    }
    if action.context != RecordOf():
        applies_to["context"] = _type(action.context)
    written: dict[str, Json] = {"appliesTo": applies_to}
    if action.groups:
        written["memberOf"] = [_group(group) for group in action.groups]
    return written | _annotated(action.annotations)


def _group(group: ActionRef) -> Json:
    return {"id": group.id} if group.type is None else {"id": group.id, "type": group.type}


def _type(type: TypeExpr) -> dict[str, Json]:
    match type:
        case PrimitiveType():
            return {"type": _WORDS[type]}
        case ExtensionType():
            return {"type": "Extension", "name": type.value}
        case TypeName(path, Sort.ENTITY):
            return {"type": "Entity", "name": path}
        case TypeName(path, Sort.COMMON) if path not in TYPE_WORDS:
            return {"type": path}
        case TypeName(path):
            return {"type": "EntityOrCommon", "name": path}
        case SetOf(element):
            return {"type": "Set", "element": _type(element)}
        case RecordOf(attributes):
            return {"type": "Record", "attributes": {attribute.name: _attribute(attribute) for attribute in attributes}}
        case _:
            assert_never(type)


def _attribute(attribute: AttributeDecl) -> Json:
    required: dict[str, Json] = {} if attribute.required else {"required": False}
    return _type(attribute.type) | required | _annotated(attribute.annotations)


def _annotated(annotations: Annotations) -> dict[str, Json]:
    return {"annotations": dict(annotations)} if annotations else {}
