"""Test cases of a bundle, from the YAML files of a folder: a question, and what must be answered.

    now: 2026-03-02T10:00:00Z
    cases:
      - name: a buyer reads an order
        principal: User::"ana"
        action: Procurement::Action::"viewOrder"
        resource: Procurement::Order::"4711"
        expect: {decision: allow, reason: allowed, policies: [procurement/view-orders]}

What else a case may say stands at the fields of `Case` and `Expectation`. The context and the claims stay as they are
written: their types are those of the schema, and the runner knows it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, final

from pdp.cedar.ext.duration import DAY
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.cedar.values import EntityUID, brief
from pdp.documents import DocumentError, Node, Table, list_files, parse_yaml, read_source

_FAR: Final = 36_525 * DAY
"""How far (ms) anything in a case may lie from its `now`: a hundred years."""

_HTTP: Final = re.compile(r"([^ /]+) ([^ /]+)(/.*)", re.DOTALL)
_DECISIONS: Final = {decision.value: decision for decision in Decision}


@final
@dataclass(frozen=True, slots=True)
class Authentication:
    """How the principal proved who it is, as a token would say it: `auth: {acr: .., amr: [..], age: 5m}`, all optional.

    `age` is the time since the authentication, in milliseconds.
    """

    acr: str | None
    amr: frozenset[str]
    age: int | None


@final
@dataclass(frozen=True, slots=True)
class Claims:
    """What the credential says of the principal: `claims: {attrs: {..}, groups: ['Group::"buyers"']}`.

    `attrs` is a mapping, in Cedar's JSON format and typed by the schema like a stored entity.
    """

    attrs: Node | None
    groups: tuple[EntityUID, ...]


@final
@dataclass(frozen=True, slots=True)
class CedarQuestion:
    """A question in Cedar's words: `action` and `resource`."""

    action: EntityUID
    resource: EntityUID


@final
@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """A question in HTTP's words, for the route table: `http: GET api.example/orders/4711?all`."""

    method: str
    host: str
    path: str


Question: TypeAlias = CedarQuestion | HttpQuestion


@final
@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be answered: exactly this.

    `reason` is the value of a `ReasonClass` and not yet looked at, `policies` are the ids of those that decided,
    `errors` of those that failed (none unless given), `obligations` are written `kind:argument` (none unless given).
    """

    decision: Decision
    reason: str
    policies: frozenset[str]
    obligations: tuple[str, ...]
    errors: frozenset[str]


@final
@dataclass(frozen=True, slots=True)
class Case:
    """One question at one instant. Times are in milliseconds since 1970 UTC.

    `now` is that of the file, at which facts are loaded; `instant` is the time of the question, which `at: 2h` moves.
    Without `auth` the principal is asserted; `claims` need it. `device` is where the question comes from. `context` is
    what the PEP says of the request, a mapping in Cedar's JSON format. `node` is the whole case, for messages.
    """

    name: str
    now: int
    instant: int
    principal: EntityUID
    auth: Authentication | None
    claims: Claims | None
    device: EntityUID | None
    question: Question
    context: Node | None
    expect: Expectation
    node: Node = field(compare=False, repr=False)


def load_cases(directory: Path) -> tuple[Case, ...]:
    """The cases of all files `*.yaml` of a folder, by file and then in their order. Raises DocumentError, with a place.

    Names are unique in the folder. A folder without a case is refused: a test of nothing would pass.
    """
    first: dict[str, Node] = {}
    cases = []
    for path in list_files(directory, ".yaml"):
        for case in read_cases(read_source(path)):
            other = first.setdefault(case.name, case.node)
            if other is not case.node:
                line = other.source.position(other.span.start).line
                help = f"give each case its own name; the first one is at {other.source.name}:{line}"
                case.node.refuse(f"there are two cases {brief(case.name)}", help)
            cases.append(case)
    if not cases:
        folder = Source(printable(str(directory)), "")
        raise DocumentError("there is no test case here", source=folder, help="write cases in files `*.yaml`")
    return tuple(cases)


def read_cases(source: Source) -> Iterator[Case]:
    """The cases of a text, names not compared. Raises DocumentError, with a place."""
    with parse_yaml(source).table() as table:
        now = table.require("now").instant()
        nodes = table.require("cases").items()
    return (_case(node, now) for node in nodes)


def _case(node: Node, now: int) -> Case:
    with node.table() as table:
        at, auth, claims = table.get("at"), table.get("auth"), table.get("claims")
        device, context = table.get("device"), table.get("context")
        if claims is not None and auth is None:
            claims.refuse_key("`claims` are given without `auth`", "only a credential claims anything: give both")
        return Case(
            name=table.require("name").text(),
            now=now,
            instant=now if at is None else now + at.duration(-_FAR, _FAR),
            principal=table.require("principal").entity(),
            auth=None if auth is None else _auth(auth),
            claims=None if claims is None else _claims(claims),
            device=None if device is None else device.entity(),
            question=_question(table),
            context=None if context is None else _mapping(context),
            expect=_expectation(table.require("expect")),
            node=node,
        )


def _auth(node: Node) -> Authentication:
    with node.table() as table:
        acr, age = table.get("acr"), table.get("age")
        return Authentication(
            acr=None if acr is None else acr.text(),
            amr=frozenset(_texts(table.get("amr"))),
            age=None if age is None else age.duration(-_FAR, _FAR),
        )


def _claims(node: Node) -> Claims:
    with node.table() as table:
        attrs, groups = table.get("attrs"), table.get("groups")
        return Claims(
            attrs=None if attrs is None else _mapping(attrs),
            groups=() if groups is None else tuple(group.entity() for group in groups.items()),
        )


def _question(table: Table) -> Question:
    http = table.get("http")
    if http is None:
        return CedarQuestion(table.require("action").entity(), table.require("resource").entity())
    for name in ("action", "resource"):
        if (other := table.get(name)) is not None:
            other.refuse_key(f"`{name}` is given beside `http`", "the route table says what an HTTP request is about")
    match = _HTTP.fullmatch(http.text())
    if match is None:
        http.refuse(f"{brief(http.text())} is no HTTP request", "write it as in `GET api.example/orders/4711`")
    return HttpQuestion(match[1], match[2], match[3])


def _expectation(node: Node) -> Expectation:
    with node.table() as table:
        return Expectation(
            decision=_DECISIONS[table.require("decision").choice(_DECISIONS)],
            reason=table.require("reason").text(),
            policies=frozenset(_texts(table.require("policies"))),
            obligations=_texts(table.get("obligations")),
            errors=frozenset(_texts(table.get("errors"))),
        )


def _texts(node: Node | None) -> tuple[str, ...]:
    return () if node is None else tuple(item.text() for item in node.items())


def _mapping(node: Node) -> Node:
    node.entries()
    return node
