"""The use cases of the language's examples: several policies each, templates with links, groups and tags."""

import pytest
from official_cases import failures, read_use_case, use_cases

NAMES = (
    *("github_example", "hotel_chains/static", "hotel_chains/templated", "sales_orgs/static", "sales_orgs/templated"),
    "tags_n_roles",
)


def test_these_are_all() -> None:
    assert sorted(NAMES) == sorted(use_cases())
    asked = [expected.decision for name in NAMES for _, expected in read_use_case(use_cases()[name]).requests]
    assert (asked.count("allow"), asked.count("deny")) == (19, 9)


@pytest.mark.parametrize("name", NAMES)
def test_decides_as_expected(name: str) -> None:
    case = read_use_case(use_cases()[name])
    assert len(case.policies.links) == {"hotel_chains/templated": 6, "sales_orgs/templated": 2}.get(name, 0)
    assert list(failures(case)) == []
