"""OpenAPI documents to routes (OpenAPI 3.0 and 3.1).

Of a document, what decides where a request goes is read strictly: `servers`, `paths` with their methods, path
parameters. The rest is not looked at. What an operation is about is said in the document, innermost first,

    x-pdp-action          Procurement::Action::"viewOrder"; with a namespace its bare id, `viewOrder`
    x-pdp-resource        Procurement::Order::"{id}", with the path's parameters; with a namespace `Order::"{id}"`
    x-pdp-unknown         true: listed, and denied as unknown whatever else matches
    x-pdp-classification  of what it gives away, x-pdp-version of the API (else `info.version`)
    x-pdp-sunset          with `deprecated: true`: when it ends, as in `2027-03-31`
    x-pdp-namespace       of the names above that have none; for the whole document

or, for a team that cannot annotate, in the route table (`Entry.operations`). An operation of which neither says
anything is refused: nobody knows what it is about.

Refused are also parameters that a segment's text does not name in one way: a list or an object in an id (`/orders/1,2`
would be the order `1,2`), and the styles `label` and `matrix`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, final

from pdp.cedar.source import Source
from pdp.cedar.values import brief
from pdp.documents import Node
from pdp.inventory.documents import ApiDocument
from pdp.inventory.patterns import DOCUMENT_CAPTURE, Pattern, read_action, read_pattern, read_resource
from pdp.inventory.routes import Rule, Target, where_of
from pdp.inventory.servers import Address, read_servers
from pdp.inventory.vocabulary import Traits, Vocabulary

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

PREFIX: Final = "x-pdp-"

_OF_OPERATIONS: Final = ("x-pdp-action", "x-pdp-resource", "x-pdp-unknown")
_ANYWHERE: Final = ("x-pdp-classification", "x-pdp-version", "x-pdp-sunset")
_ITEM_KEYS: Final = frozenset({*METHODS, "summary", "description", "servers", "parameters", "$ref"})
_NO_SCALARS: Final = ("array", "object")


@final
@dataclass(frozen=True, slots=True)
class Mapped:
    """What the route table says of an operation; without an action it is listed as unknown."""

    node: Node
    action: Node | None
    resource: Node | None
    traits: Traits


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """What the route table says of a document.

    `hosts` and `base` replace those of the document's servers. `operations` are by operation id, or by method and path
    as the document has it (`GET /orders/{id}`).
    """

    node: Node
    hosts: tuple[str, ...] = ()
    base: str | None = None
    namespace: str | None = None
    traits: Traits = field(default_factory=Traits)
    operations: Mapping[str, Mapped] = field(default_factory=dict)
    others_unknown: bool = False


@final
class DocumentReader:
    """Reads one document."""

    def __init__(self, source: Source, entry: Entry, vocabulary: Vocabulary) -> None:
        self._document = ApiDocument(source)
        self._entry = entry
        self._vocabulary = vocabulary
        self._used: set[str] = set()
        root = self._document.entries
        _refuse_extensions(root, (*_ANYWHERE, "x-pdp-namespace"))
        said = root.get("x-pdp-namespace")
        self._namespace = entry.namespace or (None if said is None else said.text())
        info = root.get("info")
        version = None if info is None else dict(info.entries()).get("version")
        outer = Traits(version=None if version is None else version.text())
        self._traits = entry.traits.within(read_traits(root).within(outer))

    def rules(self) -> Iterator[Rule]:
        """The routes of all operations."""
        paths = self._document.entries.get("paths")
        if paths is None:
            self._document.root.refuse("`paths` is missing", "a document without them has no routes")
        for path, item in paths.entries():
            if not path.startswith(PREFIX[:2]):
                yield from self._item(path, item)
        for name, mapped in self._entry.operations.items():
            if name not in self._used:
                close = get_close_matches(name, self._used, n=1)
                mapped.node.refuse(
                    f"the document has no operation {brief(name)}", f"did you mean `{close[0]}`?" if close else None
                )

    def _item(self, path: str, item: Node) -> Iterator[Rule]:
        if not path.startswith("/"):
            item.refuse_key("a path starts with `/`")
        found = self._document.follow(item)
        if found is not item and len(item.entries()) > 1:
            item.refuse("beside `$ref` stands something else", "readers disagree on what that means: keep one of them")
        entries = dict(found.entries())
        for key, value in entries.items():
            if key not in _ITEM_KEYS and not key.startswith("x-"):
                value.refuse_key(f"unknown key {brief(key)} beside methods", "methods are written in lower case")
        _refuse_extensions(entries, ("x-pdp-resource", "x-pdp-unknown", *_ANYWHERE))
        for method in METHODS:
            if method in entries:
                yield from self._operation(path, method, entries, entries[method])

    def _operation(self, path: str, method: str, item: Mapping[str, Node], node: Node) -> Iterator[Rule]:
        operation = dict(node.entries())
        _refuse_extensions(operation, (*_OF_OPERATIONS, *_ANYWHERE))
        mapped = self._mapped(f"{method.upper()} {path}", operation)
        about = _annotated(node, operation, item) if mapped is None else mapped
        if about is None and not self._entry.others_unknown:
            node.refuse_key(
                f"nothing says what `{method.upper()} {path}` is about",
                "give it `x-pdp-action` and `x-pdp-resource`, or `x-pdp-unknown: true`; or name it among the "
                "`operations` of this document in the route table",
            )
        inner = read_traits(operation).within(read_traits(item).within(self._traits))
        traits = inner if mapped is None else mapped.traits.within(inner)
        if traits.sunset is not None and not traits.deprecated:
            node.refuse_key("this ends and is not deprecated", "give it `deprecated: true`")
        parameters = self._parameters(item) | self._parameters(operation)
        for address in self._addresses(item, operation):
            pattern = read_pattern(node, address.base + path, DOCUMENT_CAPTURE)
            self._refuse_styles(pattern, parameters)
            target = None
            if about is not None and about.action is not None and about.resource is not None:
                target = self._target(node, pattern, about.action, about.resource, traits, parameters)
            where = where_of(method.upper(), address.host, pattern.segments)
            yield Rule(where, pattern.segments, target, node, self._vocabulary.deprecation(traits))

    def _mapped(self, name: str, operation: Mapping[str, Node]) -> Mapped | None:
        """What the route table says of an operation."""
        id = operation.get("operationId")
        names = (name,) if id is None else (name, id.text())
        found = [known for known in names if known in self._entry.operations]
        self._used.update(found)
        if not found:
            return None
        mapped = self._entry.operations[found[0]]
        if len(found) > 1:
            mapped.node.refuse(f"{brief(found[0])} and {brief(found[1])} are one operation", "keep one of the two")
        for key in _OF_OPERATIONS:
            if key in operation:
                mapped.node.refuse(
                    "the document itself says what this operation is about", f"remove this, or its `{key}`"
                )
        return mapped

    def _target(
        self,
        node: Node,
        pattern: Pattern,
        action: Node,
        resource: Node,
        traits: Traits,
        parameters: Mapping[str, Node],
    ) -> Target:
        found = read_resource(resource, pattern.captures, self._namespace, DOCUMENT_CAPTURE)
        for name in sorted(found.captures):
            if name in parameters:
                self._refuse_lists(name, parameters[name])
        named = (action, read_action(action, self._namespace))
        return self._vocabulary.target(node, named, (resource, found), traits)

    def _addresses(self, item: Mapping[str, Node], operation: Mapping[str, Node]) -> tuple[Address, ...]:
        entry = self._entry
        if entry.base is not None:
            return tuple(Address(host.lower(), entry.base) for host in entry.hosts)
        servers = operation.get("servers") or item.get("servers") or self._document.entries.get("servers")
        if servers is not None:
            return read_servers(servers, entry.hosts)
        if not entry.hosts:
            self._document.root.refuse(
                "the document does not say on which host it is served",
                "give it `servers`, or `hosts` in the route table",
            )
        return tuple(Address(host.lower(), "") for host in entry.hosts)

    def _parameters(self, entries: Mapping[str, Node]) -> dict[str, Node]:
        """The parameters of a path that an operation or a path declares, by name."""
        declared = entries.get("parameters")
        found = {}
        for reference in [] if declared is None else declared.items():
            parameter = self._document.follow(reference)
            fields = dict(parameter.entries())
            if "in" not in fields or "name" not in fields:
                parameter.refuse("a parameter has `name` and `in`")
            if fields["in"].value == "path":
                found[fields["name"].text()] = parameter
        return found

    def _refuse_styles(self, pattern: Pattern, parameters: Mapping[str, Node]) -> None:
        for name in pattern.captures:
            style = dict(parameters[name].entries()).get("style") if name in parameters else None
            if style is not None and style.text() != "simple":
                style.refuse(
                    f"a parameter of style {brief(style.text())} is not the text of its segment",
                    "routes read `simple` ones alone",
                )

    def _refuse_lists(self, name: str, parameter: Node) -> None:
        fields = dict(parameter.entries())
        schema = fields.get("schema")
        type = None if schema is None else dict(self._document.follow(schema).entries()).get("type")
        kinds = type.value if type is not None and isinstance(type.value, list) else [type and type.value]
        if "content" in fields or any(kind in _NO_SCALARS for kind in kinds):
            parameter.refuse(
                f"`{name}` may stand for several things, and is in the id of one resource",
                "ask about what holds them, or have the service ask about each",
            )


def _annotated(node: Node, operation: Mapping[str, Node], item: Mapping[str, Node]) -> Mapped | None:
    """What the document itself says of an operation, or of all operations of its path."""
    action, resource = operation.get("x-pdp-action"), operation.get("x-pdp-resource") or item.get("x-pdp-resource")
    unknown = operation.get("x-pdp-unknown") or (None if action is not None else item.get("x-pdp-unknown"))
    if unknown is not None and unknown.flag():
        if action is not None:
            unknown.refuse("an operation cannot be listed as unknown and have an action", "keep one of the two")
        return Mapped(node, None, None, Traits())
    if action is None:
        return None
    if resource is None:
        action.refuse("`x-pdp-resource` is missing", 'write it as in `Procurement::Order::"{id}"`')
    return Mapped(node, action, resource, Traits())


def read_traits(entries: Mapping[str, Node]) -> Traits:
    """What extensions and `deprecated` say of a document, a path or an operation."""
    version, deprecated = entries.get("x-pdp-version"), entries.get("deprecated")
    sunset = entries.get("x-pdp-sunset")
    return Traits(
        None if version is None else version.text(),
        entries.get("x-pdp-classification"),
        deprecated is not None and deprecated.flag(),
        None if sunset is None else sunset.instant(),
    )


def _refuse_extensions(entries: Mapping[str, Node], known: tuple[str, ...]) -> None:
    """Refuses what is spelt like one of our extensions and is none, or has no meaning here."""
    for key, node in entries.items():
        if key.startswith(PREFIX) and key not in known:
            close = get_close_matches(key, known, n=1)
            node.refuse_key(
                f"{brief(key)} means nothing here",
                f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}",
            )
