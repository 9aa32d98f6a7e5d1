"""The route table: what matches, which route wins, what an unknown request becomes, and what is refused on loading."""

import random
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from fuzzing import damaged, refusal, rounds
from inventory_schema import SCHEMA

from pdp.cedar.source import Position, Source
from pdp.cedar.values import EntityUID, Record
from pdp.config import InventoryConfig
from pdp.documents import DocumentError
from pdp.inventory.reading import load_routes, read_routes
from pdp.inventory.routes import Route, RouteKind, RouteTable

HOST = "api.consortium.example"
TABLE = """\
routes:
  - {method: GET, host: api.consortium.example, path: /, action: 'Api::Action::"read"', resource: 'Api::Root::"root"'}
  - {method: GET, host: api.consortium.example, path: /orders, action: 'P::Action::"list"', resource: 'P::List::"all"'}
  - method: GET
    host: api.consortium.example
    path: /orders/{id}
    action: P::Action::"viewOrder"
    resource: P::Order::"{id}"
  - method: GET
    host: api.consortium.example
    path: /orders/new
    action: P::Action::"draft"
    resource: P::List::"drafts"
  - method: DELETE
    host: api.consortium.example
    path: /orders/{id}
    action: P::Action::"cancel"
    resource: P::Order::"{id}"
  - method: GET
    host: API.Partner.example
    path: /{tenant}/files/{name}
    action: F::Action::"read"
    resource: F::File::"{tenant}/{name}.v1"
  - method: GET
    host: api.partner.example
    path: /{tenant}/files/
    action: F::Action::"list"
    resource: F::Folder::"files of {tenant}"
"""


NOW: Final = 1_795_000_000_000


def read(text: str) -> RouteTable:
    return read_routes(Source("routes.yaml", text), SCHEMA)


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return read(TABLE)


def unknown(shown: str, kind: RouteKind = RouteKind.UNKNOWN, action: str = "unknown") -> Route:
    return Route(EntityUID("Api::Action", action), EntityUID("Api::Route", shown), kind)


def order(id: str, action: str = "viewOrder") -> Route:
    # The context of this action can say of a route that it is deprecated, and says that it is not.
    return Route(EntityUID("P::Action", action), EntityUID("P::Order", id), api=Record({"deprecated": False}))


@pytest.mark.parametrize(
    ("method", "host", "path", "expected"),
    [
        ("GET", HOST, "/", Route(EntityUID("Api::Action", "read"), EntityUID("Api::Root", "root"))),
        ("GET", HOST, "/?x=/orders", Route(EntityUID("Api::Action", "read"), EntityUID("Api::Root", "root"))),
        ("GET", HOST, "/orders", Route(EntityUID("P::Action", "list"), EntityUID("P::List", "all"))),
        ("GET", HOST, "/%6frders?q", Route(EntityUID("P::Action", "list"), EntityUID("P::List", "all"))),
        ("GET", HOST, "/orders/4711", order("4711")),
        ("GET", HOST, "/orders/4711?a=b/../c;%00", order("4711")),
        ("GET", HOST, "/orders/a%20b%C3%A9", order("a bé")),
        ("GET", HOST, "/orders/%7Bid%7D", order("{id}")),
        ("GET", HOST, "/orders/%22%3F", order('"?')),
        ("GET", HOST, "/orders/New", order("New")),
        ("GET", HOST, "/orders/new", Route(EntityUID("P::Action", "draft"), EntityUID("P::List", "drafts"))),
        ("GET", HOST, "/orders/%6eew", Route(EntityUID("P::Action", "draft"), EntityUID("P::List", "drafts"))),
        ("DELETE", HOST, "/orders/new", order("new", "cancel")),
        ("GET", "API.Consortium.EXAMPLE", "/orders/1", order("1")),
        ("GET", f"{HOST}:8443", "/orders/1", order("1")),
        ("GET", f"{HOST}:", "/orders/1", order("1")),
        (
            "GET",
            "api.partner.example",
            "/acme/files/a%26b",
            Route(EntityUID("F::Action", "read"), EntityUID("F::File", "acme/a&b.v1")),
        ),
        (
            "GET",
            "api.partner.example",
            "/acme/files/",
            Route(EntityUID("F::Action", "list"), EntityUID("F::Folder", "files of acme")),
        ),
    ],
)
def test_known_requests(table: RouteTable, method: str, host: str, path: str, expected: Route) -> None:
    assert table.match(method, host, path, NOW) == expected


UNKNOWN, WRONG, AMBIGUOUS = RouteKind.UNKNOWN, RouteKind.WRONG_METHOD, RouteKind.AMBIGUOUS_PATH


@pytest.mark.parametrize(
    ("method", "host", "path", "kind", "shown"),
    [
        ("get", HOST, "/orders", WRONG, "get /orders"),
        ("GET ", HOST, "/orders", WRONG, "GET  /orders"),
        ("HEAD", HOST, "/orders", WRONG, "HEAD /orders"),
        ("POST", HOST, "/orders/1", WRONG, "POST /orders/1"),
        ("", HOST, "/orders", WRONG, " /orders"),
        ("GET", "other.example", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"{HOST}.", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"x.{HOST}", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"user@{HOST}", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"{HOST}:80:80", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"{HOST}:\u0661", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f" {HOST}", "/orders", UNKNOWN, "GET /orders"),
        ("GET", f"{HOST}\n", "/orders", UNKNOWN, "GET /orders"),
        ("GET", "", "/orders", UNKNOWN, "GET /orders"),
        ("GET", "api.consortium.exampl\u0435", "/orders", UNKNOWN, "GET /orders"),
        ("GET", HOST, "/Orders", UNKNOWN, "GET /Orders"),
        ("GET", HOST, "/orders/", UNKNOWN, "GET /orders/"),
        ("GET", HOST, "/orders/1/", UNKNOWN, "GET /orders/1/"),
        ("GET", HOST, "/orders/1/lines", UNKNOWN, "GET /orders/1/lines"),
        ("GET", HOST, "/%7eana/a%20b?secret=1", UNKNOWN, "GET /~ana/a%20b"),
        ("GET", HOST, "//orders", AMBIGUOUS, "GET //orders"),
        ("GET", HOST, "/orders/../admin", AMBIGUOUS, "GET /orders/../admin"),
        ("GET", HOST, "/orders/%2e%2e/admin?secret=1", AMBIGUOUS, "GET /orders/%2e%2e/admin"),
        ("GET", HOST, "/orders;v=1", AMBIGUOUS, "GET /orders;v=1"),
        ("GET", HOST, "/orders#x", AMBIGUOUS, "GET /orders#x"),
        ("GET", HOST, "orders", AMBIGUOUS, "GET orders"),
        ("GET", HOST, "", AMBIGUOUS, "GET "),
        ("GET", HOST, "/" + "a" * 300, UNKNOWN, "GET /" + "a" * 255),
        ("GET", HOST, "/;" + "a" * 300, AMBIGUOUS, "GET /;" + "a" * 254),
        ("X" * 40, HOST, "/", WRONG, "X" * 32 + " /"),
        ("GET", "api.partner.example", "//files/x", AMBIGUOUS, "GET //files/x"),
        ("GET", "api.partner.example", "/acme/files", UNKNOWN, "GET /acme/files"),
    ],
)
def test_requests_that_are_not_served_are_named_and_shown(
    table: RouteTable, method: str, host: str, path: str, kind: RouteKind, shown: str
) -> None:
    action = "wrongMethod" if kind is WRONG else "unknown"
    assert table.match(method, host, path, NOW) == unknown(shown, kind, action)


def test_the_kelvin_sign_is_no_k() -> None:
    routes = read("routes: [{method: GET, host: k.example, path: /a, action: 'Action::\"a\"', resource: 'R::\"r\"'}]")
    assert routes.match("GET", "K.EXAMPLE", "/a", NOW).action.id == "a"
    assert routes.match("GET", "\u212a.example", "/a", NOW) == unknown("GET /a")


def test_hosts_that_are_addresses() -> None:
    routes = read("routes: [{method: GET, host: '[::1]', path: /a, action: 'Action::\"a\"', resource: 'R::\"r\"'}]")
    assert routes.match("GET", "[::1]:8080", "/a", NOW).action.id == "a"
    assert routes.match("GET", "[::1]", "/a", NOW).action.id == "a"
    assert routes.match("GET", "::1", "/a", NOW) == unknown("GET /a")


def test_a_table_without_routes_knows_nothing() -> None:
    assert read("routes: []").match("GET", HOST, "/", NOW) == unknown("GET /")
    assert RouteTable().match("GET", HOST, "/", NOW) == unknown("GET /")


def written(*paths: str) -> str:
    """A table of routes whose resource is the number of the route."""
    return "routes:\n" + "".join(
        f"- {{method: GET, host: h, path: '{path}', action: 'Action::\"a\"', resource: 'R::\"{number}\"'}}\n"
        for number, path in enumerate(paths)
    )


def find(routes: RouteTable, path: str) -> str | None:
    route = routes.match("GET", "h", path, NOW)
    return None if route.action.id == "unknown" else route.resource.id


def test_literal_segments_win_wherever_they_stand() -> None:
    routes = read(written("/{a}/{b}", "/x/{b}", "/x/y", "/{a}/{b}/z", "/x/{b}/{c}/d", "/x/y/{c}/d"))
    found = {
        path: find(routes, path) for path in ("/x/y", "/x/q", "/q/y", "/x/y/z", "/x/y/q/d", "/x/q/q/d", "/x/y/q/e")
    }
    assert found == {
        "/x/y": "2",
        "/x/q": "1",
        "/q/y": "0",
        "/x/y/z": "3",
        "/x/y/q/d": "5",
        "/x/q/q/d": "4",
        "/x/y/q/e": None,
    }


PATTERNS = ["/" + "/".join(parts) for length in (1, 2) for parts in product(("x", "y", "{a}", "{b}"), repeat=length)]
PATTERNS = [path for path in [*PATTERNS, "/", "/x/", "/{a}/"] if path not in ("/{a}/{a}", "/{b}/{b}")]
PATHS = ["/" + "/".join(parts) for length in (1, 2) for parts in product(("x", "y", "q"), repeat=length)]
PATHS += ["/", "/x/", "/q/", "/x/y/", "/x/y/q"]


def _shape(pattern: str) -> list[str | None]:
    return [None if part.startswith("{") else part for part in pattern[1:].split("/")]


def _matches(pattern: str, path: str) -> bool:
    mine, theirs = _shape(pattern), path[1:].split("/")
    return len(mine) == len(theirs) and all(
        a == b or (a is None and b != "") for a, b in zip(mine, theirs, strict=True)
    )


def _beats(some: str, other: str) -> bool:
    """Literal wherever the other one is, and somewhere besides."""
    pairs = list(zip(_shape(some), _shape(other), strict=True))
    return all(a is not None or b is None for a, b in pairs) and _shape(some) != _shape(other)


def test_every_pair_of_small_routes_is_refused_exactly_when_it_is_ambiguous() -> None:
    for first, second in product(PATTERNS, repeat=2):
        both = [path for path in PATHS if _matches(first, path) and _matches(second, path)]
        ambiguous = bool(both) and not _beats(first, second) and not _beats(second, first)
        error = refusal(lambda: read(written(first, second)))  # noqa: B023  called at once
        assert (error is not None) == ambiguous, (first, second)
        assert error is None or error.position == Position(3, 3)
        if not ambiguous:
            routes = read(written(first, second))
            for path in PATHS:
                matching = [str(n) for n, pattern in enumerate((first, second)) if _matches(pattern, path)]
                if len(matching) == 2:
                    matching = ["0" if _beats(first, second) else "1"]
                assert find(routes, path) == (matching[0] if matching else None), (first, second, path)


def test_random_tables_agree_with_a_search_through_all_routes() -> None:
    rng = random.Random(20261124)
    agreed = 0
    for _ in range(rounds(150)):
        paths = ["/" + "/".join(rng.choices(("x", "y", "{c}"), k=rng.randrange(1, 5))) for _ in range(4)]
        numbered = [path.replace("{c}", "{c%d}") % tuple(range(path.count("{c}"))) for path in paths]
        if refusal(lambda: read(written(*numbered))) is not None:  # noqa: B023  called at once
            continue
        routes = read(written(*numbered))
        for _ in range(40):
            path = "/" + "/".join(rng.choices(("x", "y", "q"), k=rng.randrange(1, 5)))
            best: str | None = None
            for number, pattern in enumerate(numbered):
                if _matches(pattern, path) and (best is None or _beats(pattern, numbered[int(best)])):
                    best = str(number)
            assert find(routes, path) == best
            agreed += best is not None
    assert agreed > 100


GOOD = {
    "method": "GET",
    "host": "h.example",
    "path": "/a/{id}",
    "action": "'A::Action::\"v\"'",
    "resource": "'A::B::\"{id}\"'",
}


def _one(**changes: str) -> str:
    return "routes:\n- " + "\n  ".join(f"{key}: {value}" for key, value in (GOOD | changes).items()) + "\n"


@pytest.mark.parametrize(
    ("key", "value", "message", "help"),
    [
        ("method", "get", '"get" is no method', "methods are compared exactly: write `GET`, not `get`"),
        ("method", "'*'", '"*" is no method', "methods are compared exactly: write `GET`, not `get`"),
        ("method", "5", "`routes[0].method` must be a text, found `5`", "put it in quotes"),
        ("host", "h.example:80", '"h.example:80" is no host', "write its name without a port: `api.example`"),
        ("host", "https://h", '"https://h" is no host', "write its name without a port: `api.example`"),
        ("host", "'*.example'", '"*.example" is no host', "write its name without a port: `api.example`"),
        ("host", "h.example.", '"h.example." is no host', "write its name without a port: `api.example`"),
        ("host", "hé", '"hé" is no host', "write its name without a port: `api.example`"),
        ("path", "a/{id}", "a path starts with `/`", None),
        ("path", "'*'", "a path starts with `/`", None),
        ("path", "/a//{id}", '"" is no segment of a path', ...),
        ("path", "//{id}", '"" is no segment of a path', ...),
        ("path", "/a/../{id}", '".." is no segment of a path', ...),
        ("path", "/./{id}", '"." is no segment of a path', ...),
        ("path", "/a%20b/{id}", '"a%20b" is no segment of a path', ...),
        ("path", "/a;b/{id}", '"a;b" is no segment of a path', ...),
        ("path", "/a?b=/{id}", '"a?b=" is no segment of a path', ...),
        ("path", "/a/x{id}", '"x{id}" is no segment of a path', ...),
        ("path", "/a/{id}x", '"{id}x" is no segment of a path', ...),
        ("path", "/a/{Id}", '"{Id}" is no segment of a path', ...),
        ("path", "/a/{}/{id}", '"{}" is no segment of a path', ...),
        ("path", "/a/*/{id}", None, None),
        ("path", "/é/{id}", '"é" is no segment of a path', ...),
        ("path", '"/a\\n/{id}"', '"a\\n" is no segment of a path', ...),
        ("path", "/{id}/{id}", "`{id}` stands in this path twice", "give each capture its own name"),
        ("path", "/a/{other}", "the path does not capture `{id}`", "capture a segment of the path by this name"),
        ("action", "view", "`routes[0].action`: expected `::` and the id of an entity of type `view`, found", ...),
        ("action", "'A::B::\"v\"'", '`A::B::"v"` is no action', 'write it as in `Procurement::Action::"viewOrder"`'),
        ("action", "'Action::\"{id}\"'", "an action holds no capture", "write a route for each action"),
        ("resource", "'B::{id}'", "`routes[0].resource`: expected an identifier or an id in double quotes", ...),
        ("resource", "'B::\"{ID}\"'", "a brace in the id is no part of a capture", "write a capture as `{name}`"),
        ("resource", "'B::\"{id\"'", "a brace in the id is no part of a capture", "write a capture as `{name}`"),
        ("resource", "'B::\"{{id}}\"'", "a brace in the id is no part of a capture", "write a capture as `{name}`"),
        ("resource", "'B::\"{id}{id}\"'", "two captures have no `/` between them", "write `{a}/{b}`"),
        ("resource", "'B::\"{id}-{id}\"'", "two captures have no `/` between them", "write `{a}/{b}`"),
        ("resource", "'B::\"{id}/{id}-{id}\"'", "two captures have no `/` between them", "write `{a}/{b}`"),
    ],
)
def test_routes_that_are_refused(key: str, value: str, message: str | None, help: object) -> None:
    text = _one(**{key: value})
    if message is None:
        read(text)
        return
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.message.startswith(message)
    where = "resource" if message.startswith("the path does not capture") else key
    assert caught.value.position is not None
    assert caught.value.position.line == 2 + list(GOOD).index(where)
    assert caught.value.position.column >= 5 + len(where)
    if help is not ...:
        assert caught.value.help == help
    assert help is None or caught.value.help


@pytest.mark.parametrize("key", GOOD)
def test_every_key_is_required(key: str) -> None:
    text = "routes:\n- " + "\n  ".join(f"{name}: {value}" for name, value in GOOD.items() if name != key)
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.message == f"`{key}` is missing"
    assert caught.value.position == Position(2, 3)


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("routes: {}", "`routes` must be a list, found a mapping", (1, 9)),
        ("routes: [5]", "`routes[0]` must be a mapping, found `5`", (1, 10)),
        ("route: []", "`routes` is missing", (1, 1)),
        ("routes: []\nversion: 1", 'unknown key "version"', (2, 1)),
        ("[]", "the document must be a mapping, found a list", (1, 1)),
        (_one() + "  methods: GET\n", 'unknown key "methods"', (7, 3)),
    ],
)
def test_the_form_of_the_file(text: str, message: str, at: tuple[int, int]) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert (caught.value.message, caught.value.position) == (message, Position(*at))


def test_a_duplicate_names_the_first_one() -> None:
    with pytest.raises(DocumentError) as caught:
        read(written("/a", "/b/{x}", "/b/{y}"))
    assert caught.value.message == "this route is there already"
    assert caught.value.help == "the first one is at routes.yaml:3"
    assert caught.value.position == Position(4, 3)


def test_an_ambiguity_names_the_other_one() -> None:
    with pytest.raises(DocumentError) as caught:
        read(written("/{a}/b", "/a/{b}"))
    assert caught.value.message == "one request could match this route and another one"
    assert caught.value.help == "the other one is at routes.yaml:2; make one of them literal where the other one is"


def test_the_same_path_of_another_method_or_host_is_no_duplicate() -> None:
    read(_one() + _one(method="PUT").removeprefix("routes:\n") + _one(host="i.example").removeprefix("routes:\n"))
    with pytest.raises(DocumentError, match="there already"):
        read(_one() + _one(host="H.Example").removeprefix("routes:\n"))


def test_many_routes_are_not_compared_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def pick(segments: tuple[str | None, ...], positions: tuple[int, ...]) -> tuple[str | None, ...]:
        nonlocal compared
        compared += 1
        return tuple(segments[position] for position in positions)

    monkeypatch.setattr("pdp.inventory.routes._pick", pick)
    read(written(*(path for number in range(300) for path in (f"/a{number}/{{b}}/y", f"/b{number}/x/{{c}}"))))
    assert 600 < compared < 6_000  # in pairs it would be 90,000


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(TABLE)
    config = InventoryConfig(tmp_path / "routes.yaml")
    assert load_routes(config, SCHEMA).match("GET", HOST, "/orders/1", NOW) == order("1")
    with pytest.raises(DocumentError, match="cannot read the file"):
        load_routes(InventoryConfig(tmp_path / "missing.yaml"), SCHEMA)


def test_damaged_tables_raise_only_our_errors_and_matching_raises_nothing() -> None:
    rng = random.Random(20261124)
    loaded = [read(TABLE)]
    for data in damaged(rng, [TABLE.encode(), _one().encode()], "{}/:'\"\\%-GET\n é", rounds(800)):
        text = data.decode("utf-8", "replace")
        error = refusal(lambda: loaded.append(read(text)))  # noqa: B023  called at once
        assert error is None or (error.position is not None and error.render())
    assert len(loaded) > 20
    alphabet = "GET/orders%2eF.:;?[]é\0\ud800 "
    for _ in range(rounds(20_000)):
        method, host, path = ("".join(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(3))
        route = rng.choice(loaded).match(
            rng.choice((method, "GET")), rng.choice((host, HOST)), rng.choice((path, "/orders/" + path)), NOW
        )
        assert isinstance(route, Route)
