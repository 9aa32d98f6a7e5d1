"""Path confusion: named spellings of a request's target and host, and what services make of the paths that reach them.

The world has three kinds of resource, `file/4711`, `file/4711/9` and `vault/1`, and lets everybody do everything with
them: nothing but the path is in a trick's way. So whatever reaches a service must be the resource that was decided on,
however the service reads its path (`readings`, which owe nothing to the code under test).
"""

import posixpath
import re
import socket
import socketserver
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import unquote_to_bytes

import pytest
from small_world import SmallWorld, token, write_small_world

from pdp.app import App
from pdp.clock import now_ms
from pdp.config import load_config
from pdp.inventory.routes import Route, RouteKind
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.inventory import Inventory

HOST: Final = b"api.example"
PLAIN: Final = b"/files/4711"

UNKNOWN: Final = RouteKind.UNKNOWN.value
AMBIGUOUS: Final = RouteKind.AMBIGUOUS_PATH.value
WRONG_METHOD: Final = RouteKind.WRONG_METHOD.value


@dataclass(frozen=True)
class Trick:
    """A request line and a host, byte for byte, and what is decided when the target comes as it is: the id of the
    resource, or why there is none.
    """

    target: bytes
    decided: str
    host: bytes = HOST
    method: bytes = b"GET"
    extra: bytes = b""


TRICKS: Final = {
    # One meaning, in plain and in other words.
    "plain": Trick(PLAIN, "file/4711"),
    "two captures": Trick(b"/files/4711/parts/9", "file/4711/9"),
    "a query": Trick(b"/files/4711?x=/vault/1", "file/4711"),
    "a query with dots": Trick(b"/files/4711?/../../vault/1", "file/4711"),
    "an empty query": Trick(b"/files/4711?", "file/4711"),
    "a letter of the route encoded": Trick(b"/%66iles/4711", "file/4711"),
    "a digit of the id encoded": Trick(b"/files/%34711", "file/4711"),
    "the whole id encoded": Trick(b"/files/%34%37%31%31", "file/4711"),
    "an encoded space": Trick(b"/files/a%20b", "file/a b"),
    "an encoded letter beyond ASCII": Trick(b"/files/%C3%A9", "file/\u00e9"),
    "lower case in an escape": Trick(b"/files/%c3%a9", "file/\u00e9"),
    "an encoded percent sign at the end": Trick(b"/files/100%25", "file/100%"),
    "an encoded question mark": Trick(b"/files/a%3Fb", "file/a?b"),
    "an encoded number sign": Trick(b"/files/a%23b", "file/a#b"),
    "an encoded ampersand": Trick(b"/files/a%26b", "file/a&b"),
    "a plus sign": Trick(b"/files/a+b", "file/a+b"),
    "a colon": Trick(b"/files/a:b", "file/a:b"),
    "three dots": Trick(b"/files/...", "file/..."),
    "dots and a letter": Trick(b"/files/..a", "file/..a"),
    # Climbing.
    "dot dot": Trick(b"/vault/../files/4711", AMBIGUOUS),
    "dot dot into the vault": Trick(b"/files/../vault/1", AMBIGUOUS),
    "dot dot above the root": Trick(b"/../files/4711", AMBIGUOUS),
    "dot dot at the end": Trick(b"/files/4711/..", AMBIGUOUS),
    "one dot": Trick(b"/files/./4711", AMBIGUOUS),
    "one dot at the end": Trick(b"/files/4711/.", AMBIGUOUS),
    "encoded dots": Trick(b"/files/%2e%2e/vault/1", AMBIGUOUS),
    "encoded dots in upper case": Trick(b"/files/%2E%2E/vault/1", AMBIGUOUS),
    "one dot encoded of two": Trick(b"/files/.%2e/vault/1", AMBIGUOUS),
    "dots encoded twice": Trick(b"/files/%252e%252e/vault/1", AMBIGUOUS),
    "dots encoded three times": Trick(b"/files/%25252e%25252e/vault/1", AMBIGUOUS),
    "dots of full width": Trick(b"/files/%EF%BC%8E%EF%BC%8E/vault", AMBIGUOUS),
    "two dots in one sign": Trick(b"/files/%E2%80%A5/vault", AMBIGUOUS),
    "overlong dots": Trick(b"/files/%c0%ae%c0%ae/vault/1", AMBIGUOUS),
    "dots in the escape of IIS": Trick(b"/files/%u002e%u002e/vault/1", AMBIGUOUS),
    "dot dot and parameters": Trick(b"/files/..;/vault/1", AMBIGUOUS),
    "dot dot and parameters with a name": Trick(b"/files/..;x=1/vault/1", AMBIGUOUS),
    "dot dot and a space": Trick(b"/files/..%20/vault/1", AMBIGUOUS),
    "dot dot and a NUL": Trick(b"/files/..%00/vault/1", AMBIGUOUS),
    # Slashes.
    "two slashes at the start": Trick(b"//files/4711", AMBIGUOUS),
    "two slashes inside": Trick(b"/files//4711", AMBIGUOUS),
    "three slashes": Trick(b"///files/4711", AMBIGUOUS),
    "a slash at the end": Trick(b"/files/4711/", UNKNOWN),
    "two slashes at the end": Trick(b"/files/4711//", AMBIGUOUS),
    "an encoded slash": Trick(b"/files%2f4711", AMBIGUOUS),
    "an encoded slash in the id": Trick(b"/files/4711%2Fparts%2F9", AMBIGUOUS),
    "encoded slashes and dots": Trick(b"/files/..%2fvault%2f1", AMBIGUOUS),
    "a slash encoded twice": Trick(b"/files/..%252fvault%252f1", AMBIGUOUS),
    "an encoded slash at the start": Trick(b"/%2Ffiles/4711", AMBIGUOUS),
    "an encoded slash at the end": Trick(b"/files/4711%2f", AMBIGUOUS),
    "a slash of full width": Trick(b"/files/..%EF%BC%8Fvault", AMBIGUOUS),
    "an overlong slash": Trick(b"/files/..%c0%afvault", AMBIGUOUS),
    "a backslash": Trick(b"/files\\4711", AMBIGUOUS),
    "a backslash and dots": Trick(b"/files/..\\vault\\1", AMBIGUOUS),
    "an encoded backslash": Trick(b"/files/..%5cvault%5c1", AMBIGUOUS),
    "a backslash encoded twice": Trick(b"/files/..%255cvault", AMBIGUOUS),
    "a slash and a backslash": Trick(b"/\\files/4711", AMBIGUOUS),
    # Parameters.
    "parameters of the id": Trick(b"/files/4711;x=1", AMBIGUOUS),
    "parameters without a name": Trick(b"/files/4711;", AMBIGUOUS),
    "parameters of the route": Trick(b"/files;x=1/4711", AMBIGUOUS),
    "parameters with a slash": Trick(b"/files;/4711", AMBIGUOUS),
    "encoded parameters": Trick(b"/files/4711%3Bx=1", AMBIGUOUS),
    "parameters encoded twice": Trick(b"/files/4711%253Bx=1", AMBIGUOUS),
    "a session in the path": Trick(b"/files/4711;jsessionid=1/../../vault/1", AMBIGUOUS),
    # Escapes.
    "an escape of an escape": Trick(b"/files/%2534711", AMBIGUOUS),
    "an escape made of escapes": Trick(b"/files/%%33%34711", AMBIGUOUS),
    "a percent sign alone": Trick(b"/files/4711%", AMBIGUOUS),
    "half an escape": Trick(b"/files/4711%2", AMBIGUOUS),
    "no hexadecimal escape": Trick(b"/files/%zz4711", AMBIGUOUS),
    "an encoded NUL": Trick(b"/files/4711%00", AMBIGUOUS),
    "an encoded NUL and an extension": Trick(b"/files/4711%00.png", AMBIGUOUS),
    "a NUL encoded twice": Trick(b"/files/4711%2500", AMBIGUOUS),
    "an encoded line feed": Trick(b"/files/4711%0a", AMBIGUOUS),
    "encoded line ends and a header": Trick(b"/files/4711%0d%0ax-pdp-principal:%20root", AMBIGUOUS),
    "an encoded tab": Trick(b"/files/4711%09", AMBIGUOUS),
    "an encoded space at the end": Trick(b"/files/4711%20", AMBIGUOUS),
    "an encoded space at the start": Trick(b"/files/%204711", AMBIGUOUS),
    "an encoded DEL": Trick(b"/files/4711%7f", AMBIGUOUS),
    "a byte that is no UTF-8": Trick(b"/files/%ff", AMBIGUOUS),
    "half a character": Trick(b"/files/%C3", AMBIGUOUS),
    "an encoded surrogate": Trick(b"/files/%ed%a0%80", AMBIGUOUS),
    # Bytes that no path holds.
    "a raw letter beyond ASCII": Trick("/files/\u00e9".encode(), AMBIGUOUS),
    "a raw byte that is no UTF-8": Trick(b"/files/\xff", AMBIGUOUS),
    "a raw tab": Trick(b"/files/4711\t", AMBIGUOUS),
    "a raw space": Trick(b"/files/47 11", AMBIGUOUS),
    "a raw NUL": Trick(b"/files/4711\0", AMBIGUOUS),
    "a raw carriage return": Trick(b"/files/4711\r", AMBIGUOUS),
    "a raw line feed": Trick(b"/files/4711\n/vault/1", AMBIGUOUS),
    "a fragment": Trick(b"/files/4711#/../../vault/1", AMBIGUOUS),
    "a fragment after dots": Trick(b"/files/..#/vault/1", AMBIGUOUS),
    "braces": Trick(b"/files/{id}", AMBIGUOUS),
    "a bar": Trick(b"/files/a|b", AMBIGUOUS),
    "quotes": Trick(b'/files/"4711"', AMBIGUOUS),
    # Letters.
    "the route in upper case": Trick(b"/FILES/4711", UNKNOWN),
    "the route in mixed case, encoded": Trick(b"/%46iles/4711", UNKNOWN),
    "an extension": Trick(b"/files/4711/parts/9.json", "file/4711/9.json"),
    "an unknown path": Trick(b"/filesx/4711", UNKNOWN),
    "a very long id": Trick(b"/files/" + b"a" * 7000, "file/" + "a" * 7000),
    "a path that is too long": Trick(b"/files/" + b"a" * 9000, AMBIGUOUS),
    "a thousand segments": Trick(b"/a" * 1000, UNKNOWN),
    # Targets that are no path.
    "a target without a slash": Trick(b"files/4711", AMBIGUOUS),
    "an encoded slash and no slash": Trick(b"%2ffiles/4711", AMBIGUOUS),
    "a star": Trick(b"*", AMBIGUOUS),
    "an empty target": Trick(b"", AMBIGUOUS),
    "an absolute target": Trick(b"http://api.example/files/4711", AMBIGUOUS),
    "an absolute target of another host": Trick(b"http://other.example/files/4711", AMBIGUOUS),
    "an absolute target and another host": Trick(b"http://api.example/files/4711", AMBIGUOUS, host=b"other.example"),
    "an absolute target with a user": Trick(b"http://me@api.example/files/4711", AMBIGUOUS),
    "an absolute target with dots": Trick(b"http://api.example/files/../vault/1", AMBIGUOUS),
    "an absolute target without a path": Trick(b"http://api.example", AMBIGUOUS),
    "an absolute target and a query": Trick(b"http://api.example?/files/4711", AMBIGUOUS),
    "an absolute target by a network path": Trick(b"//api.example/files/4711", AMBIGUOUS),
    "another scheme": Trick(b"file:///files/4711", AMBIGUOUS),
    "a host and a port": Trick(b"api.example:80", AMBIGUOUS),
    # Hosts.
    "the host in upper case": Trick(PLAIN, "file/4711", host=b"API.Example"),
    "the host with a port": Trick(PLAIN, "file/4711", host=b"api.example:8443"),
    "the host with a dot at the end": Trick(PLAIN, UNKNOWN, host=b"api.example."),
    "the host with a user": Trick(PLAIN, UNKNOWN, host=b"me@api.example"),
    "the host with two ports": Trick(PLAIN, UNKNOWN, host=b"api.example:80:80"),
    "another host": Trick(PLAIN, UNKNOWN, host=b"other.example"),
    "a host below the host": Trick(PLAIN, UNKNOWN, host=b"x.api.example"),
    "two hosts in one header": Trick(PLAIN, UNKNOWN, host=b"api.example, other.example"),
    "a path in the host": Trick(PLAIN, UNKNOWN, host=b"api.example/vault"),
    "no host": Trick(PLAIN, UNKNOWN, host=b""),
    "a second host header": Trick(PLAIN, "file/4711", extra=b"host: other.example\r\n"),
    # Methods.
    "another method": Trick(PLAIN, WRONG_METHOD, method=b"DELETE"),
    "the method in lower case": Trick(PLAIN, WRONG_METHOD, method=b"get"),
    "a method that nobody knows": Trick(PLAIN, WRONG_METHOD, method=b"GETT"),
    "HEAD for GET": Trick(PLAIN, WRONG_METHOD, method=b"HEAD"),
    "CONNECT": Trick(b"api.example:443", AMBIGUOUS, method=b"CONNECT"),
    "another method in a header": Trick(PLAIN, "file/4711", extra=b"x-http-method-override: DELETE\r\n"),
    "another path in a header": Trick(PLAIN, "file/4711", extra=b"x-original-url: /vault/1\r\n"),
    "another path in another header": Trick(PLAIN, "file/4711", extra=b"x-rewrite-url: /vault/1\r\n"),
    "another host in a header": Trick(PLAIN, "file/4711", extra=b"x-forwarded-host: other.example\r\n"),
    "a prefix in a header": Trick(PLAIN, "file/4711", extra=b"x-forwarded-prefix: /vault\r\n"),
}

STEERING: Final = (
    *(b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-original-url", b"x-rewrite-url"),
    *(b"x-original-host", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"forwarded"),
)
"""Headers by which some services take another method, path or host."""

_ROUTES: Final = """\
routes:
- method: GET
  host: api.example
  path: /files/{id}
  action: Files::Action::"read"
  resource: Files::File::"file/{id}"
- method: GET
  host: api.example
  path: /files/{id}/parts/{part}
  action: Files::Action::"read"
  resource: Files::File::"file/{id}/{part}"
- method: GET
  host: api.example
  path: /vault/{id}
  action: Files::Action::"read"
  resource: Files::File::"vault/{id}"
"""

_POLICY: Final = """\
@id("files/everything")
permit (principal, action == Files::Action::"read", resource is Files::File);
"""


def write_open_world(root: Path) -> SmallWorld:
    """A world in which whatever has a route is allowed."""
    world = write_small_world(root)
    world.write("routes.yaml", _ROUTES)
    world.write("teams/files/files.cedar", _POLICY)
    world.write(
        "guardrails/central.cedar", '@id("guardrail/none")\nforbid (principal, action, resource) when { false };\n'
    )
    world.write("pdp.yaml", world.config.read_text("utf-8") + "forward_auth: {}\n")
    return world


@dataclass
class Judge:
    """A running decision point, and the routes that it found since the list was cleared."""

    app: App
    found: list[Route]


@contextmanager
def running_judge(root: Path) -> Iterator[Judge]:
    """The decision point of the open world, in this process. Enter it from the main thread."""
    found: list[Route] = []
    match = Inventory.match

    def remembered(self: Inventory, method: str, host: str, path: str) -> Route:
        route = match(self, method, host, path)
        found.append(route)
        return route

    app = App(load_config(write_open_world(root).config), EventLog(StringIO(), LogFormat.JSON, now_ms))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inventory, "match", remembered)
        try:
            app.start()
            yield Judge(app, found)
        finally:
            app.stop()


@dataclass(frozen=True)
class Received:
    """What reached the service: the request line's parts and the header lines, byte for byte."""

    method: bytes
    target: bytes
    headers: tuple[bytes, ...]


@contextmanager
def running_service() -> Iterator[tuple[int, list[Received]]]:
    """A service that takes every request as it comes: its port, and what reached it."""
    received: list[Received] = []

    class Recording(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            first, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            method, _, rest = first.partition(b" ")
            received.append(Received(method, rest.rpartition(b" ")[0], tuple(headers)))
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Recording) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], received
        finally:
            server.shutdown()
            thread.join()


def send(port: int, trick: Trick) -> int:
    """The status of the answer to a trick; 0 if the connection was closed without one."""
    head = trick.method + b" " + trick.target + b" HTTP/1.1\r\nhost: " + trick.host + b"\r\n" + trick.extra
    head += b"authorization: Bearer " + token("ana", now_ms()).encode() + b"\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(head)
            while b"\r\n" not in answer and (part := connection.recv(65536)):
                answer += part
        except ConnectionError:
            return 0
    match = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
    return 0 if match is None else int(match[1])


def confusion(found: Sequence[Route], received: Sequence[Received]) -> str | None:
    """What is wrong, if what a service got is not what was decided on; None if all is well."""
    if not received:
        return None
    if len(received) > 1:
        return f"{len(received)} requests reached the service"
    [got] = received
    decided = [route.resource.id for route in found if route.kind is RouteKind.KNOWN]
    if len(decided) != 1 or len(found) != 1:
        return f"{got.target!r} reached the service, and {found} was decided on"
    read = readings(got.target)
    if read != set(decided):
        return f"{got.target!r} reached the service, which may read {read}, and {decided} was decided on"
    if got.method != b"GET":
        return f"the method {got.method!r} reached the service"
    hosts = [line.partition(b":")[2].strip() for line in got.headers if line.lower().startswith(b"host:")]
    if len(hosts) != 1 or re.fullmatch(rb"api\.example(?::[0-9]*)?", hosts[0].lower()) is None:
        return f"the host {hosts} reached the service"
    steering = [line for line in got.headers if line.partition(b":")[0].strip().lower() in STEERING]
    return f"{steering} reached the service" if steering else None


def readings(target: bytes) -> set[str]:
    """The resources that services may take a target for; those that find none are left out.

    A service decodes once or twice, before it splits or after; it may take backslashes for slashes, cut parameters or
    what follows a NUL, merge slashes, resolve dots, fold compatible characters, trim segments, take a slash at the end
    for nothing, or not care about the case of its own names. One that decodes nothing is not among them: the names that
    it knows are nobody else's.
    """
    path = re.sub(rb"^[a-z]+://[^/]*", b"", target.partition(b"?")[0].partition(b"#")[0])
    found = {_resource([_decoded(part) for part in path.split(b"/")])}
    for text in (_decoded(path), _decoded(unquote_to_bytes(path))):
        for changes in product((False, True), repeat=len(_CHANGES)):
            changed = text
            for change, made in zip(_CHANGES, changes, strict=True):
                changed = change(changed) if made else changed
            found.add(_resource(changed.split("/")))
    return {resource for resource in found if resource is not None}


_CHANGES: Final[Sequence[Callable[[str], str]]] = (
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: text.partition("\0")[0],
    lambda text: text.replace("\\", "/"),
    lambda text: re.sub(r";[^/]*", "", text),
    lambda text: re.sub(r"/+", "/", text),
    lambda text: "/".join(segment.strip() for segment in text.split("/")),
    lambda text: posixpath.normpath(text) if text.startswith("/") else text,
    lambda text: text.rstrip("/"),
    lambda text: re.sub(r"(?i)\b(files|parts|vault)\b", lambda name: name[0].lower(), text),
)
"""What services do to a decoded path."""


def _decoded(data: bytes) -> str:
    return unquote_to_bytes(data).decode("utf-8", "replace")


def _resource(segments: Sequence[str]) -> str | None:
    match segments:
        case ["", "files", id] if id:
            return f"file/{id}"
        case ["", "files", id, "parts", part] if id and part:
            return f"file/{id}/{part}"
        case ["", "vault", id] if id:
            return f"vault/{id}"
        case _:
            return None
