"""The table of path tricks without a proxy: what is decided when a target comes as it was sent."""

import pytest
from path_tricks import AMBIGUOUS, TRICKS, Received, confusion, readings, write_open_world

from pdp.cedar.values import EntityUID
from pdp.config import load_config
from pdp.inventory.reading import load_routes
from pdp.inventory.routes import Route, RouteKind, RouteTable
from pdp.policies.bundle import load_bundle


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> RouteTable:
    config = load_config(write_open_world(tmp_path_factory.mktemp("world")).config)
    return load_routes(config.inventory, load_bundle(config.policies.directory).schema)


def test_the_table_is_as_long_as_it_has_to_be() -> None:
    assert len(TRICKS) >= 60


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_is_decided(routes: RouteTable, name: str, encoding: str) -> None:
    trick = TRICKS[name]
    target = trick.target.decode(encoding, "replace")
    route = routes.match(trick.method.decode(), trick.host.decode(), target, 0)
    if route.kind is RouteKind.KNOWN:
        assert route.resource.id == trick.decided
        # However a service reads it, it is that resource.
        assert readings(trick.target) == {trick.decided}
    else:
        assert route.kind.value == trick.decided
        assert route.resource.type == "Api::Route"


def test_tricks_are_tricks() -> None:
    """Most of what is ambiguous would be two resources to two services, or one that was not asked for."""
    ambiguous = [trick for trick in TRICKS.values() if trick.decided == AMBIGUOUS]
    assert sum(len(readings(trick.target)) > 0 for trick in ambiguous) > len(ambiguous) // 2


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/files/4711?x=/vault/1", {"file/4711"}),
        (b"http://api.example/files/4711", {"file/4711"}),
        (b"/files/..%2fvault%2f1", {"file/../vault/1", "vault/1"}),
        (b"/files/%2e%2e/vault/1", {"vault/1"}),
        (b"/files/4711;x=1", {"file/4711;x=1", "file/4711"}),
        (b"/files/%252e%252e/vault/1", {"vault/1"}),
        (b"/FILES//4711/", {"file/4711"}),
        (b"/files/4711%00.png", {"file/4711\0.png", "file/4711"}),
        (b"/elsewhere", set()),
    ],
)
def test_the_judge_of_the_proxies_knows_how_services_read(target: bytes, expected: set[str]) -> None:
    assert readings(target) == expected


ORDER = Route(EntityUID("A", "read"), EntityUID("F", "file/4711"))
OWN_HOST = (b"Host: api.example:80", b"x: y")


@pytest.mark.parametrize(
    ("found", "received", "confused"),
    [
        ([ORDER], [], False),
        ([ORDER], [Received(b"GET", b"/files/4711", OWN_HOST)], False),
        ([], [Received(b"GET", b"/files/4711", OWN_HOST)], True),
        ([ORDER, ORDER], [Received(b"GET", b"/files/4711", OWN_HOST)], True),
        ([ORDER], [Received(b"GET", b"/files/4711", OWN_HOST)] * 2, True),
        ([ORDER], [Received(b"GET", b"/vault/1", OWN_HOST)], True),
        ([ORDER], [Received(b"GET", b"/files/4711;x", OWN_HOST)], True),
        ([ORDER], [Received(b"DELETE", b"/files/4711", OWN_HOST)], True),
        ([ORDER], [Received(b"GET", b"/files/4711", (b"host: other.example",))], True),
        ([ORDER], [Received(b"GET", b"/files/4711", (*OWN_HOST, b"host: api.example"))], True),
        ([ORDER], [Received(b"GET", b"/files/4711", (*OWN_HOST, b"X-Original-URL: /vault/1"))], True),
        ([Route(ORDER.action, ORDER.resource, RouteKind.UNKNOWN)], [Received(b"GET", b"/files/4711", OWN_HOST)], True),
    ],
)
def test_the_judge_of_the_proxies_sees_confusion(
    found: list[Route], received: list[Received], *, confused: bool
) -> None:
    assert (confusion(found, received) is not None) == confused
