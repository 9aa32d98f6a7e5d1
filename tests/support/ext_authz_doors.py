"""Envoy's door before an inventory with one route, and what Envoy asks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doors import FakeDecider
from envoy.service.auth.v3 import external_auth_pb2

from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.config.ext_authz import ExtAuthzConfig, read_ext_authz
from pdp.documents import parse_yaml
from pdp.inventory.routes import Route
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller, Way
from pdp.transport.grpc.ext_authz import ExtAuthz
from pdp.transport.http_obligations import NO_NAMES, PolicyNames

ORDERS: Final = Route(EntityUID("Action", "list"), EntityUID("Api", "orders"))
ENVOY: Final = Caller(Way.UNIX)
GOOD: Final = {"authorization": "Bearer good"}
DECLARED: Final = "region?: String, ip?: ipaddr"


@dataclass
class FakeRoutes:
    """An inventory with one route; remembers what it was asked."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def match(self, method: str, host: str, path: str) -> Any:
        """The one route."""
        self.asked.append((method, host, path))
        return ORDERS


def schema_with(context: str = DECLARED) -> Schema:
    """The schema of the one route's action, with these attributes in its context."""
    text = (
        "entity User, Tenant; entity Api; "
        f'action "list" appliesTo {{ principal: User, resource: Api, context: {{ {context} }} }};'
    )
    return parse_schema(Source("schema.cedarschema", text))


def config_of(text: str) -> ExtAuthzConfig:
    """The section `ext_authz` with this content."""
    return read_ext_authz(parse_yaml(Source("pdp.yaml", text)))


def door_with(
    decider: FakeDecider,
    authentication: Authentication,
    *,
    config: str = "",
    context: str = DECLARED,
    names: PolicyNames = NO_NAMES,
) -> ExtAuthz:
    """A door with this section of the configuration, before a schema with these attributes in the context."""
    schema = schema_with(context)
    made = ExtAuthz(
        config_of(config) if config else ExtAuthzConfig(), decider, authentication, lambda: names, lambda: schema
    )
    made.routes = FakeRoutes()  # type: ignore[assignment] # a fake of the same shape
    return made


def question(
    headers: Mapping[str, str] | Sequence[tuple[str, str | bytes]] = GOOD,
    extensions: Mapping[str, str] | None = None,
    source: str = "192.0.2.7",
    **http: str | bytes | int,
) -> Any:
    """What Envoy asks: with a mapping of headers in the merged form, with pairs as they came."""
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = source
    attributes.context_extensions.update(extensions or {})
    said = {"method": "GET", "host": "api.example", "path": "/orders?x=1", **http}
    for name, value in said.items():
        setattr(attributes.request.http, name, value)
    if isinstance(headers, Mapping):
        attributes.request.http.headers.update(headers)
    else:
        for name, text in headers:
            raw = text.encode() if isinstance(text, str) else text
            attributes.request.http.header_map.headers.add(key=name, raw_value=raw)
    return request


def told(door: ExtAuthz, request: Any) -> Any:
    """The door's answer to a message or bytes, checked: it allows if and only if the verdict does."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    verdict, reply = door.check(data, ENVOY)
    response = external_auth_pb2.CheckResponse.FromString(reply)
    assert (response.status.code == 0) == bool(verdict.reason.value == "allowed")
    assert response.WhichOneof("http_response") == ("ok_response" if response.status.code == 0 else "denied_response")
    return response
