"""The configuration of the doors that speak HTTP; `config.reading` says where its sections stand.

Each section is there or not, and so is its door: nothing is served by default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from pdp.cedar.names import is_action_type, is_type_name
from pdp.cedar.values import brief
from pdp.documents import Node
from pdp.documents.fields import entries_of, needs, optional_text, optional_type, type_name

NO_OPINION: Final = "no_opinion"
NOT_PERMITTED_ANSWERS: Final = ("deny", NO_OPINION)
"""What the Kubernetes webhook may say when no policy permits a request."""

_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*")
_HEADER: Final = re.compile(r"[a-z][a-z0-9-]*")


@final
@dataclass(frozen=True, slots=True)
class AuthzenConfig:
    """The AuthZEN door, and how its words become Cedar's (`transport.http.authzen.mapping`). Without this section it is
    not served.
    """

    url: str
    """The decision point's own address as its callers know it, `https` and without a slash at the end. The metadata is
    made from it, and the endpoints are below its path."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Entity types by the types of subjects and resources; a type that is not listed is taken for an entity type."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """Types of actions by the types of resources; if none is listed, `Action` in the namespace of the entity type."""
    device_property: str | None = None
    """The property of a subject that names the device. Without it no device is known, unless a token names one."""
    device_type: str = "Device"
    """The type of that device."""


@final
@dataclass(frozen=True, slots=True)
class ForwardAuthConfig:
    """The doors for NGINX `auth_request` and Traefik `ForwardAuth`. Without this section they are not served."""

    headers: tuple[str, ...] = ()
    """Headers of policies (`@obligation("header:...")`) that the proxies pass on to the upstream. An allow that needs
    another one is a deny."""


@final
@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """The authorization webhook of Kubernetes. Without this section it is not served."""

    namespace: str = "K8s"
    """The Cedar namespace of users, resources and verbs; as it is, `teams/k8s` may write their policies."""
    not_permitted: str = "deny"
    """The answer when no policy permits a request: `deny`, or `no_opinion`, with which the API server asks its next
    authorizer. Everything else that is no allow is a deny always."""


def read_authzen(node: Node | None) -> AuthzenConfig | None:
    """The section `authzen`. Raises DocumentError."""
    if node is None:
        return None
    with node.table() as table:
        needs(table, "device_type", "device_property")
        url = table.require("url")
        if _HTTPS.fullmatch(url.text()) is None:
            url.refuse(
                f"{brief(url.text())} is no address of a decision point",
                "write it as callers know it, `https` and without a slash at the end: `https://pdp.example.com`",
            )
        return AuthzenConfig(
            url.text(),
            types={name: type_name(item) for name, item in entries_of(table, "types")},
            actions={name: _action_type(item) for name, item in entries_of(table, "actions")},
            device_property=optional_text(table, "device_property", None),
            device_type=optional_type(table, "device_type", AuthzenConfig(url.text()).device_type),
        )


def read_forward_auth(node: Node | None) -> ForwardAuthConfig | None:
    """The section `forward_auth`. Raises DocumentError."""
    if node is None:
        return None
    with node.table() as table:
        headers = table.get("headers")
        return ForwardAuthConfig(() if headers is None else tuple(map(_header, headers.items())))


def read_kubernetes(node: Node | None) -> KubernetesConfig | None:
    """The section `kubernetes`. Raises DocumentError."""
    if node is None:
        return None
    default = KubernetesConfig()
    with node.table() as table:
        answer = table.get("not_permitted")
        return KubernetesConfig(
            optional_type(table, "namespace", default.namespace),
            default.not_permitted if answer is None else answer.choice(NOT_PERMITTED_ANSWERS),
        )


def _header(node: Node) -> str:
    if _HEADER.fullmatch(node.text()) is None:
        node.refuse(f"{brief(node.text())} is no name of a header", "write it in lower case, as in `x-data-class`")
    return node.text()


def _action_type(node: Node) -> str:
    if not (is_type_name(node.text()) and is_action_type(node.text())):
        node.refuse(f"{brief(node.text())} is no type of actions", "write it as in `Files::Action`")
    return node.text()
