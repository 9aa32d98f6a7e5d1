"""Random and damaged schemas and data: the Rust engine accepts what ours accepts, and whatever comes in, ours answers.

Where the two differ on purpose: JSON that has an array where an object belongs (see `test_json_form`).
"""

import json
import random
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from fuzzing import damaged, refusal, rounds
from json_mutants import json_mutants
from random_schemas import DataMaker, random_fragment
from rust_schemas import RustSchema, accepts_json, accepts_text, dump
from texts import mutants

from pdp.cedar.errors import CedarError
from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_request
from pdp.cedar.schema.faults import entity_faults, request_faults
from pdp.cedar.schema.json_form import parse_json_fragment, parse_json_schema
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.syntax import Fragment
from pdp.cedar.schema.text import parse_fragment, parse_schema
from pdp.cedar.schema.typing import SchemaTyping
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import read_entities
from pdp.cedar.wire.strict_json import parse_json
from pdp.cedar.wire.values import parse_record

CASES: Final = Path(__file__).parent / "cases"


def cases(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return loaded


TEXTS: Final = [*cases("accepted.yaml").values(), *(case["text"] for case in cases("refused.yaml").values())]
DOCUMENTS: Final = [json.loads(text) for text in cases("json_accepted.yaml").values() if text != "{}"]

SIGNS: Final = '{}[]<>:;,?="@() \t\r\n\\_aABN0\u00a0\u200b/.'
TOKEN: Final = re.compile(r'"[^"]*"|::|\w+|\s+|.', re.DOTALL)
SCHEMA_WORDS: Final = (
    *("type", "id", "A", "B", "T", "N", "N::A", "Action", "ipaddr", "__cedar::Long", "if", "", "element", "name"),
    *("Set", "Record", "Entity", "EntityOrCommon", "Extension", "Long", "String", "Boolean", "Bool", "attributes"),
    *("required", "annotations", "shape", "memberOfTypes", "tags", "enum", "entityTypes", "actions", "commonTypes"),
    *("appliesTo", "principalTypes", "resourceTypes", "context", "memberOf", "additionalAttributes"),
)
DATA_WORDS: Final = (
    *("type", "id", "__entity", "__extn", "__expr", "fn", "arg", "args", "ip", "decimal", "offset", "10.0.0.1", "1d"),
    *("uid", "attrs", "parents", "tags", "A", "B", "N::A", "Action", "a", "b", "", "v"),
)
ON_PURPOSE: Final = re.compile(
    r"(expected an object|expected an entity uid|an entity must be an object), found an array"
)


def agrees(error: CedarError | None, theirs: bool) -> bool:
    """Whether both accept or both refuse, or we refuse an array that stands for an object."""
    if error is None or not theirs:
        return theirs == (error is None)
    return ON_PURPOSE.fullmatch(error.message) is not None


def has_a_place(error: CedarError | None) -> bool:
    return error is None or (error.source is not None and error.span is not None and bool(error.render()))


def token_mutant(rng: random.Random) -> str:
    """A text with one to three tokens removed, replaced, added, doubled or swapped."""
    tokens = TOKEN.findall(rng.choice(TEXTS))
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = (rng.randrange(len(tokens)) for _ in range(2)) if tokens else (0, 0)
        match rng.randrange(5):
            case 0:
                del tokens[at : at + 1]
            case 1:
                tokens[at : at + 1] = [rng.choice(WORDS)]
            case 2:
                tokens.insert(at, rng.choice(WORDS))
            case 3:
                tokens[at:at] = tokens[other : other + 1]
            case _:
                tokens[at : at + 1], tokens[other : other + 1] = tokens[other : other + 1], tokens[at : at + 1]
    return "".join(tokens)


WORDS: Final = [word for text in TEXTS for word in TOKEN.findall(text) if word.strip()]


def test_damaged_texts() -> None:
    rng = random.Random(41)
    texts = mutants(rng, TEXTS, SIGNS, rounds(2_000)) + [token_mutant(rng) for _ in range(rounds(3_000))]
    accepted = 0
    for text in texts:
        error = refusal(partial(parse_schema, Source("<test>", text)))
        assert has_a_place(error), text
        assert agrees(error, accepts_text(text)), (text, error)
        accepted += error is None
    assert accepted > 200


def test_damaged_documents() -> None:
    rng = random.Random(42)
    accepted = 0
    for document in json_mutants(rng, DOCUMENTS, SCHEMA_WORDS, rounds(4_000)):
        text = dump(document)
        error = refusal(partial(parse_json_schema, Source("<test>", text)))
        assert has_a_place(error), text
        assert agrees(error, accepts_json(text)), (text, error)
        accepted += error is None
    assert accepted > 500


def test_bytes_of_any_kind() -> None:
    rng = random.Random(43)
    seeds = [text.encode() for text in TEXTS] + [dump(document).encode() for document in DOCUMENTS]
    for data in damaged(rng, seeds, SIGNS + "\ufeff\ud800", rounds(3_000)):
        source = Source("<test>", data.decode("utf-8", "surrogateescape"))
        for parse in (parse_schema, parse_json_schema):
            assert has_a_place(refusal(partial(parse, source)))


def test_random_schemas() -> None:
    rng = random.Random(44)
    outcomes: Counter[str] = Counter()
    for number in range(rounds(1_500)):
        fragment = random_fragment(rng, json=number % 2 == 0)
        written = dump(write_json_schema(fragment))
        assert parse_json_fragment(Source("<written>", written)) == fragment
        error = refusal(partial(resolve, fragment))
        assert agrees(error, accepts_json(written)), (written, error)
        outcomes["refused" if error else "accepted"] += 1
        if error is None:
            outcomes[check_text(fragment)] += 1
    assert min(outcomes["accepted"], outcomes["refused"]) > 400
    assert outcomes["written"] > 400 > outcomes["unsayable"] > 0


def check_text(fragment: Fragment) -> str:
    """Prints a fragment that is in order; the text means the same, to the Rust engine too."""
    error = refusal(partial(print_schema, fragment))
    if error is not None:
        assert error.message.endswith("which text cannot say")
        return "unsayable"
    printed = print_schema(fragment)
    read = parse_fragment(Source("<printed>", printed))
    assert resolve(read) == resolve(fragment)
    assert parse_fragment(Source("<again>", print_schema(read))) == read
    assert accepts_text(printed), printed
    return "written"


def test_random_entities_and_requests() -> None:
    rng = random.Random(45)
    outcomes: Counter[str] = Counter()
    for _ in range(rounds(400)):
        fragment = random_fragment(rng, json=True)
        if refusal(partial(resolve, fragment)) is None:
            schema, theirs = resolve(fragment), RustSchema(dump(write_json_schema(fragment)))
            maker = DataMaker(rng, schema)
            if schema.entity_types:
                compare_entities(rng, schema, theirs, maker, outcomes)
            if schema.actions:
                compare_requests(rng, schema, theirs, maker, outcomes)
    assert min(outcomes.values()) > 300, outcomes


def compare_entities(
    rng: random.Random, schema: Schema, theirs: RustSchema, maker: DataMaker, outcomes: Counter[str]
) -> None:
    documents = [maker.entities() for _ in range(3)] + [[maker.entity(name)] for name in schema.entity_types]
    seeds = [document for document in documents if document]
    for document in (*documents, *json_mutants(rng, seeds, DATA_WORDS, 8)):
        text = dump(document)
        error = refusal(partial(read_entities_with_schema, Source("<test>", text), schema))
        assert has_a_place(error), text
        assert agrees(error, theirs.accepts_entities(text)), (text, error)
        outcomes["entities refused" if error else "entities accepted"] += 1
        explain_entities(Source("<test>", text), schema)


def explain_entities(source: Source, schema: Schema) -> None:
    """Whatever can be read at all: the schema accepts it exactly if no fault is found in it."""
    try:
        read = read_entities(parse_json(source), source, SchemaTyping(schema))
    except CedarError:
        return
    for entity in read:
        assert schema.accepts_entity(entity) == (next(entity_faults(schema, entity), None) is None), entity


def compare_requests(
    rng: random.Random, schema: Schema, theirs: RustSchema, maker: DataMaker, outcomes: Counter[str]
) -> None:
    requests = [maker.request() for _ in range(3)]
    contexts = json_mutants(
        rng, [request["context"] for request in requests if request["context"]] or [{"": 1}], DATA_WORDS, 6
    )
    for request in (*requests, *({**rng.choice(requests), "context": context} for context in contexts)):
        uids = [EntityUID(**request[name]) for name in ("principal", "action", "resource")]
        context = Source("<test>", dump(request["context"]))

        error = refusal(partial(ask, schema, uids, context))
        assert agrees(error, theirs.accepts_request(request)), (request, error)
        outcomes["requests refused" if error else "requests accepted"] += 1
        explain_request(uids, context, schema)


def ask(schema: Schema, uids: list[EntityUID], context: Source) -> None:
    principal, action, resource = uids
    check_request(schema, Request(principal, action, resource, parse_context(context, schema, action)))


def explain_request(uids: list[EntityUID], context: Source, schema: Schema) -> None:
    try:
        request = Request(uids[0], uids[1], uids[2], parse_record(context))
    except CedarError:
        return
    assert schema.accepts_request(request) == (next(request_faults(schema, request), None) is None), request
