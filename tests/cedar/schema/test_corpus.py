"""The public corpus: every schema reads, its translation is the Rust one's, and entities and requests conform.

The default run takes a seeded sample of it, the profile `nightly` all.
"""

import json
import random
import tarfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

import pytest
from fuzzing import rounds
from shared_data import shared_data

from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_entity, check_request
from pdp.cedar.schema.json_form import parse_json_fragment, parse_json_schema
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.text import parse_fragment, parse_schema
from pdp.cedar.source import Source
from pdp.cedar.wire.values import read_entity_uid

CASES: Final = 7_809
TRANSLATED: Final = 7_750


@cache
def members(archive: str) -> Mapping[str, bytes]:
    """The files of an archive by name, without their folder; read as they are, since they may hold bare CRs."""
    with tarfile.open(shared_data(f"cedar/{archive}")) as tar:
        files = ((member, tar.extractfile(member)) for member in tar if member.isfile())
        return {PurePosixPath(member.name).name: file.read() for member, file in files if file is not None}


def text(name: str) -> Source:
    return Source(name, members("corpus-tests-4.10.tar.gz")[name].decode())


def sample(ids: list[str], count: int) -> Iterator[str]:
    """Some of the cases, always the same ones; all of them under the profile `nightly`."""
    chosen = random.Random(410).sample(ids, min(rounds(count), len(ids)))
    assert chosen
    yield from chosen


def schema_ids() -> list[str]:
    names = members("corpus-tests-4.10.tar.gz")
    ids = [name.removesuffix(".cedarschema") for name in names if name.endswith(".cedarschema")]
    assert len(ids) == CASES
    return ids


def test_every_schema_text_is_read_and_printed_back() -> None:
    for id in sample(schema_ids(), 800):
        fragment = parse_fragment(text(f"{id}.cedarschema"))
        resolve(fragment)
        assert parse_fragment(Source(id, print_schema(fragment))) == fragment


def test_translations_are_those_of_the_reference_implementation() -> None:
    documents = members("corpus-json-schemas-4.10.tar.gz")
    ids = [name.removesuffix(".cedarschema.json") for name in documents if name.endswith(".json")]
    assert len(ids) == TRANSLATED
    for id in sample(ids, 800):
        document = Source(f"{id}.json", documents[f"{id}.cedarschema.json"].decode())
        fragment = parse_fragment(text(f"{id}.cedarschema"))
        assert write_json_schema(fragment) == json.loads(document.text)
        read = parse_json_fragment(document)
        assert resolve(read) == resolve(fragment)
        assert parse_schema(Source(id, print_schema(read))) == resolve(fragment)
        assert write_json_schema(read) == json.loads(document.text)


def test_entities_and_requests_conform() -> None:
    requests = 0
    for id in sample(schema_ids(), 400):
        schema = parse_schema(text(f"{id}.cedarschema"))
        entities = read_entities_with_schema(text(f"{id}.entities.json"), schema)
        for entity in entities:
            check_entity(schema, entity)
        assert {entity.uid for entity in schema.action_entities()} <= {entity.uid for entity in entities}
        for case in json.loads(text(f"{id}.json").text)["requests"]:
            principal, action, resource = (read_entity_uid(case[name]) for name in ("principal", "action", "resource"))
            context = parse_context(Source(id, json.dumps(case["context"])), schema, action)
            check_request(schema, Request(principal, action, resource, context))
            requests += 1
    assert requests > 2_000


def collect(folder: str, pattern: str) -> list[Path]:
    return sorted(shared_data("cedar").joinpath(folder).rglob(pattern))


@pytest.mark.parametrize("folder, count", [("handwritten", 3), ("use-cases", 6)])
def test_schemas_that_people_wrote(folder: str, count: int) -> None:
    paths = collect(folder, "*.cedarschema")
    assert len(paths) == count
    for path in paths:
        source = Source(path.name, path.read_bytes().decode())
        fragment = parse_fragment(source)
        document = Source(path.name, json.dumps(write_json_schema(fragment)))
        assert parse_fragment(Source(path.name, print_schema(fragment))) == fragment
        assert parse_json_fragment(document) == fragment
        assert parse_json_schema(document) == parse_schema(source)


def test_schemas_of_the_benchmarks() -> None:
    paths = collect("oopsla", "schema.cedarschema.json")
    assert len(paths) == 6
    for path in paths:
        source = Source(path.name, path.read_text(encoding="utf-8"))
        fragment = parse_json_fragment(source)
        again = Source(path.name, json.dumps(write_json_schema(fragment)))
        assert parse_json_fragment(again) == fragment
        assert parse_schema(Source(path.name, print_schema(fragment))) == parse_json_schema(source)
