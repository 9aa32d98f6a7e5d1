"""Addresses of services that are asked over HTTP: `https`, and `http` on this machine alone."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, final
from urllib.parse import urlsplit

from pdp.cedar.values import brief
from pdp.documents import Node

_URL: Final = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
    r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
"""RFC 3986 without user information, which would be a secret in a file that is none, and without a fragment."""


@final
@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An address, as `read_url` accepts it."""

    text: str

    @property
    def secure(self) -> bool:
        """Whether it is asked over TLS."""
        return self.text.startswith("https:")

    @property
    def host(self) -> str:
        """The host, an IPv6 address without its brackets."""
        return urlsplit(self.text).hostname or ""

    @property
    def port(self) -> int:
        """The port, the scheme's own if none is given."""
        return urlsplit(self.text).port or (443 if self.secure else 80)

    @property
    def target(self) -> str:
        """What the request line asks for: path and query."""
        parts = urlsplit(self.text)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_url(text: str) -> bool:
    """Whether a text is meant as an address and not as a path."""
    return text.startswith(("https:", "http:"))


def read_url(node: Node) -> HttpUrl:
    """The address that a value holds. Raises DocumentError."""
    text = node.text()
    if _URL.fullmatch(text) is None or not _has_place(text):
        node.refuse(f"{brief(text)} is no address", "write it as in `https://issuer.example/keys`")
    url = HttpUrl(text)
    if not url.secure and not _is_local(url.host):
        node.refuse(f"{brief(text)} is not encrypted", "use `https`; `http` is for addresses of this machine alone")
    return url


def _has_place(text: str) -> bool:
    """Whether host and port are ones."""
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
