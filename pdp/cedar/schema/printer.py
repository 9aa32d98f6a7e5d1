"""Declarations to text (language reference, "Cedar schema grammar"), such that `parse_fragment` reads them back.

JSON can say more than text. What text cannot say is refused: a shape that is a common type, an entity type that a
common type of its namespace hides. What has another form with the same meaning gets that one: a type that JSON calls
built-in is written by its name, as `__cedar::Long` where the short name is taken; an action with types on one side only
applies to nothing, as one without `appliesTo` does. Comments and line breaks of a source are not kept.
"""

from collections.abc import Iterable
from typing import Final, NoReturn, assert_never, final

from pdp.cedar.schema.hints import shown
from pdp.cedar.schema.syntax import (
    ActionDecl,
    ActionRef,
    AttributeDecl,
    CommonTypeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    Place,
    RecordOf,
    SetOf,
    Sort,
    TypeExpr,
    TypeName,
    in_namespace,
)
from pdp.cedar.schema.types import BUILT_IN, Annotations, ExtensionType, PrimitiveType, show_name
from pdp.cedar.values import quote

_INDENT: Final = "  "


def print_schema(fragment: Fragment) -> str:
    """The text of a schema, an empty line between two declarations. Raises SchemaError for what text cannot say."""
    common_types = frozenset(
        namespace.qualified(common.name) for namespace in fragment.namespaces for common in namespace.common_types
    )
    entity_types = frozenset(
        namespace.qualified(declared.name) for namespace in fragment.namespaces for declared in namespace.entity_types
    )
    return "\n".join(
        _Printer(fragment, namespace, common_types, entity_types).namespace() for namespace in fragment.namespaces
    )


@final
class _Printer:
    """Prints one namespace. Knows everything that is declared, and so what a name means in text."""

    def __init__(
        self, fragment: Fragment, namespace: Namespace, common_types: frozenset[str], entity_types: frozenset[str]
    ) -> None:
        self._fragment: Final = fragment
        self._namespace: Final = namespace
        self._common_types: Final = common_types
        self._entity_types: Final = entity_types

    def namespace(self) -> str:
        """The namespace with everything in it; the declarations alone where it has no name."""
        namespace = self._namespace
        indent = _INDENT if namespace.name else ""
        declarations = [
            *(self._common_type(common, indent) for common in namespace.common_types),
            *(self._entity_type(declared, indent) for declared in namespace.entity_types),
            *(self._action(action, indent) for action in namespace.actions),
        ]
        body = "\n".join(f"{declaration};\n" for declaration in declarations)
        if not namespace.name:
            return body
        return f"{_annotations(namespace.annotations, '')}namespace {namespace.name} {{\n{body}}}\n"

    def _common_type(self, common: CommonTypeDecl, indent: str) -> str:
        written = self._type(common.type, indent, common.place)
        return f"{_annotations(common.annotations, indent)}{indent}type {common.name} = {written}"

    def _entity_type(self, declared: EntityTypeDecl | EnumDecl, indent: str) -> str:
        head = f"{_annotations(declared.annotations, indent)}{indent}entity {declared.name}"
        if isinstance(declared, EnumDecl):
            return f"{head} enum {_list(map(quote, declared.ids))}"
        parents = f" in {_list(parent.path for parent in declared.parents)}" if declared.parents else ""
        if not isinstance(declared.shape, RecordOf):
            self._refuse(
                f"the shape of {shown(declared.name)} is not written out", declared.place, "write its attributes"
            )
        record = self._type(declared.shape, indent, declared.place)
        shape = f" = {record}" if declared.shape.attributes else ""
        tags = "" if declared.tags is None else f" tags {self._type(declared.tags, indent, declared.place)}"
        return head + parents + shape + tags

    def _action(self, action: ActionDecl, indent: str) -> str:
        head = f"{_annotations(action.annotations, indent)}{indent}action {show_name(action.name)}"
        if action.groups:
            head += f" in {_list(map(_group, action.groups))}"
        if not action.principal_types or not action.resource_types:
            return head
        inner = indent + _INDENT
        parts = [
            f"principal: {_list(name.path for name in action.principal_types)}",
            f"resource: {_list(name.path for name in action.resource_types)}",
        ]
        if action.context != RecordOf():
            parts.append(f"context: {self._context(action, inner)}")
        return f"{head} appliesTo {{\n" + "".join(f"{inner}{part},\n" for part in parts) + f"{indent}}}"

    def _context(self, action: ActionDecl, indent: str) -> str:
        if isinstance(action.context, TypeName | RecordOf):
            return self._type(action.context, indent, action.place)
        return self._refuse(f"the context of {shown(action.name)} is not a record", action.place, "write `{...}`")

    def _type(self, type: TypeExpr, indent: str, place: Place) -> str:
        match type:
            case PrimitiveType() | ExtensionType():
                return self._built_in(str(type.value))
            case TypeName():
                return self._name(type)
            case SetOf(element):
                return f"Set<{self._type(element, indent, place)}>"
            case RecordOf(attributes):
                inner = indent + _INDENT
                lines = "".join(self._attribute(attribute, inner, place) for attribute in attributes)
                return f"{{\n{lines}{indent}}}" if lines else "{}"
            case _:
                assert_never(type)

    def _attribute(self, attribute: AttributeDecl, indent: str, place: Place) -> str:
        mark = "" if attribute.required else "?"
        annotations = _annotations(attribute.annotations, indent)
        type = self._type(attribute.type, indent, place)
        return f"{annotations}{indent}{show_name(attribute.name)}{mark}: {type},\n"

    def _built_in(self, name: str) -> str:
        declared = self._common_types | self._entity_types
        taken = any(full in declared for full in in_namespace(name, self._namespace.name))
        return f"__cedar::{name}" if taken else name

    def _name(self, name: TypeName) -> str:
        for full in in_namespace(name.path, self._namespace.name):
            if full in self._common_types:
                if name.sort is Sort.ENTITY:
                    self._refuse(f"a common type hides the entity type {shown(full)}", name.place, "rename one of them")
                return name.path
            if full in self._entity_types:
                # Only the alias of a built-in type can be meant: RFC 70 keeps other common types from being hidden.
                hidden = name.sort is Sort.COMMON and name.path in BUILT_IN
                return f"__cedar::{name.path}" if hidden else name.path
        return name.path

    def _refuse(self, message: str, place: Place, help: str) -> NoReturn:
        raise self._fragment.fault(f"{message}, which text cannot say", place, help)


def _annotations(annotations: Annotations, indent: str) -> str:
    return "".join(
        f"{indent}@{name}({quote(value)})\n" if value else f"{indent}@{name}\n" for name, value in annotations.items()
    )


def _group(group: ActionRef) -> str:
    return show_name(group.id) if group.type is None else f"{group.type}::{quote(group.id)}"


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"
