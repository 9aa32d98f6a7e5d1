"""The official cases: policies, a schema, entities, and requests with the answers they must have."""

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from shared_data import shared_data

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Link, Policy, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Response
from pdp.cedar.schema.conform import check_request
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.text.policies import parse_policies, parse_policy_set
from pdp.cedar.wire.entities import read_entities
from pdp.cedar.wire.strict_json import parse_json
from pdp.cedar.wire.values import parse_record, read_entity_uid
from pdp.compiler.program import compile_policies
from pdp.evaluate.authorize import authorize


@dataclass(frozen=True)
class Expected:
    """What a response must be. The official cases name the policies that fail; the use cases only count them."""

    decision: str
    reasons: frozenset[str]
    errors: frozenset[str] | int

    def __str__(self) -> str:
        failing = self.errors if isinstance(self.errors, int) else sorted(self.errors)
        return f"{self.decision} by {sorted(self.reasons)}, failing {failing}"

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Expected":
        """The answer that a request of a case comes with."""
        errors = request["errors"]
        return cls(
            request["decision"], frozenset(request["reason"]), errors if isinstance(errors, int) else frozenset(errors)
        )

    def is_met_by(self, response: Response) -> bool:
        """Whether a response is the expected one."""
        errors = len(response.errors) if isinstance(self.errors, int) else response.erroring
        return (self.decision, self.reasons, self.errors) == (response.decision.value, response.reasons, errors)


@dataclass(frozen=True)
class Answered:
    """Policies and entities, with requests and their answers."""

    name: str
    policies: PolicySet
    entities: Entities
    requests: tuple[tuple[Request, Expected], ...]


@dataclass(frozen=True)
class Case(Answered):
    """An official case, read. `validates`: whether strict validation must pass."""

    schema: Schema
    validates: bool


def read_case(name: str, document: Mapping[str, Any], file: Callable[[str], str]) -> Case:
    """A case as the procedure of the official tests has it: entities, contexts and requests are read by the schema."""
    schema = parse_schema(Source(document["schema"], file(document["schema"])))
    return Case(
        name,
        parse_policy_set(Source(document["policies"], file(document["policies"]))),
        read_entities_with_schema(Source(document["entities"], file(document["entities"])), schema),
        tuple((_request(request, schema), Expected.of(request)) for request in document["requests"]),
        schema,
        document["shouldValidate"],
    )


def _request(request: Mapping[str, Any], schema: Schema) -> Request:
    principal, action, resource = (read_entity_uid(request[part]) for part in ("principal", "action", "resource"))
    context = parse_context(Source("context", json.dumps(request["context"])), schema, action)
    made = Request(principal, action, resource, context)
    if request.get("validateRequest", True):
        check_request(schema, made)
    return made


def failures(case: Answered) -> Iterator[str]:
    """Every answer of the interpreter or of a compiled program that is not the expected one.

    Where the schema allows the request, the program that has code by the schema answers as well.
    """
    program, schema = compile_policies(case.policies), case.schema if isinstance(case, Case) else None
    by_schema = compile_policies(case.policies, schema)
    if schema is not None:
        by_schema.prepare(schema, case.entities)
    for number, (request, expected) in enumerate(case.requests):
        answers = {
            "interpreter": authorize(request, case.policies, case.entities),
            "compiled": program.authorize(request, case.entities),
        }
        if schema is not None and schema.accepts_request(request):
            answers["by schema"] = by_schema.authorize(request, case.entities)
        for engine, response in answers.items():
            if not expected.is_met_by(response):
                yield f"{case.name}, request {number}, {engine}: expected {expected}, got {response}"


def handwritten() -> dict[str, Path]:
    """The handwritten cases by name."""
    folder = shared_data("cedar/handwritten/tests")
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.json"))}


@cache
def corpus() -> Mapping[str, bytes]:
    """The files of the official corpus by name, all of them: some 50 MB."""
    with tarfile.open(shared_data("cedar/corpus-tests-4.10.tar.gz")) as archive:
        files = ((Path(member.name).name, archive.extractfile(member)) for member in archive if member.isfile())
        return {name: file.read() for name, file in files if file is not None}


def corpus_case(name: str) -> Case:
    """A case of the corpus by its name, `<id>.json`."""
    files = corpus()
    return read_case(name, json.loads(files[name]), lambda path: files[Path(path).name].decode())


def corpus_names() -> list[str]:
    """The names of all cases of the corpus, sorted."""
    return sorted(name for name in corpus() if name.endswith(".json") and not name.endswith(".entities.json"))


def use_cases() -> dict[str, Path]:
    """The folders of the use cases by name."""
    folder = shared_data("cedar/use-cases")
    return {str(path.parent.relative_to(folder)): path.parent for path in sorted(folder.rglob("policies.cedar"))}


def read_use_case(folder: Path) -> Answered:
    """A use case; policies and templates are known by their `@id`, as the language's command line has it."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    schema = parse_schema(_source(folder / "policies.cedarschema"))
    policies = PolicySet(
        (
            replace(policy, id=policy.annotations.get("id") or policy.id)
            for policy in parse_policies(_source(folder / "policies.cedar"))
        ),
        _links(folder / "template_links.json"),
    )
    typed = expected["useSchemaForEntitiesAndRequest"]
    entities = _source(folder / "entities.json")
    if typed:
        store = read_entities_with_schema(entities, schema)
    else:
        store = Entities((*read_entities(parse_json(entities), entities), *schema.action_entities()))
    requests = tuple(
        (_asked(folder / row["file"], schema if typed else None), Expected.of(row)) for row in expected["requests"]
    )
    return Answered(folder.name, policies, store, requests)


def _known_by_annotation(policy: Policy) -> Policy:
    return replace(policy, id=policy.annotations.get("id") or policy.id)


def _asked(path: Path, schema: Schema | None) -> Request:
    written = json.loads(path.read_text(encoding="utf-8"))
    principal, action, resource = (parse_entity_uid(written[part]) for part in ("principal", "action", "resource"))
    context = Source(str(path), json.dumps(written["context"]))
    if schema is None:
        return Request(principal, action, resource, parse_record(context))
    request = Request(principal, action, resource, parse_context(context, schema, action))
    check_request(schema, request)
    return request


def _links(path: Path) -> list[Link]:
    written = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        Link(
            link["link_id"],
            link["template_id"],
            {Slot(slot): parse_entity_uid(uid) for slot, uid in link["args"].items()},
        )
        for link in written
    ]


def _source(path: Path) -> Source:
    return Source(path.name, path.read_bytes().decode())
