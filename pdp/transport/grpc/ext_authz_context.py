"""What policies see of a request that Envoy asks about: what the configuration names, typed by the schema.

Made once for each schema (`ContextPlan`), so that a request pays for what its action declares and for nothing else.

    what a source has           an attribute's type may be
    a text                      String, Long (`-12`), Bool (`true`), decimal, ipaddr, datetime, duration, an entity type
                                (the text is the id)
    several texts (a header,    the same for one of them, more are refused; or `Set<..>` of it for all
    a query parameter)
    body:partial                Bool
    body:json, metadata         a record: `body:json` with exactly the declared fields, of metadata the declared ones
    a certificate               a record of what `peer_certificates` knows

A source that has nothing leaves its attribute absent; what is there and does not fit is refused, never left out.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext import datetime, decimal, duration
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType, Type, show
from pdp.cedar.schema.typing import read_fields
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.cedar.wire.strict_json import FormError, Json
from pdp.config.ext_authz import ContextSource, ExtAuthzConfig, Kind
from pdp.engine.enrich import OWNED
from pdp.inventory.vocabulary import API
from pdp.transport.errors import CallRefused, MessageError
from pdp.transport.grpc.ext_authz_request import AskedRequest, content_type, peer_certificate
from pdp.transport.grpc.ext_authz_structs import declared_fields, read_struct
from pdp.transport.http.json_body import parse_object
from pdp.transport.http_request import read_ip
from pdp.transport.peer_certificates import CERTIFICATE_FIELDS, certificate_facts

Reader: TypeAlias = Callable[[AskedRequest], Value | None]
"""The value of an attribute, None if there is nothing. Raises CallRefused."""

_Texts: TypeAlias = Callable[[AskedRequest], Iterable[str]]
_Plan: TypeAlias = tuple[tuple[str, Reader], ...]

_LONG: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")


class Misfit(CallRefused):
    """A part of the request is not of the type that the schema declares for it."""

    code = "call_misfit"


class _NoReader(Exception):
    """A source can never have a value of that type; the text says what it could be."""


@final
class ContextPlan:
    """Reads the configured attributes of the context, as one schema declares them."""

    def __init__(self, config: ExtAuthzConfig, schema: Schema) -> None:
        """Raises DocumentError, with its place in the configuration, for a source that does not fit the schema."""
        self.schema: Final = schema
        self._config = config
        self._plans: Final[Mapping[EntityUID, _Plan]] = self._plan_all()

    def read(self, action: EntityUID, asked: AskedRequest) -> dict[str, Value]:
        """The attributes that the action declares and the request has. Raises CallRefused."""
        found = {}
        for name, read in self._plans.get(action, ()):
            value = read(asked)
            if value is not None:
                found[name] = value
        return found

    def _plan_all(self) -> Mapping[EntityUID, _Plan]:
        _refuse_owned(self._config)
        readers: dict[tuple[str, int], Reader | None] = {}
        plans = {}
        for uid, action in self.schema.actions.items():
            plan = []
            for name, source in self._config.context.items():
                declared = action.context.attributes.get(name)
                if declared is None:
                    continue
                known = (name, id(declared.type))  # actions share their types, and a large one is walked once
                if known not in readers:
                    readers[known] = _reader(name, source, declared.type, uid, self._config)
                if (reader := readers[known]) is not None:
                    plan.append((name, reader))
            plans[uid] = tuple(plan)
        _refuse_unknown(self._config, {name for name, _ in readers})
        return plans


def _refuse_owned(config: ExtAuthzConfig) -> None:
    for name, source in config.context.items():
        if source.node is not None and (name in OWNED or name == API):
            source.node.refuse_key(f"`context.{name}` is written by the decision point alone")


def _refuse_unknown(config: ExtAuthzConfig, declared: set[str]) -> None:
    for name, source in config.context.items():
        if source.node is not None and name not in declared:
            source.node.refuse_key(
                f"the schema declares `context.{name}` for no action", "declare it, or remove it from here"
            )


def _reader(name: str, source: ContextSource, type: Type, action: EntityUID, config: ExtAuthzConfig) -> Reader | None:
    """How a source is read as a type. A default that the schema uses for something else is not read at all."""
    try:
        return _READERS[source.kind](source, type, config)
    except _NoReader as error:
        if source.node is None:
            return None
        source.node.refuse(
            f"`{source}` cannot be {show(type)}, which the schema declares for `context.{name}` of `{action}`",
            f"it can be {error}",
        )


def _texts(texts: _Texts, what: str, type: Type, *, several: bool) -> Reader:
    """Reads texts as a type. `what` is what messages call them."""
    if several and isinstance(type, SetType):
        element = _converter(type.element, what, f"a text, a set of texts, {_TEXTUAL}")

        def read_set(asked: AskedRequest) -> Value | None:
            found = [element(text) for text in texts(asked)]
            return Set(found) if found else None

        return read_set
    one = _converter(type, what, f"{'a set of texts, ' if several else ''}{_TEXTUAL}")

    def read(asked: AskedRequest) -> Value | None:
        found = None
        for text in texts(asked):
            if found is not None:
                raise Misfit(f"{what} is there more than once")
            found = text
        return None if found is None else one(found)

    return read


_TEXTUAL: Final = "String, Long, Bool, decimal, ipaddr, datetime, duration or an entity type"


def _converter(type: Type, what: str, choices: str) -> Callable[[str], Value]:
    match type:
        case PrimitiveType.STRING:
            return str
        case ReferenceType(entity_type):
            return lambda text: EntityUID(entity_type, text)
        case PrimitiveType() | ExtensionType():
            parse = _PARSERS[type]
        case SetType() | RecordType():
            raise _NoReader(choices)

    def convert(text: str) -> Value:
        value = parse(text)
        if value is None:
            raise Misfit(f"{what} is no {show(type)}")
        return value

    return convert


def _long(text: str) -> int | None:
    number = int(text) if _LONG.fullmatch(text) else None
    return number if number is not None and LONG_MIN <= number <= LONG_MAX else None


def _extension(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    def parsed(text: str) -> Value | None:
        try:
            return parse(text)
        except EvaluationError:
            return None

    return parsed


_PARSERS: Final[Mapping[Type, Callable[[str], Value | None]]] = {
    PrimitiveType.LONG: _long,
    PrimitiveType.BOOL: {"true": True, "false": False}.get,
    ExtensionType.DECIMAL: _extension(decimal.parse),
    ExtensionType.IPADDR: read_ip,
    ExtensionType.DATETIME: _extension(datetime.parse),
    ExtensionType.DURATION: _extension(duration.parse),
}


def _some(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _field(get: Callable[[AskedRequest], str]) -> "_Factory":
    """A source of one text, absent when it is empty."""

    def factory(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
        return _texts(lambda asked: _some(get(asked)), f"`{source}`", type, several=False)

    return factory


def _header(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    return _texts(lambda asked: asked.header(source.name), f"the header `{source.name}`", type, several=True)


def _query(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    what = f"the query parameter `{source.name}`"
    return _texts(lambda asked: asked.parameter(source.name), what, type, several=True)


def _extension_of_route(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    def texts(asked: AskedRequest) -> tuple[str, ...]:
        text = asked.attributes.context_extensions.get(source.name)
        return () if text is None else (text,)

    return _texts(texts, f"the context extension `{source.name}`", type, several=False)


def _peer(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    end = source.kind.value
    match source.name:
        case "certificate":
            return _certificate(lambda asked: peer_certificate(getattr(asked.attributes, end)), type)
        case "address":
            return _address(end, type)
        case _:
            return _texts(
                lambda asked: _some(getattr(asked.attributes, end).principal), f"`{source}`", type, several=False
            )


def _address(end: str, type: Type) -> Reader:
    def text(asked: AskedRequest) -> str:
        return str(getattr(asked.attributes, end).address.socket_address.address)

    if type is ExtensionType.IPADDR:
        return lambda asked: read_ip(text(asked))  # what is none (a unix socket) says nothing
    if type is PrimitiveType.STRING:
        return lambda asked: text(asked) or None
    raise _NoReader("ipaddr or String")


def _client(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    if source.name == "certificate":
        return _certificate(lambda asked: asked.client_certificate, type)
    return _texts(lambda asked: _some(asked.client_principal), "the client's principal", type, several=False)


def _certificate(get: Callable[[AskedRequest], bytes | None], type: Type) -> Reader:
    fields = type.attributes if isinstance(type, RecordType) else {"": None}
    if any(field is None or CERTIFICATE_FIELDS.get(name) != field.type for name, field in fields.items()):
        raise _NoReader(
            f"a record of {', '.join(f'{name}: {show(type)}' for name, type in CERTIFICATE_FIELDS.items())}"
        )

    def read(asked: AskedRequest) -> Value | None:
        certificate = get(asked)
        if certificate is None:
            return None
        facts = certificate_facts(certificate).fields
        return Record({name: facts[name] for name in fields})

    return read


def _body(source: ContextSource, type: Type, config: ExtAuthzConfig) -> Reader:
    match source.name:
        case "partial":
            if type is not PrimitiveType.BOOL:
                raise _NoReader("Bool")
            return lambda asked: not asked.body[1]
        case "text":
            if type is not PrimitiveType.STRING:
                raise _NoReader("String")
            return _body_text
        case _:
            if not isinstance(type, RecordType):
                raise _NoReader("a record")
            record, strict = type, config.body.unknown_fields == "refuse"
            return lambda asked: _body_record(asked, record, strict=strict)


def _body_text(asked: AskedRequest) -> Value | None:
    body, _ = asked.body
    try:
        return body.decode("utf-8") or None
    except UnicodeDecodeError:
        raise MessageError("the body is not UTF-8") from None


def _body_record(asked: AskedRequest, type: RecordType, *, strict: bool) -> Value | None:
    body, _ = asked.body
    if not body:
        return None
    media = content_type(asked.headers)
    if not (media[""] == "application/json" or media[""].endswith("+json")) or media.get("charset", "utf-8") != "utf-8":
        raise MessageError("the body is not said to be JSON in UTF-8", help="set `content-type: application/json`")
    return _typed(declared_fields(cast("Json", parse_object(body)), type, "the body", strict=strict), type, "the body")


def _metadata(source: ContextSource, type: Type, _: ExtAuthzConfig) -> Reader:
    if not isinstance(type, RecordType):
        raise _NoReader("a record")
    part = "metadata_context" if source.kind is Kind.METADATA else "route_metadata_context"
    record, what = type, f"the metadata `{source.name}`"

    def read(asked: AskedRequest) -> Value | None:
        known: Any = getattr(asked.attributes, part).filter_metadata
        if source.name not in known:
            return None
        return _typed(read_struct(known[source.name], record, what), record, what)

    return read


def _typed(json: Json, type: RecordType, what: str) -> Record:
    try:
        return read_fields(cast("dict[str, Json]", json), type)
    except FormError as error:
        path = "".join(f".{step}" for step in error.path)
        raise Misfit(f"{what}{path}: {error.message}", help=error.help) from None


_Factory: TypeAlias = Callable[[ContextSource, Type, ExtAuthzConfig], Reader]

_READERS: Final[Mapping[Kind, _Factory]] = {
    Kind.METHOD: _field(lambda asked: asked.http.method),
    Kind.HOST: _field(lambda asked: asked.http.host),
    Kind.PATH: _field(lambda asked: asked.http.path.partition("?")[0]),
    Kind.SCHEME: _field(lambda asked: asked.http.scheme),
    Kind.PROTOCOL: _field(lambda asked: asked.http.protocol),
    Kind.SNI: _field(lambda asked: asked.attributes.tls_session.sni),
    Kind.HEADER: _header,
    Kind.QUERY: _query,
    Kind.BODY: _body,
    Kind.SOURCE: _peer,
    Kind.DESTINATION: _peer,
    Kind.CLIENT: _client,
    Kind.EXTENSION: _extension_of_route,
    Kind.METADATA: _metadata,
    Kind.ROUTE_METADATA: _metadata,
}
"""How each kind of source is read; total."""
