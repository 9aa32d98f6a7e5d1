"""The rules of partial evaluation, a named case each, and in each what is left says what the policy said."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml
from partial_case import ASKED, SCHEMA, STORE, disagreements, shown, when

from pdp.evaluate.partial import PartialRequest, Unknown, partial_authorize

CASES: Final[Mapping[str, Mapping[str, str]]] = yaml.load(
    (Path(__file__).parent / "cases" / "partial.yaml").read_text(encoding="utf-8"), yaml.BaseLoader
)
STORED: Final[PartialRequest] = replace(ASKED, resource=Unknown("Doc", stored=True))


def _cases() -> Iterator[object]:
    for name, case in CASES.items():
        typed = case.get("typed", case["left"])
        for mode, expected in (("left", case["left"]), ("typed", typed), ("stored", case.get("stored", typed))):
            yield pytest.param(case["when"], mode, expected, id=f"{name} ({mode})")


@pytest.mark.parametrize(("condition", "mode", "expected"), list(_cases()))
def test_what_is_left(condition: str, mode: str, expected: str) -> None:
    original = when(condition)
    asked, schema = (STORED if mode == "stored" else ASKED), (None if mode == "left" else SCHEMA)
    response = partial_authorize(asked, original, STORE, schema)
    assert shown(response) == expected
    assert disagreements(response, original) == []
    again = partial_authorize(asked, response.residuals, STORE, schema)
    assert (again.residuals, again.hopeless) == (response.residuals, response.hopeless)


def test_the_cases_are_about_a_store_and_requests_that_conform() -> None:
    assert all(map(SCHEMA.accepts_entity, STORE))
    assert {key for case in CASES.values() for key in case} == {"when", "left", "typed", "stored"}
