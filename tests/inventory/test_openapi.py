"""OpenAPI documents as routes: what becomes of each operation, and everything that is refused, with its place."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from fuzzing import damaged, refusal, rounds
from inventory_schema import SCHEMA

from pdp.cedar.errors import CedarError
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, EntityUID, Record
from pdp.config import InventoryConfig
from pdp.inventory.reading import load_routes, read_routes
from pdp.inventory.routes import Route, RouteKind, RouteTable

SUNSET: Final = 1_806_451_200_000
"""2027-03-31, the start of the day."""

ANNOTATED: Final = """\
openapi: 3.1.0
info: {title: Orders, version: 2.4.1}
servers:
  - url: https://{region}.orders.example:{port}/{stage}/
    variables: {region: {enum: [eu, us], default: eu}, stage: {enum: [v2, beta]}, port: {default: "443"}}
x-pdp-namespace: P
x-pdp-classification: internal
paths:
  /orders/{orderId}:
    parameters:
      - $ref: "#/components/parameters/orderId"
      - {name: expand, in: query, schema: {type: array}}
    x-pdp-resource: Order::"{orderId}"
    get: {operationId: viewOrder, x-pdp-action: viewOrder, responses: {200: {description: it}}}
    delete:
      x-pdp-action: P::Action::"cancel"
      x-pdp-classification: restricted
      deprecated: true
      x-pdp-sunset: 2027-03-31
  /orders/{orderId}/lines/{line-no}:
    get: {x-pdp-unknown: true}
  /orders:
    $ref: "#/components/pathItems/orders"
  /files/{name}:
    servers: [{url: "http://FILES.example"}]
    get: {x-pdp-unknown: true}
components:
  parameters:
    orderId: {name: orderId, in: path, required: true, schema: {$ref: "#/components/schemas/id"}}
  schemas:
    id: {type: string}
  pathItems:
    orders:
      post: {x-pdp-action: create, x-pdp-resource: 'Order::"new"'}
"""


def table(folder: Path, entries: str, deprecated: str = "refused", **documents: str) -> RouteTable:
    """The routes of documents, by names without `.yaml`, and of these entries."""
    for name, text in documents.items():
        (folder / "apis").mkdir(exist_ok=True)
        (folder / "apis" / f"{name}.yaml").write_text(text, "utf-8")
    (folder / "routes.yaml").write_text(f"deprecated: {deprecated}\nroutes: []\nopenapi:\n{entries}", "utf-8")
    return load_routes(InventoryConfig(folder / "routes.yaml", folder / "apis"), SCHEMA)


def refused(folder: Path, entries: str, **documents: str) -> CedarError:
    with pytest.raises(CedarError) as caught:
        table(folder, entries, **documents)
    assert caught.value.source is not None
    return caught.value


def route(action: str, resource: tuple[str, str], kind: RouteKind = RouteKind.KNOWN, **api: Any) -> Route:
    return Route(EntityUID("P::Action", action), EntityUID(*resource), kind, Record(api))


def unserved(action: str, shown: str, kind: RouteKind) -> Route:
    return Route(EntityUID("Api::Action", action), EntityUID("Api::Route", shown), kind)


FACTS: Final[Mapping[str, Any]] = {"version": "2.4.1", "classification": "internal", "deprecated": False}


@pytest.mark.parametrize("host", ["eu.orders.example", "US.orders.example:8443"])
@pytest.mark.parametrize("stage", ["v2", "beta"])
def test_every_address_of_a_server_serves_every_operation(tmp_path: Path, host: str, stage: str) -> None:
    routes = table(tmp_path, "- {file: orders.yaml}", orders=ANNOTATED)
    found = routes.match("GET", host, f"/{stage}/orders/a%20b?expand=lines", 0)
    assert found == route("viewOrder", ("P::Order", "a b"), **FACTS)
    assert routes.match("POST", host, f"/{stage}/orders", 0) == route("create", ("P::Order", "new"), **FACTS)


def test_what_is_not_served_is_one_of_five(tmp_path: Path) -> None:
    routes = table(tmp_path, "- {file: orders.yaml}", orders=ANNOTATED)
    asked = {
        "GET files.example /x": unserved("unknown", "GET /x", RouteKind.UNKNOWN),
        "GET eu.orders.example /v2/orders/1/lines/2": unserved(
            "unknown", "GET /v2/orders/1/lines/2", RouteKind.UNKNOWN
        ),
        # A method beside one that is listed as unknown is not told that the path exists.
        "PUT eu.orders.example /v2/orders/1/lines/2": unserved(
            "unknown", "PUT /v2/orders/1/lines/2", RouteKind.UNKNOWN
        ),
        "PUT eu.orders.example /v2/orders/1": unserved("wrongMethod", "PUT /v2/orders/1", RouteKind.WRONG_METHOD),
        "DELETE eu.orders.example /v2/orders/1": unserved("deprecated", "DELETE /v2/orders/1", RouteKind.DEPRECATED),
        "GET eu.orders.example /orders/1": unserved("unknown", "GET /orders/1", RouteKind.UNKNOWN),
        "GET eu.orders.example /v2/orders;x/1": unserved("unknown", "GET /v2/orders;x/1", RouteKind.AMBIGUOUS_PATH),
    }
    for request, expected in asked.items():
        method, host, path = request.split()
        assert routes.match(method, host, path, 0) == expected


def test_a_deprecated_operation_may_be_served_until_its_sunset(tmp_path: Path) -> None:
    routes = table(tmp_path, "- {file: orders.yaml}", "served", orders=ANNOTATED)
    facts: Mapping[str, Any] = {
        "classification": "restricted",
        "deprecated": True,
        "sunset": Datetime(SUNSET),
        "version": "2.4.1",
    }
    served = route("cancel", ("P::Order", "1"), RouteKind.DEPRECATED_SERVED, **facts)
    ended = unserved("deprecated", "DELETE /v2/orders/1", RouteKind.DEPRECATED)
    at = [routes.match("DELETE", "eu.orders.example", "/v2/orders/1", now) for now in (0, SUNSET - 1, SUNSET)]
    assert at == [served, served, ended]


def test_where_the_schema_has_no_actions_for_it_all_that_is_not_served_is_unknown(tmp_path: Path) -> None:
    own = [action for action in SCHEMA.actions if action.type == "Api::Action" and action.id != "unknown"]
    fewer = Schema(SCHEMA.entity_types, {uid: action for uid, action in SCHEMA.actions.items() if uid not in own})
    (tmp_path / "orders.yaml").write_text(ANNOTATED, "utf-8")
    source = Source("routes.yaml", "routes: []\nopenapi: [{file: orders.yaml}]")
    routes = read_routes(source, fewer, {"orders.yaml": tmp_path / "orders.yaml"})
    for method, kind in (("PUT", RouteKind.WRONG_METHOD), ("DELETE", RouteKind.DEPRECATED)):
        assert routes.match(method, "eu.orders.example", "/v2/orders/1", 0) == unserved(
            "unknown", f"{method} /v2/orders/1", kind
        )


PLAIN: Final = """openapi: 3.0.3
info: {title: Orders, version: "1"}
paths:
  /orders/{id}:
    get: {operationId: getOrder}
    put: {operationId: putOrder}
    delete: {}
  /orders/new:
    get: {}
"""

MAPPED: Final = """- file: orders.yaml
  hosts: [api.example, "[::1]"]
  base_path: /v1/
  namespace: P
  classification: internal
  version: one
  operations:
    getOrder: {action: viewOrder, resource: 'Order::"{id}"'}
    PUT /orders/{id}: {action: create, resource: 'P::Order::"{id}"', classification: public, version: two}
    DELETE /orders/{id}: {unknown: true}
  others: unknown
"""


def test_a_team_that_cannot_annotate_is_mapped_in_the_route_table(tmp_path: Path) -> None:
    routes = table(tmp_path, MAPPED, orders=PLAIN)
    facts: Mapping[str, Any] = {"version": "one", "classification": "internal", "deprecated": False}
    for host in ("api.example", "[::1]:8080"):
        assert routes.match("GET", host, "/v1/orders/7", 0) == route("viewOrder", ("P::Order", "7"), **facts)
        assert routes.match("PUT", host, "/v1/orders/7", 0) == route(
            "create", ("P::Order", "7"), version="two", classification="public", deprecated=False
        )
        for request in ("DELETE /v1/orders/7", "GET /v1/orders/new"):
            method, path = request.split()
            assert routes.match(method, host, path, 0) == unserved("unknown", request, RouteKind.UNKNOWN)


def test_documents_and_written_routes_make_one_table(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(PLAIN, "utf-8")
    text = "routes:\n- {method: GET, host: api.example, path: '/v1/orders/{x}', action: 'P::Action::\"viewOrder\"', "
    text += "resource: 'P::Order::\"{x}\"'}\nopenapi:\n" + MAPPED
    with pytest.raises(CedarError) as caught:
        read_routes(Source("routes.yaml", text), SCHEMA, {"orders.yaml": tmp_path / "orders.yaml"})
    assert caught.value.message == "this route is there already"
    assert caught.value.help == "the first one is at routes.yaml:2"
    assert caught.value.source is not None
    assert caught.value.source.name.endswith("orders.yaml")
    assert caught.value.position is not None
    assert caught.value.position.line == 5


def test_json_with_fractions_reads_as_the_same_document(tmp_path: Path) -> None:
    document = yaml.safe_load(ANNOTATED.replace("2027-03-31", "'2027-03-31'"))
    document["components"]["schemas"]["id"] |= {"example": 1.5, "maximum": 1e400, "multipleOf": -0.25, "x": 10**30}
    document["components"]["schemas"]["id"]["description"] = 'a "1.5" \\'
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis/orders.json").write_text(json.dumps(document).replace("Infinity", "1e999"), "utf-8")
    (tmp_path / "routes.yaml").write_text("routes: []\nopenapi: [{file: orders.json}]")
    routes = load_routes(InventoryConfig(tmp_path / "routes.yaml", tmp_path / "apis"), SCHEMA)
    assert routes.match("GET", "eu.orders.example", "/v2/orders/1", 0) == route("viewOrder", ("P::Order", "1"), **FACTS)


def test_a_place_in_json_is_where_it_is_in_the_file(tmp_path: Path) -> None:
    text = '{"openapi": "3.0.0", "x": 1.25e3,\n "paths": {"/a": {"gett": {}}}}'
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis/a.json").write_text(text)
    error = refused(tmp_path, "- {file: a.json}")
    assert error.message == 'unknown key "gett" beside methods'
    assert error.position is not None
    assert error.position.line == 2


OPERATION: Final = """openapi: 3.0.3
servers: [{url: "https://api.example/v1"}]
paths:
  /orders/{id}:
    get:
      x-pdp-action: P::Action::"viewOrder"
      x-pdp-resource: P::Order::"{id}"
"""

DAMAGE: Final = {
    "another version": ("3.0.3", "3.2.0", 'version "3.2.0" of OpenAPI is not read'),
    "an older version": ("openapi: 3.0.3", 'swagger: "2.0"', "this is no OpenAPI document: `openapi` is missing"),
    "no paths": ("paths:", "x-paths:", "`paths` is missing"),
    "no servers": ("servers:", "x-servers:", "the document does not say on which host it is served"),
    "an empty list of servers": ('[{url: "https://api.example/v1"}]', "[]", "there is no server"),
    "a server without an address": ("url:", "x-url:", "`url` is missing"),
    "a relative server": ("https://api.example/v1", "/v1", "this address has no host"),
    "a server that is no address": ("https://api.example/v1", "v1", '"v1" is no address of an API'),
    "another protocol": ("https://", "ftp://", '"ftp://api.example/v1" is no address of an API'),
    "a query": ("/v1", "/v1?x=1", '"https://api.example/v1?x=1" is no address of an API'),
    "a user in the address": ("api.example", "me@api.example", '"me@api.example" is no host'),
    "dots in the base path": ("/v1", "/../v1", '"/../v1" is no base path'),
    "escapes in the base path": ("/v1", "/%76", '"/%76" is no base path'),
    "an undeclared variable": ("api.", "{x}.", "the variable `{x}` is not among the server's `variables`"),
    "a variable that could be anything": (
        'api.example/v1"',
        '{x}.example", variables: {x: {default: a}}',
        "the variable `{x}` has no `enum`, so it could be anything",
    ),
    "an empty variable": ('api.example/v1"', '{x}.e", variables: {x: {enum: []}}', "there is no value"),
    "a misspelt method": ("get:", "GET:", 'unknown key "GET" beside methods'),
    "a misspelt extension": ("x-pdp-action", "x-pdp-acton", '"x-pdp-acton" means nothing here'),
    "an action for a path": ("    get:", "    x-pdp-action: a\n    get:", '"x-pdp-action" means nothing here'),
    "no action": ('      x-pdp-action: P::Action::"viewOrder"\n', "", "nothing says what `GET /orders/{id}` is about"),
    "no resource": ('      x-pdp-resource: P::Order::"{id}"\n', "", "`x-pdp-resource` is missing"),
    "unknown and mapped": (
        "    get:\n",
        "    get:\n      x-pdp-unknown: true\n",
        "an operation cannot be listed as unknown and have an action",
    ),
    "an undeclared action": ("viewOrder", "viewOrders", 'the action `P::Action::"viewOrders"` is not declared'),
    "a group": ("viewOrder", "group", 'the action `P::Action::"group"` applies to nothing'),
    "a resource of another action": ("P::Order", "P::Line", 'the action `P::Action::"viewOrder"` does not apply to'),
    "an id that is not captured": ('"{id}"', '"{order}"', "the path does not capture `{order}`"),
    "a part of a segment": ("/{id}:", "/{id}.json:", '"{id}.json" is no segment of a path'),
    "an escape in the path": ("/orders/", "/orders%20/", '"orders%20" is no segment of a path'),
    "an empty segment": ("/orders/", "/orders//", '"" is no segment of a path'),
    "a path without a slash": ("  /orders", "  orders", "a path starts with `/`"),
    "the sunset of nothing": (
        "    get:\n",
        "    get:\n      x-pdp-sunset: 2027-01-01\n",
        "this ends and is not deprecated",
    ),
    "a classification that nobody sees": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'list"\n      x-pdp-resource: P::List::"all"\n      x-pdp-classification: internal',
        '`context.api` of `P::Action::"list"` declares no `classification`',
    ),
    "an unlisted id": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'list"\n      x-pdp-resource: P::List::"al"',
        '"al" is no id of `P::List`',
    ),
    "an unlisted class": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'viewLine"\n      x-pdp-resource: P::Line::"{id}"\n      x-pdp-classification: intern',
        '"intern" is no id of `P::Class`',
    ),
    "a class that is needed": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'viewLine"\n      x-pdp-resource: P::Line::"{id}"',
        '`context.api` of `P::Action::"viewLine"` has always `classification`, which this route does not say',
    ),
    "a fact that nobody writes": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'owned"\n      x-pdp-resource: P::Line::"{id}"',
        '`context.api` of `P::Action::"owned"` has always `owner`, which this route does not say',
    ),
    "a fact of another type": (
        'viewOrder"\n      x-pdp-resource: P::Order::"{id}"',
        'odd"\n      x-pdp-resource: P::Line::"{id}"\n      x-pdp-version: "2"',
        "`context.api.version` is declared as Long",
    ),
    "a list in an id": (
        "    get:",
        "    parameters: [{name: id, in: path, schema: {type: array}}]\n    get:",
        "`id` may stand for several things, and is in the id of one resource",
    ),
    "perhaps a list in an id": (
        "    get:",
        "    parameters: [{name: id, in: path, schema: {type: [string, array]}}]\n    get:",
        "`id` may stand for several things, and is in the id of one resource",
    ),
    "JSON in an id": (
        "    get:",
        "    parameters: [{name: id, in: path, content: {application/json: {}}}]\n    get:",
        "`id` may stand for several things, and is in the id of one resource",
    ),
    "a label": (
        "    get:",
        "    parameters: [{name: id, in: path, style: label}]\n    get:",
        'a parameter of style "label" is not the text of its segment',
    ),
    "another file": ("    get:\n", "    $ref: other.yaml\n    get:\n", '"other.yaml" is in another document'),
    "another host": ("    get:\n", "    $ref: https://x/y\n    get:\n", '"https://x/y" is in another document'),
    "a reference to nothing": ("    get:\n", "    $ref: '#/nothing'\n    get:\n", '"#/nothing" leads nowhere'),
    "a reference to itself": (
        "    get:\n",
        "    $ref: '#/paths/~1orders~1%7Bid%7D'\n    get:\n",
        "too many references lead to one another",
    ),
    "a reference and more": (
        "    get:\n",
        "    $ref: '#/components/x'\ncomponents:\n  x:\n    get:\n",
        None,
    ),
    "a parameter without a place": (
        "    get:",
        "    parameters: [{name: id}]\n    get:",
        "a parameter has `name` and `in`",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_refused(tmp_path: Path, damage: str) -> None:
    old, new, message = DAMAGE[damage]
    assert OPERATION.count(old) == 1
    text = OPERATION.replace(old, new)
    if message is None:
        assert table(tmp_path, "- {file: a.yaml}", a=text).match("GET", "api.example", "/v1/orders/1", 0).kind is (
            RouteKind.KNOWN
        )
        return
    error = refused(tmp_path, "- {file: a.yaml}", a=text)
    assert error.message.startswith(message)
    assert error.position is not None


def test_a_reference_beside_something_else_is_refused(tmp_path: Path) -> None:
    text = OPERATION.replace("    get:\n", "    $ref: '#/components/x'\n    summary: it\ncomponents:\n  x:\n    get:\n")
    assert refused(tmp_path, "- {file: a.yaml}", a=text).message == "beside `$ref` stands something else"


def test_a_variable_that_stands_twice_has_one_value_at_a_time(tmp_path: Path) -> None:
    text = OPERATION.replace('api.example/v1"', '{x}.example/{x}", variables: {x: {enum: [a, b]}}')
    routes = table(tmp_path, "- {file: a.yaml}", a=text)
    found = {
        f"{host}/{base}": routes.match("GET", f"{host}.example", f"/{base}/orders/1", 0).kind
        for host in "ab"
        for base in "ab"
    }
    assert [address for address in found if found[address] is RouteKind.KNOWN] == ["a/a", "b/b"]


def test_hosts_of_the_route_table_replace_those_of_the_document_and_keep_its_paths(tmp_path: Path) -> None:
    text = OPERATION.replace('api.example/v1"', '{x}.example/v1"')
    routes = table(tmp_path, "- {file: a.yaml, hosts: [Other.example]}", a=text)
    assert routes.match("GET", "other.example", "/v1/orders/1", 0).kind is RouteKind.KNOWN
    assert routes.match("GET", "other.example", "/orders/1", 0).kind is RouteKind.UNKNOWN


def test_too_many_addresses_are_refused(tmp_path: Path) -> None:
    values = ", ".join(f"v{number}" for number in range(17))
    variables = ", ".join(f"{name}: {{enum: [{values}]}}" for name in "ab")
    text = OPERATION.replace('api.example/v1"', f'{{a}}.example/{{b}}", variables: {{{variables}}}')
    assert refused(tmp_path, "- {file: a.yaml}", a=text).message == "this server stands for more than 256 addresses"


ENTRIES: Final = {
    "a document that is not there": ("- {file: b.yaml}", 'there is no document "b.yaml"'),
    "a document outside of the folder": ("- {file: ../a.yaml}", 'there is no document "../a.yaml"'),
    "no entry": ("  []", "no entry of `openapi` in the route table names this document"),
    "two entries": ("- {file: a.yaml}\n- {file: a.yaml}", 'the document "a.yaml" is named twice'),
    "no host": ("- {file: a.yaml, hosts: []}", "there is no host"),
    "a host with a port": ("- {file: a.yaml, hosts: ['a:1']}", '"a:1" is no host'),
    "a base path and no host": ("- {file: a.yaml, base_path: /x}", "`base_path` is given without `hosts`"),
    "a base path that is none": ("- {file: a.yaml, hosts: [h], base_path: x}", '"x" is no base path'),
    "a namespace that is none": ("- {file: a.yaml, namespace: 'a b'}", '"a b" is no namespace'),
    "others": ("- {file: a.yaml, others: known}", '`openapi[0].others` cannot be "known"'),
    "a sunset": ("- {file: a.yaml, sunset: 2027-01-01}", "`sunset` is given without `deprecated`"),
    "an unknown operation": (
        "- {file: a.yaml, operations: {'GET /order/{id}': {unknown: true}}}",
        'the document has no operation "GET /order/{id}"',
    ),
    "an operation that is annotated": (
        "- {file: a.yaml, operations: {'GET /orders/{id}': {unknown: true}}}",
        "the document itself says what this operation is about",
    ),
    "an unknown operation with an action": (
        "- {file: a.yaml, operations: {'GET /orders/{id}': {unknown: true, action: a}}}",
        'unknown key "action"',
    ),
    "an unknown key": ("- {file: a.yaml, host: h}", 'unknown key "host"'),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_that_are_refused(tmp_path: Path, entry: str) -> None:
    entries, message = ENTRIES[entry]
    assert refused(tmp_path, entries, a=OPERATION).message == message


def test_without_a_folder_no_document_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: []\nopenapi: [{file: routes.yaml}]")
    with pytest.raises(CedarError, match="there is no document"):
        load_routes(InventoryConfig(tmp_path / "routes.yaml"), SCHEMA)


def test_one_operation_by_two_names_is_refused(tmp_path: Path) -> None:
    entries = MAPPED.replace("PUT /orders/{id}", "GET /orders/{id}")
    error = refused(tmp_path, entries, orders=PLAIN)
    assert error.message == '"GET /orders/{id}" and "getOrder" are one operation'


def test_an_ambiguity_between_two_documents_names_both_places(tmp_path: Path) -> None:
    first = OPERATION.replace("/orders/{id}", "/{id}/x")
    second = OPERATION.replace("/orders/{id}", "/orders/{id}")
    error = refused(tmp_path, "- {file: a.yaml}\n- {file: b.yaml}", a=first, b=second)
    assert error.message == "one request could match this route and another one"
    assert error.help is not None
    assert "a.yaml:6" in error.help
    assert error.source is not None
    assert error.source.name.endswith("b.yaml")


def test_deprecated_routes_that_are_served_must_be_seen_by_policies(tmp_path: Path) -> None:
    text = "deprecated: served\nroutes:\n- {method: GET, host: h, path: /a, action: 'F::Action::\"read\"', "
    text += "resource: 'F::File::\"x\"', deprecated: true}"
    with pytest.raises(CedarError, match="this route is deprecated and served") as caught:
        read_routes(Source("routes.yaml", text), SCHEMA)
    assert caught.value.position is not None
    refusing = read_routes(Source("routes.yaml", text.replace("served", "refused")), SCHEMA)
    assert refusing.match("GET", "h", "/a", 0).kind is RouteKind.DEPRECATED


def test_damaged_documents_raise_only_our_errors(tmp_path: Path) -> None:
    rng = random.Random(20261125)
    read = 0
    path = tmp_path / "a.yaml"
    source = Source("routes.yaml", "routes: []\nopenapi: [{file: a.yaml, others: unknown}]")
    for data in damaged(rng, [ANNOTATED.encode(), OPERATION.encode()], "{}/:'\"\\%-$#\n éx", rounds(300)):
        path.write_bytes(data)
        error = refusal(lambda: read_routes(source, SCHEMA, {"a.yaml": path}))
        read += error is None
        assert error is None or (error.source is not None and error.render())
    assert read > 5
