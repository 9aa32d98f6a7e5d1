"""What becomes of a case: all four ways agree on what is right, and each kind of disagreement is seen where it is."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from small_corpus import ENTITIES, SCHEMA, entity, small_corpus, write_folder

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, Response
from pdp.cedar.schema.model import Schema
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID
from pdp.compiler.program import Program, compile_policies
from pdp.conformance import running
from pdp.conformance.cases import Case, load_cases
from pdp.conformance.running import ANSWER, Disagreement, Part, Way, run_case

ALL: Final = tuple(Way)
ONE: Final = "tests/one.json"
IDS: Final = ("tests/more/links", "tests/more/wrong", "tests/one")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Case]:
    """Builds the case `one`, after a change of its document and with other texts for some files."""

    def build(change: Callable[[Any], object] = lambda _: None, **texts: str) -> Case:
        files = small_corpus()
        document = json.loads(files[ONE])
        change(document)
        files[ONE] = json.dumps(document)
        for name, text in texts.items():
            files[f"data/one.{name.replace('_', '.')}"] = text
        return load_cases(write_folder(tmp_path, files))[IDS.index("tests/one")]

    return build


def told(case: Case) -> set[tuple[str, Way, Part, str, str]]:
    outcome = run_case(case)
    assert outcome.requests == len(case.requests)
    assert {miss.case for miss in outcome.disagreements} <= {case.id}
    found = [(miss.request, miss.way, miss.part, miss.expected, miss.got) for miss in outcome.disagreements]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("id", IDS)
def test_all_agree(tmp_path: Path, id: str) -> None:
    (case,) = (case for case in load_cases(write_folder(tmp_path, small_corpus())) if case.id == id)
    assert told(case) == set()


def test_a_wrong_decision_of_the_case(build: Callable[..., Case]) -> None:
    case = build(lambda case: case["requests"][1].update(decision="deny"))
    assert told(case) == {("request 1: bob asks", way, Part.DECISION, "deny", "allow") for way in ALL}


def test_wrong_reasons_of_the_case(build: Callable[..., Case]) -> None:
    case = build(lambda case: case["requests"][2].update(reason=["policy1", "policy0"]))
    assert told(case) == {("request 2: eve asks", way, Part.REASONS, "policy0, policy1", "policy1") for way in ALL}


def test_wrong_errors_of_the_case(build: Callable[..., Case]) -> None:
    case = build(lambda case: case["requests"][1].update(errors=[]))
    assert told(case) == {("request 1: bob asks", way, Part.ERRORS, "none", "policy1") for way in ALL}


def test_the_wrong_validity_of_the_case(build: Callable[..., Case]) -> None:
    case = build(lambda case: case.update(shouldValidate=True))
    assert told(case) == {("", way, Part.VALIDATION, "valid", "invalid") for way in ALL}
    case = build(lambda case: case.update(shouldValidate=False), cedar="permit(principal, action, resource);")
    assert ("", Way.INTERPRETED, Part.VALIDATION, "invalid", "valid") in told(case)


def test_reasons_and_errors_are_sets(build: Callable[..., Case]) -> None:
    twice = "permit(principal, action, resource);"
    case = build(
        lambda case: case.update(
            shouldValidate=True,
            requests=[case["requests"][0] | {"reason": ["policy1", "policy0", "policy1"]}],
        ),
        cedar=twice * 2,
    )
    assert told(case) == set()


REFUSED: Final[dict[str, tuple[dict[str, str], str]]] = {
    "a schema that is none": (
        {"cedarschema": "entity User"},
        "refused: {root}/data/one.cedarschema:1:12: expected `;`, found the end of the text",
    ),
    "a schema that contradicts itself": (
        {"cedarschema": SCHEMA + "entity User;"},
        "refused: {root}/data/one.cedarschema:",
    ),
    "policies that are none": (
        {"cedar": "permit(principal, action);"},
        "refused: {root}/data/one.cedar:1:25: expected `,`, found `)`",
    ),
    "entities that are none": ({"entities_json": "{}"}, "refused: {root}/data/one.entities.json:1:1: "),
    "entities that the schema does not allow": (
        {"entities_json": json.dumps([*ENTITIES, entity("User", "dan")])},
        "refused: {root}/data/one.entities.json:1:",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_has_no_answer(build: Callable[..., Case], tmp_path: Path, name: str) -> None:
    texts, message = REFUSED[name]
    found = told(build(**texts))
    assert len(found) == 4 * (1 + 4 * 3)
    assert {(request, part) for request, _, part, _, _ in found} == {
        ("", Part.VALIDATION),
        *((f"request {index}: {who} asks", part) for index, who in enumerate(("ana", "bob", "eve", "ana"))
          for part in ANSWER),
    }  # fmt: skip
    assert len({got for *_, got in found}) == 1
    assert next(iter(found))[-1].startswith(message.format(root=tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": {"level": "2"}}, "refused: the context:1:11: "),
        ({"context": {}}, "refused: the context:1:1: "),
        ({"context": []}, "refused: the context:1:1: expected a record"),
        ({"resource": {"type": "Group", "id": "staff"}}, "refused: "),
        ({"action": {"type": "Action", "id": "erase"}}, "refused: the context:1:1: the action `Action::"),
    ],
    ids=["an attribute of another type", "no attribute", "no record", "another resource", "another action"],
)
def test_a_request_that_the_schema_does_not_allow_has_no_answer(
    build: Callable[..., Case], change: dict[str, Any], message: str
) -> None:
    found = told(build(lambda case: case["requests"][3].update(change)))
    assert {(request, way, part) for request, way, part, _, _ in found} == {
        ("request 3: ana asks", way, part) for way in ALL for part in ANSWER
    }
    (got,) = {got for *_, got in found}
    assert got.startswith(message)


def test_a_request_that_is_not_checked_need_not_be_one_that_the_schema_allows(build: Callable[..., Case]) -> None:
    other = {"resource": {"type": "Group", "id": "staff"}, "validateRequest": False}
    assert told(build(lambda case: case["requests"][3].update(other))) == set()


def corrupted(policy: Policy) -> Policy:
    return replace(policy, conditions=())


def test_a_printer_at_fault_is_seen_on_its_own_round_trip(
    build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "print_policies", lambda policies: print_policies(map(corrupted, policies)))
    found = told(build())
    assert {way for _, way, *_ in found} == {Way.TEXT}
    assert ("request 0: ana asks", Way.TEXT, Part.DECISION, "allow", "deny") in found
    assert ("", Way.TEXT, Part.VALIDATION, "invalid", "valid") in found


def test_a_printer_that_loses_a_policy_is_seen(build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "print_policies", lambda policies: print_policies(list(policies)[:1]))
    found = told(build())
    assert {(way, got) for _, way, _, _, got in found} == {
        (Way.TEXT, "refused: of 2 policies that were printed, 1 were read again")
    }


def test_a_printer_whose_text_is_none_is_seen(build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "print_schema", lambda _: "entity ;")
    found = told(build())
    assert {way for _, way, *_ in found} == {Way.TEXT}
    assert len(found) == 13


def test_a_writer_at_fault_is_seen_on_its_own_round_trip(
    build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "write_entities", lambda _: [])
    found = told(build())
    assert {way for _, way, *_ in found} == {Way.JSON}
    assert ("request 0: ana asks", Way.JSON, Part.REASONS, "policy0", "none") in found


def test_an_interpreter_at_fault_is_seen_alone(build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "authorize", lambda *_: Response(Decision.DENY, frozenset()))
    assert {way for _, way, *_ in told(build())} == {Way.INTERPRETED}


def test_a_compiler_at_fault_is_seen_wherever_it_answers(
    build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Program:
        def prepare(self, *_: object) -> None:
            pass

        def authorize(self, *_: object) -> Response:
            return Response(Decision.ALLOW, frozenset({"policy0"}))

    monkeypatch.setattr(running, "compile_policies", lambda *_: Program())
    found = told(build())
    assert {way for _, way, *_ in found} == {Way.COMPILED, Way.TEXT, Way.JSON}
    assert ("request 3: ana asks", Way.COMPILED, Part.REASONS, "none", "policy0") in found


def test_code_by_the_schema_answers_requests_that_the_schema_allows_and_no_others(
    build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[tuple[bool, EntityUID]] = []

    def compiled(policies: PolicySet, schema: Schema | None = None) -> Program:
        program = compile_policies(policies, schema)
        authorize = program.authorize

        def noted(request: Request, entities: Entities) -> Response:
            answered.append((schema is not None, request.resource))
            return authorize(request, entities)

        monkeypatch.setattr(program, "authorize", noted)
        return program

    monkeypatch.setattr(running, "compile_policies", compiled)
    other = {"resource": {"type": "Group", "id": "staff"}, "validateRequest": False}
    assert told(build(lambda case: case["requests"][3].update(other))) == set()
    plan, staff = EntityUID("File", "plan"), EntityUID("Group", "staff")
    assert Counter(answered) == {(True, plan): 3, (False, staff): 3, (False, plan): 6}


def test_a_defect_says_which_case_it_was(build: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RecursionError("a defect")

    monkeypatch.setattr(running, "compile_policies", fail)
    with pytest.raises(RecursionError) as caught:
        run_case(build())
    assert caught.value.__notes__ == ["in the case tests/one"]


def test_a_disagreement_in_words(build: Callable[..., Case]) -> None:
    outcome = run_case(build(lambda case: case["requests"][0].update(decision="deny", reason=[])))
    assert outcome.disagreements[:2] == (
        Disagreement("tests/one", "request 0: ana asks", Way.INTERPRETED, Part.DECISION, "deny", "allow"),
        Disagreement("tests/one", "request 0: ana asks", Way.INTERPRETED, Part.REASONS, "none", "policy0"),
    )
