"""Routes are held against the schema when they are loaded: what is misspelt is refused there and not with a request.

`context.api` is for what the inventory knows of a route. Where the context of an action declares it, it holds of these
what is declared, and what is declared must not be of another type:

    version         String      of the API
    classification  String      of what the route gives away, or an entity type that enumerates the classes
    deprecated      Bool
    sunset          datetime    when it ends

Everything here raises DocumentError, with a place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, final

from pdp.cedar.schema.model import Action, EnumEntityType, Schema
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, Type, show
from pdp.cedar.values import EMPTY_RECORD, Datetime, EntityUID, Record, Value, brief
from pdp.documents import Node
from pdp.inventory.patterns import ResourcePattern
from pdp.inventory.routes import (
    DEPRECATED_ACTION,
    UNKNOWN_ACTION,
    WRONG_METHOD_ACTION,
    Deprecation,
    OwnActions,
    Target,
)

API: Final = "api"
"""The name of the record in the context."""


@final
@dataclass(frozen=True, slots=True)
class Traits:
    """What the inventory knows of a route besides what it is about; what is closer to an operation replaces what is
    not. `classification` keeps its node, for it may be wrong.
    """

    version: str | None = None
    classification: Node | None = None
    deprecated: bool = False
    sunset: int | None = None

    def within(self, outer: "Traits") -> "Traits":
        """These, with what they leave open taken from around them."""
        return replace(
            self,
            version=outer.version if self.version is None else self.version,
            classification=outer.classification if self.classification is None else self.classification,
            deprecated=self.deprecated or outer.deprecated,
            sunset=outer.sunset if self.sunset is None else self.sunset,
        )


@final
class Vocabulary:
    """The schema, and whether deprecated routes are served."""

    def __init__(self, schema: Schema, *, serve_deprecated: bool) -> None:
        self._schema = schema
        self._serve_deprecated = serve_deprecated
        self._facts: dict[tuple[EntityUID, Traits], Record] = {}

    def own_actions(self) -> OwnActions:
        """The actions of requests that are not served, as far as they are declared."""
        declared = self._schema.actions
        return OwnActions(
            *(action if action in declared else UNKNOWN_ACTION for action in (WRONG_METHOD_ACTION, DEPRECATED_ACTION))
        )

    def deprecation(self, traits: Traits) -> Deprecation | None:
        """What becomes of a route with these traits."""
        return Deprecation(self._serve_deprecated, traits.sunset) if traits.deprecated else None

    def target(
        self, node: Node, action: tuple[Node, EntityUID], resource: tuple[Node, ResourcePattern], traits: Traits
    ) -> Target:
        """What a route stands for: a declared action, which applies to the resource. `node` is the route's."""
        declared = self._action(*action)
        self._refuse_resource(*resource, declared)
        pattern = resource[1]
        return Target(declared.uid, pattern.type, pattern.id, self._api(node, declared, traits))

    def _action(self, node: Node, uid: EntityUID) -> Action:
        action = self._schema.actions.get(uid)
        if action is None:
            close = get_close_matches(str(uid), map(str, self._schema.actions), n=1)
            node.refuse(
                f"the action `{uid}` is not declared", f"did you mean `{close[0]}`?" if close else "see the schema"
            )
        if not action.resource_types:
            node.refuse(f"the action `{uid}` applies to nothing", "name an action of its group")
        return action

    def _refuse_resource(self, node: Node, pattern: ResourcePattern, action: Action) -> None:
        if pattern.type not in action.resource_types:
            node.refuse(
                f"the action `{action.uid}` does not apply to `{pattern.type}`",
                f"it applies to {', '.join(f'`{name}`' for name in sorted(action.resource_types))}",
            )
        declared = self._schema.entity_types[pattern.type]
        if isinstance(declared, EnumEntityType) and not pattern.captures:
            _refuse_unlisted(node, "".join(map(str, pattern.id)), declared)

    def _api(self, node: Node, action: Action, traits: Traits) -> Record:
        """`context.api` of a route, made once for all routes alike."""
        key = (action.uid, replace(traits, classification=None))
        if traits.classification is None and key in self._facts:
            return self._facts[key]
        record = self._facts_of(node, action, traits)
        if traits.classification is None:
            self._facts[key] = record
        return record

    def _facts_of(self, node: Node, action: Action, traits: Traits) -> Record:
        attribute = action.context.attributes.get(API)
        declared = attribute.type.attributes if attribute and isinstance(attribute.type, RecordType) else {}
        where = f"`context.{API}` of `{action.uid}`"
        if traits.classification is not None and "classification" not in declared:
            traits.classification.refuse(
                f"{where} declares no `classification`", "declare it, or policies cannot see it"
            )
        if traits.deprecated and self._serve_deprecated and "deprecated" not in declared:
            node.refuse(
                f"this route is deprecated and served, and {where} declares no `deprecated`",
                "declare it, or policies cannot tell such a route from others",
            )
        if not declared:
            return EMPTY_RECORD
        fields: dict[str, Value] = {}
        for name, read in _READERS.items():
            if name not in declared:
                continue
            value = read(traits)
            if value is None:
                continue
            fields[name] = self._typed(node, traits, name, value, declared[name].type)
        for name, expected in declared.items():
            if expected.required and name not in fields:
                node.refuse(
                    f"{where} has always `{name}`, which this route does not say", "say it, or declare it with `?`"
                )
        return Record(fields)

    def _typed(self, node: Node, traits: Traits, name: str, value: Value, type: Type) -> Value:
        """The value as its declaration wants it."""
        if name == "classification" and isinstance(type, ReferenceType) and traits.classification is not None:
            text = traits.classification.text()
            listed = self._schema.entity_types.get(type.entity_type)
            if isinstance(listed, EnumEntityType):
                _refuse_unlisted(traits.classification, text, listed)
            return EntityUID(type.entity_type, text)
        if type is not _TYPES[name]:
            node.refuse(f"`context.{API}.{name}` is declared as {show(type)}", f"declare it as {show(_TYPES[name])}")
        return value


def _refuse_unlisted(node: Node, id: str, declared: EnumEntityType) -> None:
    if id not in declared.ids:
        close = get_close_matches(id, declared.ids, n=1)
        node.refuse(
            f"{brief(id)} is no id of `{declared.name}`", f"did you mean `{close[0]}`?" if close else "see the schema"
        )


_READERS: Final[Mapping[str, Callable[[Traits], Value | None]]] = {
    "version": lambda traits: traits.version,
    "classification": lambda traits: None if traits.classification is None else traits.classification.text(),
    "deprecated": lambda traits: traits.deprecated,
    "sunset": lambda traits: None if traits.sunset is None else Datetime(traits.sunset),
}

_TYPES: Final[Mapping[str, PrimitiveType | ExtensionType]] = {
    "version": PrimitiveType.STRING,
    "classification": PrimitiveType.STRING,
    "deprecated": PrimitiveType.BOOL,
    "sunset": ExtensionType.DATETIME,
}
