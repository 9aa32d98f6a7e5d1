"""What a schema says as it is written: declarations, names not yet looked up. Both formats are read into these.

A declaration of several names is one for each name. Annotations without a value have the empty string, and an action
without `appliesTo` has empty lists of types. Places do not count in comparisons.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeAlias, final

from pdp.cedar import names
from pdp.cedar.errors import SchemaError
from pdp.cedar.schema.types import NO_ANNOTATIONS, Annotations, ExtensionType, PrimitiveType
from pdp.cedar.source import Source, Span
from pdp.cedar.wire.strict_json import Path, locate

RESERVED: Final = names.RESERVED - {"__cedar"}
"""Words that are no part of a name. `__cedar` is one: the built-in types live there."""

_PATH: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*(?:::[_a-zA-Z][_a-zA-Z0-9]*)*")

Place: TypeAlias = Span | Path
"""Where something is written: a part of a text, or the way to a value of a JSON document."""

NOWHERE: Final = Span(0, 0)


@unique
class Sort(Enum):
    """What a name may be that stands for a type."""

    ANY = "common or entity type"
    COMMON = "common type"
    ENTITY = "entity type"


@final
@dataclass(frozen=True, slots=True)
class TypeName:
    """A type by its name, as in `User` or `__cedar::Long`."""

    path: str
    sort: Sort = Sort.ANY
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class SetOf:
    """`Set<element>`."""

    element: "TypeExpr"


@final
@dataclass(frozen=True, slots=True)
class AttributeDecl:
    """`name: type` or `name?: type`."""

    name: str
    type: "TypeExpr"
    required: bool = True
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)


@final
@dataclass(frozen=True, slots=True)
class RecordOf:
    """`{attributes}`. No name stands twice: of an attribute that a text declares twice, the last declaration counts."""

    attributes: tuple[AttributeDecl, ...] = ()


TypeExpr: TypeAlias = TypeName | SetOf | RecordOf | PrimitiveType | ExtensionType
"""The last two stand for themselves, whatever their names mean here; only JSON can say that."""


@final
@dataclass(frozen=True, slots=True)
class CommonTypeDecl:
    """`type name = type;`"""

    name: str
    type: TypeExpr
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class EntityTypeDecl:
    """`entity name in [parents] {shape} tags tags;`. The shape is a record, or in JSON a name of one."""

    name: str
    parents: tuple[TypeName, ...] = ()
    shape: TypeExpr = RecordOf()
    tags: TypeExpr | None = None
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class EnumDecl:
    """`entity name enum [ids];`, at least one id."""

    name: str
    ids: tuple[str, ...]
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class ActionRef:
    """A group: `"id"` of the own namespace, or `Type::"id"`."""

    id: str
    type: str | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class ActionDecl:
    """`action name in [groups] appliesTo { principal: [..], resource: [..], context: .. };`"""

    name: str
    groups: tuple[ActionRef, ...] = ()
    principal_types: tuple[TypeName, ...] = ()
    resource_types: tuple[TypeName, ...] = ()
    context: TypeExpr = RecordOf()
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Namespace:
    """`namespace name { declarations }`, each kind of them in its order. The empty name is that of no namespace."""

    name: str
    common_types: tuple[CommonTypeDecl, ...] = ()
    entity_types: tuple[EntityTypeDecl | EnumDecl, ...] = ()
    actions: tuple[ActionDecl, ...] = ()
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def is_nothing(self) -> bool:
        """Whether this is the empty namespace without a declaration."""
        return not (self.name or self.common_types or self.entity_types or self.actions)

    def qualified(self, name: str) -> str:
        """The full name of what is declared here."""
        return f"{self.name}::{name}" if self.name else name


@final
@dataclass(frozen=True, slots=True)
class Fragment:
    """One schema text or document. An empty namespace without declarations is left out."""

    namespaces: tuple[Namespace, ...]
    source: Source = field(default=Source("<schema>", ""), compare=False, repr=False)

    def fault(self, message: str, place: Place, help: str | None = None) -> SchemaError:
        """The error for something that is written at a place."""
        span = place if isinstance(place, Span) else locate(self.source, place)
        return SchemaError(message, span=span, source=self.source, help=help)


def is_path(text: str) -> bool:
    """Whether a text can name a type: identifiers with `::` between them, no white space, no reserved word."""
    return _PATH.fullmatch(text) is not None and RESERVED.isdisjoint(text.split("::"))


def is_name(text: str) -> bool:
    """Whether a text can be declared as a name or stand without quotes."""
    return is_path(text) and "::" not in text


def in_namespace(path: str, namespace: str) -> Sequence[str]:
    """The full names that a path may stand for inside a namespace, the first one that exists being meant."""
    return (f"{namespace}::{path}", path) if namespace and "::" not in path else (path,)
