"""The file of routes, and the OpenAPI documents that it names:

deprecated: refused             # or `served`: policies are asked, and see `context.api.deprecated`, until the sunset
routes:
- method: GET
host: api.consortium.example
path: /orders/{id}
action: Procurement::Action::"viewOrder"
resource: Procurement::Order::"{id}"
version: "1"                # these four may be left out
classification: internal
deprecated: true
sunset: 2027-03-31
openapi:
- file: partner.yaml          # in the folder of documents; what it may say of itself: `openapi`
hosts: [partners.consortium.example]    # instead of the document's
base_path: /v2              # instead of its servers' paths
namespace: PartnerApi       # of actions and resources that are written without one
version: "2"                # these four of all its operations that do not say otherwise
classification: internal
deprecated: true
sunset: 2027-03-31
operations:                 # by operation id, or by method and path as the document has it
readCatalogue: {action: readCatalogue, resource: 'Catalogue::"{id}"', classification: public}
DELETE /catalogues/{id}: {unknown: true}
others: unknown             # operations of which nobody says anything; left out, they are refused
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pdp.cedar.names import is_type_name
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.values import brief
from pdp.config.inventory import InventoryConfig
from pdp.documents import DocumentError, Node, Table, parse_yaml, read_source
from pdp.documents.fields import entries_of, needs
from pdp.documents.trees import find_files
from pdp.inventory.openapi import DocumentReader, Entry, Mapped
from pdp.inventory.patterns import read_action, read_pattern, read_resource
from pdp.inventory.routes import RouteTable, Rule, where_of
from pdp.inventory.servers import read_base, read_host
from pdp.inventory.vocabulary import Traits, Vocabulary

_METHOD: Final = re.compile(r"[A-Z][A-Z-]*")
_REFUSED: Final = "refused"
_SERVED: Final = "served"


def load_routes(config: InventoryConfig, schema: Schema) -> RouteTable:
    """The routes of a file and of the documents that it names. Raises DocumentError or JsonError, with a place."""
    documents = {}
    if config.documents is not None:
        for suffix in (".json", ".yaml", ".yml"):
            for path in find_files(config.documents, suffix):
                documents[path.relative_to(config.documents).as_posix()] = path
    return read_routes(read_source(config.routes), schema, documents)


def read_routes(source: Source, schema: Schema, documents: Mapping[str, Path] | None = None) -> RouteTable:
    """The routes of a text; `documents` are the files that it names, by name. Raises DocumentError or JsonError, with
    a place.

    A document that no entry names is refused: somebody believes that its routes are served.
    """
    with parse_yaml(source).table() as table:
        deprecated = table.get("deprecated")
        served = deprecated is not None and deprecated.choice((_REFUSED, _SERVED)) == _SERVED
        vocabulary = Vocabulary(schema, serve_deprecated=served)
        rules = [_rule(node, vocabulary) for node in table.require("routes").items()]
        known = documents or {}
        openapi = table.get("openapi")
        named: set[str] = set()
        for node in [] if openapi is None else openapi.items():
            rules += _entry_rules(node, vocabulary, known, named)
    for name, path in known.items():
        if name not in named:
            raise DocumentError(
                "no entry of `openapi` in the route table names this document",
                source=Source(str(path), ""),
                help="name it there or move it away",
            )
    return RouteTable(rules, vocabulary.own_actions())


def _rule(node: Node, vocabulary: Vocabulary) -> Rule:
    with node.table() as table:
        method, host, path = table.require("method"), table.require("host"), table.require("path")
        if _METHOD.fullmatch(method.text()) is None:
            method.refuse(
                f"{brief(method.text())} is no method", "methods are compared exactly: write `GET`, not `get`"
            )
        read_host(host)
        pattern = read_pattern(path, path.text())
        traits = _traits(table)
        where = where_of(method.text(), host.text(), pattern.segments)
        resource, action = table.require("resource"), table.require("action")
        about = read_resource(resource, pattern.captures)
        target = vocabulary.target(node, (action, read_action(action)), (resource, about), traits)
        return Rule(where, pattern.segments, target, node, vocabulary.deprecation(traits))


def _entry_rules(node: Node, vocabulary: Vocabulary, known: Mapping[str, Path], named: set[str]) -> Iterator[Rule]:
    with node.table() as table:
        file = table.require("file")
        name = file.text()
        if name not in known:
            file.refuse(
                f"there is no document {brief(name)}",
                "its folder is `inventory.documents` of the configuration, and its name ends in .json, .yaml or .yml",
            )
        if name in named:
            file.refuse(f"the document {brief(name)} is named twice", "give one entry all of its hosts")
        named.add(name)
        needs(table, "base_path", "hosts")
        hosts, base, others = table.get("hosts"), table.get("base_path"), table.get("others")
        if hosts is not None and not hosts.items():
            hosts.refuse("there is no host", "leave the key out for the hosts of the document itself")
        entry = Entry(
            node,
            () if hosts is None else tuple(map(read_host, hosts.items())),
            None if base is None else read_base(base, base.text()),
            _namespace(table),
            _traits(table),
            {key: _mapped(item) for key, item in entries_of(table, "operations")},
            others is not None and others.choice(("unknown",)) == "unknown",
        )
    yield from DocumentReader(read_source(known[name]), entry, vocabulary).rules()


def _mapped(node: Node) -> Mapped:
    with node.table() as table:
        unknown = table.get("unknown")
        if unknown is not None and unknown.flag():
            return Mapped(node, None, None, Traits())
        return Mapped(node, table.require("action"), table.require("resource"), _traits(table))


def _traits(table: Table) -> Traits:
    version, classification = table.get("version"), table.get("classification")
    deprecated, sunset = table.get("deprecated"), table.get("sunset")
    needs(table, "sunset", "deprecated")
    return Traits(
        None if version is None else version.text(),
        classification,
        deprecated is not None and deprecated.flag(),
        None if sunset is None else sunset.instant(),
    )


def _namespace(table: Table) -> str | None:
    node = table.get("namespace")
    if node is not None and not is_type_name(node.text()):
        node.refuse(f"{brief(node.text())} is no namespace", "write it as in `Procurement`")
    return None if node is None else node.text()
