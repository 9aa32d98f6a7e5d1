"""What a case says, and what is none: unknown keys, missing files and other forms are refused with a place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from small_corpus import SCHEMA, small_corpus, write_archive, write_folder

from pdp.cedar.errors import CedarError
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.conformance.cases import Case, Format, load_cases

ONE: Final = "tests/one.json"


def changed(change: Callable[[Any], object], name: str = ONE) -> dict[str, str]:
    """The corpus with one case changed."""
    files = small_corpus()
    document = json.loads(files[name])
    change(document)
    return files | {name: json.dumps(document)}


def refused(root: Path, files: dict[str, str]) -> CedarError:
    with pytest.raises(CedarError) as caught:
        load_cases(write_folder(root, files))
    return caught.value


def test_what_a_case_says(tmp_path: Path) -> None:
    links, wrong, one = load_cases(write_folder(tmp_path, small_corpus()))
    assert [case.id for case in (links, wrong, one)] == ["tests/more/links", "tests/more/wrong", "tests/one"]
    assert (one.policy_format, one.schema_format) == (Format.TEXT, Format.TEXT)
    assert (links.policy_format, links.schema_format) == (Format.JSON, Format.JSON)
    assert (one.valid, links.valid) == (False, True)
    assert one.schema.text == SCHEMA
    assert one.policies.name == f"{tmp_path}/data/one.cedar"
    second = one.requests[1]
    assert second.name == "request 1: bob asks"
    assert second.principal == EntityUID("User", "bob")
    assert second.action == EntityUID("Action", "read")
    assert second.resource == EntityUID("File", "plan")
    assert second.context == {"level": 2}
    assert second.decision is Decision.ALLOW
    assert (set(second.reasons), set(second.errors)) == ({"policy0"}, {"policy1"})
    assert [request.checked for request in (*one.requests, *wrong.requests)] == [True] * 5 + [False]
    assert links.requests[1].principal == EntityUID("User", "bob")


def test_an_archive_holds_the_same_cases(tmp_path: Path) -> None:
    def contents(cases: tuple[Case, ...]) -> list[object]:
        return [(case.id, case.policies.text, case.entities.text, case.requests) for case in cases]

    from_folder = load_cases(write_folder(tmp_path / "folder", small_corpus()))
    from_archive = load_cases(write_archive(tmp_path / "corpus.tar.gz", small_corpus()))
    assert contents(from_archive) == contents(from_folder)


def test_names_may_begin_with_the_name_of_the_folder(tmp_path: Path) -> None:
    files = {name.removeprefix("data/"): text for name, text in small_corpus().items()}
    cases = load_cases(write_folder(tmp_path / "data", files))
    assert len(cases) == 3
    assert cases[2].schema.text == SCHEMA


def test_an_empty_text_is_a_description_and_an_id(tmp_path: Path) -> None:
    files = changed(lambda case: case["requests"][0].update(description="", reason=[""]))
    request = load_cases(write_folder(tmp_path, files))[2].requests[0]
    assert (request.name, set(request.reasons)) == ("request 0: ", {""})


def test_json_that_is_no_case(tmp_path: Path) -> None:
    files = small_corpus() | {"data/schema.json": '{"": {"entityTypes": {}, "actions": {}}}', "x.cedar.json": "nothing"}
    assert len(load_cases(write_folder(tmp_path, files))) == 3


FAULTS: Final[dict[str, tuple[Callable[[Any], object], str]]] = {
    "an unknown key": (lambda case: case.update(shouldParse=True), 'unknown key "shouldParse"'),
    "an unknown key of a request": (lambda case: case["requests"][1].update(reasons=[]), 'unknown key "reasons"'),
    "no schema": (lambda case: case.pop("schema"), "`schema` is missing"),
    "no requests": (lambda case: case.pop("requests"), "`requests` is missing"),
    "no validity": (lambda case: case.pop("shouldValidate"), "`shouldValidate` is missing"),
    "no decision": (lambda case: case["requests"][0].pop("decision"), "`decision` is missing"),
    "a decision in capitals": (
        lambda case: case["requests"][3].update(decision="Deny"),
        '`requests[3].decision` cannot be "Deny"',
    ),
    "a reason that is a text": (
        lambda case: case["requests"][0].update(reason="policy0"),
        '`requests[0].reason` must be a list, found "policy0"',
    ),
    "an id that is a number": (
        lambda case: case["requests"][0].update(errors=[0]),
        "`requests[0].errors[0]` must be a text, found `0`",
    ),
    "a validity in words": (
        lambda case: case.update(shouldValidate="yes"),
        '`shouldValidate` must be `true` or `false`, found "yes"',
    ),
    "a check in words": (
        lambda case: case["requests"][0].update(validateRequest=1),
        "`requests[0].validateRequest` must be `true` or `false`, found `1`",
    ),
    "an unknown format": (lambda case: case.update(policyFormat="est"), '`policyFormat` cannot be "est"'),
    "another unknown format": (lambda case: case.update(schemaFormat="human"), '`schemaFormat` cannot be "human"'),
    "a principal in text": (
        lambda case: case["requests"][0].update(principal='User::"ana"'),
        "expected an entity uid, found a string",
    ),
    "a file that is not there": (
        lambda case: case.update(policies="data/ones.cedar"),
        "`policies` names a file that the corpus does not hold",
    ),
    "a file outside": (
        lambda case: case.update(entities="../data/one.entities.json"),
        "`entities` names a file that the corpus does not hold",
    ),
    "a file by its whole path": (
        lambda case: case.update(schema="/etc/passwd"),
        "`schema` names a file that the corpus does not hold",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_case(tmp_path: Path, name: str) -> None:
    change, message = FAULTS[name]
    error = refused(tmp_path, changed(change))
    assert error.message == message
    assert error.source is not None
    assert error.source.name == f"{tmp_path}/{ONE}"
    assert error.position is not None


@pytest.mark.parametrize("text", ["", "{", '{"requests": [], "requests": []}', "{'a': 1}"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, small_corpus() | {"tests/zero.json": text})
    assert error.code == "json_form"
    assert error.source is not None
    assert error.source.name == f"{tmp_path}/tests/zero.json"


def test_no_case_at_all(tmp_path: Path) -> None:
    files = {name: text for name, text in small_corpus().items() if not name.startswith("tests/")}
    assert refused(tmp_path, files).render().startswith(f"{tmp_path}: there is no case here\n  help: ")
