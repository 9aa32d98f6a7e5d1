"""What becomes of a case: it is read, validated and decided in four ways, and each answer compared with the expected.

The procedure is that of the reference implementation: entities and contexts are read with the schema and must conform
to it, the schema's actions are part of the store, and validation is strict. Whatever this implementation refuses to
read of a case is a disagreement as well: its author says that there is an answer.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import Final, TypeAlias, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError, PrintError
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Response
from pdp.cedar.schema.conform import check_request
from pdp.cedar.schema.json_form import parse_json_fragment
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.syntax import Fragment
from pdp.cedar.schema.text import parse_fragment
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.policies import parse_policy_set as parse_text_policies
from pdp.cedar.text.printer import print_policies
from pdp.cedar.validate.findings import Severity
from pdp.cedar.validate.validator import Validator
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.policies import parse_policy_set as parse_json_policies
from pdp.cedar.wire.policies import write_policy_set
from pdp.cedar.wire.strict_json import Json
from pdp.compiler.program import compile_policies
from pdp.conformance.cases import Case, CaseRequest, Format
from pdp.evaluate.authorize import authorize


@unique
class Way(Enum):
    """How an answer comes about.

    The compiled program is what a decision point has: code by the schema, made beforehand. After a round trip, and for
    requests that are not checked, it is the program as it is without a schema.
    """

    INTERPRETED = "interpreter"
    COMPILED = "compiled program"
    TEXT = "text round trip"
    JSON = "JSON round trip"


@unique
class Part(Enum):
    """What is compared. The first three are asked of every request, validation of every case."""

    DECISION = "decision"
    REASONS = "reasons"
    ERRORS = "errors"
    VALIDATION = "validation"


ANSWER: Final = (Part.DECISION, Part.REASONS, Part.ERRORS)
"""The parts of the answer to a request."""


@final
@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that is not the expected one. `request` is empty where the case as a whole is meant."""

    case: str
    request: str
    way: Way
    part: Part
    expected: str
    got: str


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case; everything agreed but what stands here."""

    requests: int
    disagreements: tuple[Disagreement, ...]


@final
@dataclass(frozen=True, slots=True)
class _World:
    """What a case is about."""

    fragment: Fragment
    schema: Schema
    policies: PolicySet
    entities: Entities


_Decide: TypeAlias = Callable[[Request, bool], Response]
"""The answer to a request; and whether the schema allows it."""
_Engine: TypeAlias = Callable[[_World], _Decide]


def _interpreter(world: _World) -> _Decide:
    return lambda request, _: authorize(request, world.policies, world.entities)


def _compiled(world: _World) -> _Decide:
    program = compile_policies(world.policies)
    return lambda request, _: program.authorize(request, world.entities)


def _compiled_by_schema(world: _World) -> _Decide:
    by_schema, without = compile_policies(world.policies, world.schema), compile_policies(world.policies)
    by_schema.prepare(world.schema, world.entities)
    return lambda request, checked: (by_schema if checked else without).authorize(request, world.entities)


def run_case(case: Case) -> Outcome:
    """Whether all four ways give what the case expects. An exception is a defect, and says which case it was."""
    try:
        return Outcome(len(case.requests), tuple(_disagreements(case)))
    except Exception as defect:
        defect.add_note(f"in the case {case.id}")
        raise


def _disagreements(case: Case) -> Iterator[Disagreement]:
    try:
        world = _read(case)
    except CedarError as error:
        for way in Way:
            yield from _refused(case, way, error)
        return
    yield from _compared(case, world, {Way.INTERPRETED: _interpreter, Way.COMPILED: _compiled_by_schema})
    for way, trip in ((Way.TEXT, _through_text), (Way.JSON, _through_json)):
        try:
            travelled = trip(case, world)
        except CedarError as error:
            yield from _refused(case, way, error)
        else:
            yield from _compared(case, travelled, {way: _compiled})


def _read(case: Case) -> _World:
    fragment = _READ_SCHEMA[case.schema_format](case.schema)
    schema = resolve(fragment)
    policies = _READ_POLICIES[case.policy_format](case.policies)
    return _World(fragment, schema, policies, read_entities_with_schema(case.entities, schema))


_READ_SCHEMA: Final = {Format.TEXT: parse_fragment, Format.JSON: parse_json_fragment}
_READ_POLICIES: Final = {Format.TEXT: parse_text_policies, Format.JSON: parse_json_policies}


def _through_text(case: Case, world: _World) -> _World:
    """Policies, and a schema that was text, printed and read again. Text has no ids and no links: they are kept."""
    policies = (*world.policies.static.values(), *world.policies.templates.values())
    read = parse_policies(Source(f"{case.policies.name}, printed", print_policies(policies)))
    if len(read) != len(policies):
        raise PrintError(f"of {len(policies)} policies that were printed, {len(read)} were read again")
    named = [replace(policy, id=original.id) for policy, original in zip(read, policies, strict=True)]
    fragment = world.fragment
    if case.schema_format is Format.TEXT:  # JSON can say more than text
        fragment = parse_fragment(Source(f"{case.schema.name}, printed", print_schema(fragment)))
    policy_set = PolicySet(named, world.policies.links.values())
    return _World(fragment, resolve(fragment), policy_set, world.entities)


def _through_json(case: Case, world: _World) -> _World:
    """Policies, schema and entities written as JSON and read again."""

    def written(source: Source, document: Json) -> Source:
        return Source(f"{source.name}, written as JSON", json.dumps(document, ensure_ascii=False))

    fragment = parse_json_fragment(written(case.schema, write_json_schema(world.fragment)))
    schema = resolve(fragment)
    policies = parse_json_policies(written(case.policies, write_policy_set(world.policies)))
    entities = read_entities_with_schema(written(case.entities, write_entities(world.entities)), schema)
    return _World(fragment, schema, policies, entities)


def _compared(case: Case, world: _World, engines: Mapping[Way, _Engine]) -> Iterator[Disagreement]:
    findings = Validator(world.schema).findings(world.policies)
    valid = not any(finding.severity is Severity.ERROR for finding in findings)
    if valid != case.valid:
        for way in engines:
            yield Disagreement(case.id, "", way, Part.VALIDATION, _validity(case.valid), _validity(valid))
    deciders = [(way, engine(world)) for way, engine in engines.items()]
    for expected in case.requests:
        try:
            request = _request(expected, world.schema)
        except CedarError as error:
            for way in engines:
                yield from _unanswered(case, expected, way, error)
            continue
        for way, decide in deciders:
            yield from _differences(case, expected, way, decide(request, expected.checked))


def _request(expected: CaseRequest, schema: Schema) -> Request:
    context = parse_context(Source("the context", json.dumps(expected.context)), schema, expected.action)
    request = Request(expected.principal, expected.action, expected.resource, context)
    if expected.checked:
        check_request(schema, request)
    return request


def _differences(case: Case, expected: CaseRequest, way: Way, got: Response) -> Iterator[Disagreement]:
    if got.decision is not expected.decision:
        words = expected.decision.value, got.decision.value
        yield Disagreement(case.id, expected.name, way, Part.DECISION, *words)
    if got.reasons != expected.reasons:
        words = _listed(expected.reasons), _listed(got.reasons)
        yield Disagreement(case.id, expected.name, way, Part.REASONS, *words)
    if got.erroring != expected.errors:
        words = _listed(expected.errors), _listed(got.erroring)
        yield Disagreement(case.id, expected.name, way, Part.ERRORS, *words)


def _refused(case: Case, way: Way, error: CedarError) -> Iterator[Disagreement]:
    yield Disagreement(case.id, "", way, Part.VALIDATION, _validity(case.valid), _refusal(error))
    for request in case.requests:
        yield from _unanswered(case, request, way, error)


def _unanswered(case: Case, request: CaseRequest, way: Way, error: CedarError) -> Iterator[Disagreement]:
    for part in ANSWER:
        yield Disagreement(case.id, request.name, way, part, "an answer", _refusal(error))


def _refusal(error: CedarError) -> str:
    return f"refused: {error.render().splitlines()[0]}"


def _validity(valid: bool) -> str:
    return "valid" if valid else "invalid"


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids)) or "none"
