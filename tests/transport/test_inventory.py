"""The inventory behind the doors of proxies: the time decides with it, and requests are counted by what is known."""

from pathlib import Path

from engine_worlds import NOW
from http_worlds import configure, running
from inventory_schema import SCHEMA
from small_world import token, write_small_world

from pdp.cedar.source import Source
from pdp.inventory.reading import read_routes
from pdp.inventory.routes import RouteKind
from pdp.telemetry.metrics import Metrics
from pdp.transport.inventory import Inventory

ROUTES = """\
deprecated: served
routes:
- {method: GET, host: h, path: '/orders/{id}', action: 'P::Action::"viewOrder"', resource: 'P::Order::"{id}"'}
- method: GET
  host: h
  path: /v1/orders/{id}
  action: P::Action::"viewOrder"
  resource: P::Order::"{id}"
  version: "1"
  deprecated: true
  sunset: 1970-01-01T00:00:01Z
"""


def test_requests_are_counted_by_what_is_known_of_them() -> None:
    metrics, now = Metrics(), [0]
    inventory = Inventory(read_routes(Source("routes.yaml", ROUTES), SCHEMA), lambda: now[0], metrics)
    asked = {
        RouteKind.KNOWN: ("GET", "/orders/1"),
        RouteKind.DEPRECATED_SERVED: ("GET", "/v1/orders/1"),
        RouteKind.WRONG_METHOD: ("PUT", "/orders/1"),
        RouteKind.UNKNOWN: ("GET", "/order/1"),
        RouteKind.AMBIGUOUS_PATH: ("GET", "/orders//1"),
    }
    for kind, (method, path) in asked.items():
        assert inventory.match(method, "h", path).kind is kind
    now[0] = 1000
    assert inventory.match("GET", "h", "/v1/orders/1").kind is RouteKind.DEPRECATED
    exposed = metrics.exposition().decode()
    for kind in RouteKind:
        assert f'pdp_api_requests_total{{route="{kind.value}"}} 1.0' in exposed


def test_a_policy_sees_what_the_inventory_knows_and_lets_a_deprecated_version_live_until_its_sunset(
    tmp_path: Path,
) -> None:
    world = write_small_world(tmp_path)
    configure(world, forward_auth={"headers": ["x-reader"]})
    api = "api?: { version?: String, classification?: String, deprecated?: Bool, sunset?: datetime },"
    world.replace("schema.cedarschema", "region?: String,", f"region?: String, {api}")
    world.write(
        "guardrails/api.cedar",
        """@id("guardrail/deprecated")
@reason("deprecated, and not everybody's")
forbid (principal, action, resource)
when { context has api && context.api has deprecated && context.api.deprecated }
unless { context.api has version && context.api.version == "1" && resource == Files::File::"plan" };
@id("guardrail/classified")
forbid (principal, action, resource)
when { context has api && context.api has classification && context.api.classification == "secret" };
""",
    )
    route = "- {{method: GET, host: api.example, path: '{path}', action: 'Files::Action::\"read\"', "
    route += "resource: 'Files::File::\"{id}\"', {traits}}}\n"
    world.write(
        "routes.yaml",
        "deprecated: served\nroutes:\n"
        + route.format(path="/v2/plan", id="plan", traits="version: '2'")
        + route.format(path="/v1/plan", id="plan", traits="version: '1', deprecated: true, sunset: 2026-03-03")
        + route.format(path="/v0/plan", id="plan", traits="version: '0', deprecated: true")
        + route.format(path="/v1/ended", id="plan", traits="version: '1', deprecated: true, sunset: 2026-03-01")
        + route.format(path="/secret", id="plan", traits="classification: secret"),
    )
    with running(world) as (_, client):

        def asked(path: str) -> tuple[int, list[str]]:
            told = {"method": "GET", "host": "api.example", "uri": path, "ip": "192.0.2.7", "scheme": "https"}
            headers = {f"x-original-{name}": value for name, value in told.items()} | {"x-original-client": "cert="}
            bearer = {"authorization": f"Bearer {token('ana', NOW)}"}
            answer = client.get("/forward-auth/nginx", headers=headers | bearer)
            return answer.status_code, answer.json()["policies"] if answer.content else []

        assert asked("/v2/plan") == (200, [])
        assert asked("/v1/plan") == (200, [])
        assert asked("/v0/plan") == (403, ["guardrail/deprecated"])
        # Since its sunset it is a deprecated version and nothing else. (This schema has no action of its own for that.)
        assert asked("/v1/ended") == (403, [])
        assert asked("/secret") == (403, ["guardrail/classified"])
        exposed = client.get("/metrics").text
    counted = {"known": 2, "deprecated_served": 2, "deprecated": 1}
    for kind, number in counted.items():
        assert f'pdp_api_requests_total{{route="{kind}"}} {number}.0' in exposed
