"""The words of every finding, with the place, the carets and the help: golden, in `cases/findings.txt`.

A block there is a name, policies and what is said of them for `cases/schema.cedarschema`. Whoever changes a message
changes it there and reads it. The Rust engine agrees with all of them on which policy is refused.
"""

import re
from pathlib import Path
from typing import Final

import pytest
from rust_validator import refused

from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set
from pdp.cedar.validate.findings import Code, Finding, Severity
from pdp.cedar.validate.validator import validate_policies

_BLOCK: Final = re.compile(r"^=== (.*)\n((?s:.*?))\n---\n((?s:.*?))\n(?=\n===|\Z)", re.MULTILINE)
_FILE: Final = (Path(__file__).parent / "cases" / "findings.txt").read_text(encoding="utf-8")
CASES: Final = {name: (text, rendered) for name, text, rendered in _BLOCK.findall(_FILE)}
ELSEWHERE: Final = {Code.UNKNOWN_FUNCTION, Code.LEVEL, Code.CONFUSABLE}
"""Findings that need more than a policy in plain text: see `test_validator`, `test_levels`, `test_confusables`."""


def findings(text: str, schema: Schema) -> tuple[Finding, ...]:
    return validate_policies(parse_policy_set(Source("test.cedar", text)), schema)


def test_every_block_of_the_file_is_read() -> None:
    assert len(CASES) == _FILE.count("\n---\n") == _FILE.count("=== ") > 70


@pytest.mark.parametrize("name", CASES)
def test_the_findings(name: str, schema: Schema, schema_text: str) -> None:
    text, rendered = CASES[name]
    found = findings(text, schema)
    assert "\n".join(each.render() for each in found) == rendered
    assert {each.policy_id for each in found if each.severity is Severity.ERROR} == refused(text, schema_text).keys()


@pytest.mark.parametrize("name", CASES)
def test_the_findings_follow_the_style(name: str, schema: Schema) -> None:
    """No capital, no full stop, no name of a Python class; and always what to do about it."""
    for each in findings(CASES[name][0], schema):
        assert each.help
        for words in (each.message, each.help):
            outside_quotes = re.sub(r"`[^`]*`", "", words)
            assert not outside_quotes[:1].isupper()
            assert not words.endswith(".")
            assert not re.search(r"\b(Truth|LiteralRecord|RecordType|None|ScopeEq|EntityUID)\b", outside_quotes)


def test_every_code_has_a_case(schema: Schema) -> None:
    seen = {each.code for text, _ in CASES.values() for each in findings(text, schema)}
    assert seen == set(Code) - ELSEWHERE
