"""The form of AuthZEN requests (sections "Information Model", "Access Evaluations API", "Search APIs").

What is required must be there and of its type, whatever is not known is ignored, and nothing else is believed or
looked at here. Paths in messages are those of the request: `evaluations[2].resource.id`.
"""

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeVar, final

from pdp.cedar.wire.values import describe
from pdp.transport.errors import MessageError
from pdp.transport.http.json_body import JsonObject, JsonValue

MAX_EVALUATIONS: Final = 1_000
"""Evaluations in one request."""

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Thing:
    """A subject or resource. `id` is "" for the one that a search looks for."""

    type: str
    id: str
    properties: JsonObject = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Act:
    """An action."""

    name: str
    properties: JsonObject = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Evaluation:
    """One question."""

    subject: Thing
    action: Act
    resource: Thing
    context: JsonObject = field(default_factory=dict)


@unique
class Semantic(Enum):
    """How far several evaluations are executed."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@final
@dataclass(frozen=True, slots=True)
class Evaluations:
    """Several questions in their order; what is wrong with one stands in its place. `single` is a request without a
    list, which is answered as one evaluation is.
    """

    items: tuple[Evaluation | MessageError, ...]
    semantic: Semantic = Semantic.EXECUTE_ALL
    single: bool = False


def read_evaluation(body: JsonObject) -> Evaluation:
    """The one question of a request. Raises MessageError."""
    return _evaluation(body, {}, "")


def read_evaluations(body: JsonObject) -> Evaluations:
    """The questions of a request. Raises MessageError for what is wrong with all of them."""
    semantic = _semantic(body)
    items = _optional(body, "evaluations", list, "")
    if not items:
        return Evaluations((read_evaluation(body),), semantic, single=True)
    if len(items) > MAX_EVALUATIONS:
        raise MessageError(f"`evaluations` has more than {MAX_EVALUATIONS} elements")
    for name, read in _DEFAULTS.items():
        if name in body:
            read(body, name, "")
    return Evaluations(tuple(_item(item, body, f"evaluations[{index}].") for index, item in enumerate(items)), semantic)


@unique
class Kind(Enum):
    """What a search looks for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@final
@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the results is asked for. `limit` is None where the request leaves it out."""

    token: str = ""
    limit: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Search:
    """A question with one part left open: what is looked for has an empty id or name, and its properties count for
    nothing.
    """

    kind: Kind
    evaluation: Evaluation
    page: Page


def read_search(body: JsonObject, kind: Kind) -> Search:
    """A search. Raises MessageError."""
    subject = _target(body, "subject") if kind is Kind.SUBJECT else _thing(body, "subject", "")
    action = Act("") if kind is Kind.ACTION else _act(body, "action", "")
    resource = _target(body, "resource") if kind is Kind.RESOURCE else _thing(body, "resource", "")
    evaluation = Evaluation(subject, action, resource, _optional(body, "context", dict, "") or {})
    return Search(kind, evaluation, _page(body))


def _page(body: JsonObject) -> Page:
    page = _optional(body, "page", dict, "") or {}
    limit = _optional(page, "limit", int, "page.")
    if limit is not None and limit < 0:
        raise MessageError("`page.limit` must not be negative")
    _optional(page, "properties", dict, "page.")
    return Page(_optional(page, "token", str, "page.") or "", limit)


def _semantic(body: JsonObject) -> Semantic:
    options = _optional(body, "options", dict, "") or {}
    name = _optional(options, "evaluations_semantic", str, "options.")
    if name is None:
        return Semantic.EXECUTE_ALL
    try:
        return Semantic(name)
    except ValueError:
        known = ", ".join(f"`{semantic.value}`" for semantic in Semantic)
        raise MessageError(f"`options.evaluations_semantic` must be one of {known}") from None


def _item(item: JsonValue, defaults: JsonObject, path: str) -> Evaluation | MessageError:
    try:
        if not isinstance(item, dict):
            raise MessageError(f"`{path[:-1]}` must be an object, found {describe(item)}")
        return _evaluation(item, defaults, path)
    except MessageError as error:
        return error


def _evaluation(body: JsonObject, defaults: JsonObject, path: str) -> Evaluation:
    """INVARIANT: what an item says itself replaces the default whole. Merging properties would let a resource pass for
    another one.
    """

    def said(name: str) -> tuple[JsonObject, str, str]:
        return (defaults, name, "") if name in defaults and name not in body else (body, name, path)

    return Evaluation(
        _thing(*said("subject")), _act(*said("action")), _thing(*said("resource")), _context(*said("context"))
    )


def _thing(body: JsonObject, name: str, path: str) -> Thing:
    thing, here = _required(body, name, dict, path), f"{path}{name}."
    type_, id = _required(thing, "type", str, here), _required(thing, "id", str, here)
    return Thing(type_, id, _optional(thing, "properties", dict, here) or {})


def _target(body: JsonObject, name: str) -> Thing:
    """What a search looks for: its id is ignored, whatever it is."""
    thing, here = _required(body, name, dict, ""), f"{name}."
    _optional(thing, "properties", dict, here)
    return Thing(_required(thing, "type", str, here), "")


def _act(body: JsonObject, name: str, path: str) -> Act:
    action, here = _required(body, name, dict, path), f"{path}{name}."
    return Act(_required(action, "name", str, here), _optional(action, "properties", dict, here) or {})


def _context(body: JsonObject, name: str, path: str) -> JsonObject:
    return _optional(body, name, dict, path) or {}


_DEFAULTS: Final = {"subject": _thing, "action": _act, "resource": _thing, "context": _context}


def _required(body: JsonObject, name: str, kind: type[T], path: str) -> T:
    value = _optional(body, name, kind, path)
    if value is None:
        raise MessageError(f"`{path}{name}` is missing")
    return value


def _optional(body: JsonObject, name: str, kind: type[T], path: str) -> T | None:
    """The value under a name, None if the name is not there. `null` is a value, and of no type that is wanted."""
    if name not in body:
        return None
    value = body[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MessageError(f"`{path}{name}` must be {_NAMES[kind]}, found {describe(value)}")
    return value


_NAMES: Final = {str: "a string", int: "an integer", list: "an array", dict: "an object"}
