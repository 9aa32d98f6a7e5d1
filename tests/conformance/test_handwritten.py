"""The handwritten official cases, by the official procedure, with the interpreter and with the compiled program.

Schema, then entities and contexts read by it (implicit forms, conformance, the schema's actions in the store), then
every request: decision, reasons and erring policies, all as sets.
"""

import json

import pytest
from official_cases import Case, failures, handwritten, read_case
from shared_data import shared_data

from pdp.cedar.validate.findings import Severity
from pdp.cedar.validate.validator import validate_policies

NAMES = [
    *("decimal/1", "decimal/2", "ip/1", "ip/2", "ip/3", "multi/1", "multi/2", "multi/3", "multi/4", "multi/5"),
    *(f"example_use_cases/{name}" for name in ("1a", "2a", "2b", "2c", "3a", "3b", "3c", "4a", "4d", "4e", "4f", "5b")),
]


def read(name: str) -> Case:
    folder = shared_data("cedar/handwritten")
    document = json.loads(handwritten()[name].read_text(encoding="utf-8"))
    return read_case(name, document, lambda path: (folder / path).read_bytes().decode())


def test_these_are_all() -> None:
    assert sorted(NAMES) == sorted(handwritten())
    counts = len(NAMES), sum(len(read(name).requests) for name in NAMES)
    assert counts == (22, 74), f"{counts[0]} of 22 cases, {counts[1]} of 74 requests"


@pytest.mark.parametrize("name", NAMES)
def test_decides_as_expected(name: str) -> None:
    case = read(name)
    assert case.requests
    assert list(failures(case)) == []


@pytest.mark.parametrize("name", NAMES)
def test_validates_as_expected(name: str) -> None:
    case = read(name)
    errors = [found for found in validate_policies(case.policies, case.schema) if found.severity is Severity.ERROR]
    assert (not errors) is case.validates
