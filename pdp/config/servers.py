"""The configuration of the servers: where they listen, how connections are protected, and the log.

Plain text is spoken on this machine alone (loopback, or a unix socket), unless `insecure` says otherwise.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final, TypeVar, final

from pdp.config.paths import path_of
from pdp.documents import Node
from pdp.documents.nodes import Table

LOG_FORMATS: Final = ("text", "json")
"""How log lines are written."""

UNIX: Final = "unix:"
"""What the address of a unix socket begins with."""

T = TypeVar("T")
_LISTEN: Final = re.compile(r"(?:\[(?P<ip>[^\[\]]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


@final
@dataclass(frozen=True, slots=True)
class TlsConfig:
    """TLS of a server, 1.2 or newer. The files are read anew when they change; connections stay, and new ones get what
    is new. A pair that does not fit together, or has expired, leaves the one before in place.
    """

    certificate: Path
    """The server's certificate and those between it and the root, in this order (PEM)."""
    key: Path
    """Its private key (PEM), not encrypted: the rights on the file protect it."""
    client_ca: Path | None = None
    """The authorities that issue certificates to callers (PEM). Each is believed for every name. With it, a caller must
    show a certificate."""
    require_client_certificate: bool = True
    """Whether a caller without a certificate gets no connection. Of HTTP alone: where `false`, such a caller is
    `loopback` or `anonymous`, and policies decide what it may do; a kubelet has no certificate for its probes."""


@final
@dataclass(frozen=True, slots=True)
class GrpcConfig:
    """The gRPC doors."""

    listen: str = "127.0.0.1:50051"
    """`host:port`, or `unix:` and the path of a socket. Port 0 is any free one."""
    workers: int = 8
    """Threads that answer calls, 1 to 64. They share one interpreter: more of them make waiting, not speed."""
    streams: int = 32
    """Streams of questions (`CheckStream`) that may be open, 1 to 1024. Each has a thread of its own, idle or not,
    beside those that answer calls; one more is answered with a deny."""
    watchers: int = 32
    """Callers that may watch which decisions change (`Watch`), 1 to 1024, each with a thread of its own, too. One more
    is refused."""
    explain: bool = False
    """Whether a caller on this machine may have answers explained (`Explain`): policies and facts are shown to it,
    whatever its principal may know. Not where a proxy on this machine forwards to this port for others."""
    tls: TlsConfig | None = None
    """Without it, connections are not encrypted."""
    insecure: bool = False
    """Whether plain text may be spoken on an address that other machines reach: whoever is on the way reads tokens and
    answers, and can turn a deny into an allow."""


@final
@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The HTTP server: metrics, health, and the doors that speak HTTP."""

    listen: str = "127.0.0.1:8080"
    """As of gRPC."""
    tls: TlsConfig | None = None
    """As of gRPC."""
    insecure: bool = False
    """As of gRPC."""


@final
@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log on standard error."""

    format: str = "text"
    """`text` for people, `json` for machines."""


def read_grpc(node: Node | None, base: Path) -> GrpcConfig:
    """The section `grpc`, with its relative paths taken from `base`. Raises DocumentError."""
    default = GrpcConfig()
    if node is None:
        return default
    with node.table() as table:
        listen = _optional(table, "listen", lambda value: _listen(value, base), default.listen)
        tls, insecure = _protection(table, listen, base, optional_client=False)
        return GrpcConfig(
            listen,
            _optional(table, "workers", lambda value: value.integer(1, 64), default.workers),
            _optional(table, "streams", lambda value: value.integer(1, 1024), default.streams),
            _optional(table, "watchers", lambda value: value.integer(1, 1024), default.watchers),
            _optional(table, "explain", Node.flag, default.explain),
            tls,
            insecure,
        )


def read_http(node: Node | None, base: Path) -> HttpConfig:
    """The section `http`, with its relative paths taken from `base`. Raises DocumentError."""
    default = HttpConfig()
    if node is None:
        return default
    with node.table() as table:
        listen = _optional(table, "listen", lambda value: _listen(value, base), default.listen)
        return HttpConfig(listen, *_protection(table, listen, base, optional_client=True))


def read_log(node: Node | None) -> LogConfig:
    """The section `log`. Raises DocumentError."""
    if node is None:
        return LogConfig()
    with node.table() as table:
        return LogConfig(_optional(table, "format", lambda value: value.choice(LOG_FORMATS), LogConfig().format))


def read_address(text: str) -> tuple[str, int] | None:
    """Host and port of `host:port`, where an IPv6 address stands in brackets; None for another form."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65_535 or not (match["host"] or _is_ipv6(match["ip"])):
        return None
    return match["ip"] or match["host"], int(match["port"])


def is_address(text: str) -> bool:
    """Whether a server can be told to listen there: `host:port`, or `unix:` and a path."""
    return (text.startswith(UNIX) and len(text) > len(UNIX)) or read_address(text) is not None


def is_local(listen: str) -> bool:
    """Whether only this machine reaches what listens there; what is not clearly so is not."""
    if listen.startswith(UNIX):
        return True
    address = read_address(listen)
    if address is None:
        return False
    try:
        return ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


def _protection(table: Table, listen: str, base: Path, *, optional_client: bool) -> tuple[TlsConfig | None, bool]:
    tls, insecure = table.get("tls"), table.get("insecure")
    if tls is not None and insecure is not None:
        insecure.refuse_key("`insecure` is given with `tls`", "remove one of them")
    if tls is not None and listen.startswith(UNIX):
        tls.refuse_key("`tls` is given for a unix socket", "the rights on the socket's file say who may ask")
    if tls is None:
        return None, insecure is not None and insecure.flag()
    return _tls(tls, base, optional_client=optional_client), False


def _tls(node: Node, base: Path, *, optional_client: bool) -> TlsConfig:
    with node.table() as table:
        require = table.get("require_client_certificate") if optional_client else None
        client_ca = table.get("client_ca")
        if require is not None and client_ca is None:
            require.refuse_key("`require_client_certificate` is given without `client_ca`", "add `client_ca`")
        return TlsConfig(
            path_of(table.require("certificate"), base),
            path_of(table.require("key"), base),
            None if client_ca is None else path_of(client_ca, base),
            require is None or require.flag(),
        )


def _optional(table: Table, key: str, read: Callable[[Node], T], default: T) -> T:
    node = table.get(key)
    return default if node is None else read(node)


def _listen(node: Node, base: Path) -> str:
    text = node.text()
    if text.startswith(UNIX):
        return f"{UNIX}{path_of(node, base, text.removeprefix(UNIX))}"
    if read_address(text) is None:
        node.refuse(
            "this is no address to listen on",
            "write `host:port`, for example `127.0.0.1:8080` or `[::1]:8080`, or `unix:` and a path",
        )
    return text


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
