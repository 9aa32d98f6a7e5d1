"""The cases of a corpus (`cedar-testing: integration_testing.rs`: JsonTest, JsonRequest). Unknown keys are refused.

    case     {"policies": file, "policyFormat"?: format, "schema": file, "schemaFormat"?: format, "entities": file,
              "shouldValidate": flag, "requests": [request, ..]}
    request  {"description": text, "principal": uid, "action": uid, "resource": uid, "context": {..},
              "validateRequest"?: flag, "decision": "allow" or "deny", "reason": [id, ..], "errors": [id, ..]}
    format   "cedar" or "json", the former when it is absent

Files are named from the corpus's root on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path, PurePosixPath
from typing import Final, final

from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import read_entity_uid
from pdp.conformance.files import CorpusError, Files, open_corpus
from pdp.documents import Node, parse_json_document

_DATA: Final = (".entities.json", ".cedar.json", ".cedarschema.json")
"""How the names of JSON files end that are no cases."""

_MARKS: Final = frozenset(("shouldValidate", "requests"))
"""Keys of a case. A document with one of them is one, and must be right; a document with none is something else."""


@unique
class Format(Enum):
    """How policies or a schema are written."""

    TEXT = "cedar"
    JSON = "json"


@final
@dataclass(frozen=True, slots=True)
class CaseRequest:
    """A request and the answer that is expected. A request that is not `checked` need not fit the schema."""

    name: str
    principal: EntityUID
    action: EntityUID
    resource: EntityUID
    context: Json
    checked: bool
    decision: Decision
    reasons: frozenset[str]
    errors: frozenset[str]


@final
@dataclass(frozen=True, slots=True)
class Case:
    """A case with the texts that it names, not yet read. `id` is its file's name without `.json`."""

    id: str
    policies: Source
    policy_format: Format
    schema: Source
    schema_format: Format
    entities: Source
    valid: bool
    requests: tuple[CaseRequest, ...]


def load_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a folder or an archive, in the order of their names.

    Raises CorpusError, and JsonError or DocumentError for a file that is no JSON or no case; with a place.
    """
    files = open_corpus(path)
    cases = tuple(_cases(files, path.name))
    if not cases:
        help = "a case is a JSON file with the key `requests`"
        raise CorpusError("there is no case here", source=Source(printable(str(path)), ""), help=help)
    return cases


def _cases(files: Files, root: str) -> Iterator[Case]:
    for name in sorted(files):
        if name.endswith(".json") and not name.endswith(_DATA):
            document = parse_json_document(files[name]())
            if isinstance(document.value, dict) and document.value.keys() & _MARKS:
                yield _case(name.removesuffix(".json"), document, files, root)


def _case(id: str, document: Node, files: Files, root: str) -> Case:
    with document.table() as table:
        return Case(
            id,
            _file(table.require("policies"), files, root),
            _format(table.get("policyFormat")),
            _file(table.require("schema"), files, root),
            _format(table.get("schemaFormat")),
            _file(table.require("entities"), files, root),
            table.require("shouldValidate").flag(),
            tuple(_request(node, index) for index, node in enumerate(table.require("requests").items())),
        )


def _request(node: Node, index: int) -> CaseRequest:
    with node.table() as table:
        checked = table.get("validateRequest")
        return CaseRequest(
            f"request {index}: {_string(table.require('description'))}",
            _entity(table.require("principal")),
            _entity(table.require("action")),
            _entity(table.require("resource")),
            table.require("context").value,
            True if checked is None else checked.flag(),
            Decision(table.require("decision").choice([decision.value for decision in Decision])),
            frozenset(map(_string, table.require("reason").items())),
            frozenset(map(_string, table.require("errors").items())),
        )


def _file(node: Node, files: Files, root: str) -> Source:
    name = PurePosixPath(node.text())
    # Who gives the folder `corpus-tests` itself finds names that begin with it.
    read = files.get(name.as_posix()) or files.get(name.as_posix().removeprefix(f"{root}/"))
    if read is None:
        node.refuse(f"{node.name} names a file that the corpus does not hold", "files are named from its root on")
    return read()


def _format(node: Node | None) -> Format:
    return Format.TEXT if node is None else Format(node.choice([format.value for format in Format]))


def _entity(node: Node) -> EntityUID:
    with node.located():
        return read_entity_uid(node.value)


def _string(node: Node) -> str:
    return node.value if isinstance(node.value, str) else node.text()
