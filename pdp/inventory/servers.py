"""Where an API of an OpenAPI document is served (OpenAPI 3.1, sections 4.8.5 and 4.8.6): hosts and base paths.

A variable in an address stands for each of its `enum`. One without an `enum` could be anything, and is refused unless
it stands for a port, which no route looks at. Everything here raises DocumentError, with a place.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple

from pdp.cedar.values import brief
from pdp.documents import Node
from pdp.inventory.paths import SEGMENT

MAX_ADDRESSES: Final = 256
"""Addresses that one server stands for."""

HOST: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\]")
"""A host that requests can be compared with, without its port."""

_URL: Final = re.compile(r"(?:https?://(?P<authority>[^/]+))?(?P<base>/[^?#]*)?", re.IGNORECASE)
_PORT: Final = re.compile(r":(?:[0-9]*|\{[^{}]*\})\Z")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")

_GIVE_HOSTS: Final = "or give `hosts` for this document in the route table"


class Address(NamedTuple):
    """Where an operation is served. `base` begins with `/` and does not end in one, or is empty."""

    host: str
    base: str


def read_host(node: Node) -> str:
    """The value, which must be a host."""
    if HOST.fullmatch(node.text()) is None:
        node.refuse(f"{brief(node.text())} is no host", "write its name without a port: `api.example`")
    return node.text()


def read_base(node: Node, text: str) -> str:
    """A base path, its last slash cut off."""
    base = text.removesuffix("/")
    start, *segments = base.split("/")
    if start or any(SEGMENT.fullmatch(part) is None or part in (".", "..") for part in segments):
        node.refuse(f"{brief(text)} is no base path", "write it as in `/v1`, without escapes")
    return base


def read_servers(node: Node, hosts: tuple[str, ...]) -> tuple[Address, ...]:
    """The addresses of a list of servers; `hosts`, if there are any, replace theirs."""
    servers = node.items()
    if not servers:
        node.refuse("there is no server", f"name one, {_GIVE_HOSTS}")
    found = dict.fromkeys(address for server in servers for address in _addresses(server, hosts))
    return tuple(found)


def _addresses(server: Node, hosts: tuple[str, ...]) -> Iterator[Address]:
    entries = dict(server.entries())
    url = entries.get("url")
    if url is None:
        server.refuse("`url` is missing")
    match = _URL.fullmatch(url.text())
    if match is None:
        url.refuse(
            f"{brief(url.text())} is no address of an API", f"write it as in `https://api.example/v1`, {_GIVE_HOSTS}"
        )
    variables = entries.get("variables")
    choices = {} if variables is None else dict(variables.entries())
    authority = match["authority"]
    if not hosts and authority is None:
        url.refuse("this address has no host", f"write it as in `https://api.example/v1`, {_GIVE_HOSTS}")
    # A port is cut before its variable is looked at, and so is a host that is replaced: none of their values matters.
    written = "" if hosts else _PORT.sub("", authority or "")
    for address in _expanded(url, written + (match["base"] or ""), choices):
        host, slash, path = address.partition("/")
        if not hosts and HOST.fullmatch(host) is None:
            url.refuse(f"{brief(host)} is no host", "user names and other signs have no place in it")
        for name in hosts or (host,):
            yield Address(name.lower(), read_base(url, slash + path))


def _expanded(url: Node, text: str, variables: Mapping[str, Node]) -> Iterator[str]:
    """A text with each combination of its variables' values."""
    literals, names = _VARIABLE.split(text)[::2], _VARIABLE.split(text)[1::2]
    used = tuple(dict.fromkeys(names))
    values = [_values(url, name, variables.get(name)) for name in used]
    total = 1
    for choices in values:
        total *= len(choices)
        if total > MAX_ADDRESSES:
            url.refuse(f"this server stands for more than {MAX_ADDRESSES} addresses", f"write them out, {_GIVE_HOSTS}")
    for chosen in product(*values):
        by_name = dict(zip(used, chosen, strict=True))
        yield literals[0] + "".join(by_name[name] + literal for name, literal in zip(names, literals[1:], strict=True))


def _values(url: Node, name: str, variable: Node | None) -> tuple[str, ...]:
    if variable is None:
        url.refuse(f"the variable `{{{name}}}` is not among the server's `variables`")
    enum = dict(variable.entries()).get("enum")
    if enum is None:
        variable.refuse(
            f"the variable `{{{name}}}` has no `enum`, so it could be anything", f"list its values, {_GIVE_HOSTS}"
        )
    values = tuple(value.text() for value in enum.items())
    if not values:
        enum.refuse("there is no value", "list those that are served")
    return values
