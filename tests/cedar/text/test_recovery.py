"""Several faults of one text reported together: which are found, which policies are read nevertheless, and bounds."""

import random
import re
from pathlib import Path
from typing import Final

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.limits import MAX_POLICY_TEXT, MAX_REPORTED_FAULTS
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies, parse_policies_reporting

ANY: Final = "(principal, action, resource)"
GOOD: Final = f"permit{ANY};"
REFUSED: Final = re.findall(
    r"^=== .*\n((?s:.*?))\n---\n", Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8"), re.MULTILINE
)

CASES: Final[dict[str, tuple[str, list[str], list[str]]]] = {
    "two faults and a good policy between": (
        f"permit{ANY} when {{ 1 == }};\n{GOOD}\nforbid{ANY} when {{ true && }};\n{GOOD}",
        ["1:49: expected an expression, found `}`", "3:52: expected an expression, found `}`"],
        ["policy1", "policy3"],
    ),
    "a brace that is not closed does not swallow the rest": (
        f"permit{ANY} when {{ true;\n{GOOD}\npermit{ANY} when {{ [1, }};\n{GOOD}",
        ["1:48: expected `}`, found `;`", "3:48: expected an expression, found `}`"],
        ["policy1", "policy3"],
    ),
    "a parenthesis that is not closed": (
        f"permit(principal, action, resource;\n{GOOD}\nforbid(principal);",
        ["1:35: expected `)`, found `;`", "3:17: expected `,`, found `)`"],
        ["policy1"],
    ),
    "an annotation begins a policy": (
        f'permit{ANY} when {{ }};\n@id("x")\nforbid{ANY};',
        ["1:44: expected an expression, found `}`"],
        ["policy1"],
    ),
    "faults in annotations": (
        f'@id(1)\npermit{ANY};\n@id("x") @id("y") permit{ANY};\n{GOOD}',
        ["1:5: expected a string, found `1`", "3:11: the policy has the annotation `id` twice"],
        ["policy2"],
    ),
    "a missing `;` does not take the next policy with it": (
        f'permit{ANY}\n{GOOD}\nforbid{ANY} when {{ true }}\n@id("x")\nforbid{ANY} when {{ ! }};\n{GOOD}',
        [
            "1:36: expected `;`, found `permit`",
            "3:50: expected `;`, found `@`",
            "5:46: expected an expression, found `}`",
        ],
        ["policy1", "policy4"],
    ),
    "the last `;` is missing": (f"{GOOD}\n{GOOD[:-1]}", ["2:36: expected `;`, found the end of the text"], ["policy0"]),
    "a `;` too many": (
        f"{GOOD};\npermit{ANY} when {{ ) }};",
        ["1:37: expected `permit` or `forbid`, found `;`", "2:44: expected an expression, found `)`"],
        ["policy0"],
    ),
    "a `;` inside of a condition is one fault": (
        f"permit{ANY} when {{ true; false }};\n{GOOD}",
        ["1:48: expected `}`, found `;`"],
        ["policy1"],
    ),
    "a misspelt effect after a fault is passed over": (
        f"permit{ANY} when {{ }};\nallow{ANY};\nforbid{ANY} when {{ }};",
        ["1:44: expected an expression, found `}`", "3:44: expected an expression, found `}`"],
        [],
    ),
    "characters that start no token": (
        f"permit{ANY} when {{ 'a' == # }};\n{GOOD}\npermit{ANY} when {{ $ }};",
        ["1:44: unexpected character `'`", "3:44: unexpected character `$`"],
        ["policy1"],
    ),
    "a character that starts no token, behind a good policy": (
        f"{GOOD} #\n{GOOD}\n{GOOD}",
        ["1:38: unexpected character `#`"],
        ["policy1", "policy2"],
    ),
    "a character that starts no token, before everything": (
        f"#\n{GOOD}\n{GOOD}",
        ["1:1: unexpected character `#`"],
        ["policy1"],
    ),
    "effects and `;` in strings and comments are none": (
        f'permit{ANY} when {{ "; permit" == }};\n// ; permit\n'
        f'permit{ANY} when {{ "{GOOD}" }};\nforbid{ANY} when {{ }};',
        ["1:58: expected an expression, found `}`", "4:44: expected an expression, found `}`"],
        ["policy1"],
    ),
    "behind a string without an end there is nothing": (
        f'permit{ANY} when {{ "a }};\npermit{ANY} when {{ }};',
        ["1:44: this string has no end"],
        [],
    ),
    "faults of meaning": (
        f"permit{ANY} when {{ principal.f() }};\npermit{ANY} when {{ 9223372036854775808 == 1 }};\n{GOOD}",
        ["1:54: `f` is not a method", "2:44: this integer is out of range"],
        ["policy2"],
    ),
}


def report(text: str) -> tuple[tuple[Policy, ...], tuple[ParseError, ...]]:
    return parse_policies_reporting(Source("test.cedar", text))


def told(fault: CedarError) -> str:
    assert fault.position is not None
    return f"{fault.position.line}:{fault.position.column}: {fault.message}"


@pytest.mark.parametrize("name", CASES)
def test_faults_and_policies(name: str) -> None:
    text, expected, ids = CASES[name]
    policies, faults = report(text)
    assert [told(fault) for fault in faults] == expected
    assert [policy.id for policy in policies] == ids


def test_what_is_read_is_what_stands_there() -> None:
    alone = '@id("x") forbid(principal == ?principal, action, resource) when { 1 < 2 };'
    text = f"permit{ANY} when {{ }};\n{alone} // end"
    source = Source("test.cedar", text)
    (policy,), _ = parse_policies_reporting(source)
    assert policy.source is source
    assert policy.span is not None
    assert source.excerpt(policy.span) == alone
    (same,) = parse_policies(Source("alone", alone))
    assert policy.conditions == same.conditions
    assert (policy.principal, policy.annotations) == (same.principal, same.annotations)


@pytest.mark.parametrize("text", ["", "// nothing", GOOD, f"{GOOD}\n@id {GOOD} // a\nforbid{ANY} unless {{ 1 }};"])
def test_a_text_without_a_fault(text: str) -> None:
    assert report(text) == (parse_policies(Source("test.cedar", text)), ())


@pytest.mark.parametrize("text", REFUSED)
def test_the_first_fault_is_the_usual_one_and_the_text_around_it_is_read(text: str) -> None:
    alone = refusal(lambda: parse_policies(Source("test.cedar", text)))
    assert alone is not None
    _, faults = report(text)
    assert faults[0].render() == alone.render()
    policies, faults = report(f"{GOOD}\n{GOOD}\n{text}")
    assert [policy.id for policy in policies][:1] == ["policy0"]
    assert faults[0].message == alone.message


def test_whatever_the_text_there_is_a_report() -> None:
    rng = random.Random(7)
    seeds = [case[0].encode() for case in CASES.values()]
    several = 0
    for data in damaged(rng, seeds, ';{}()"@#permit\n', rounds(3_000)):
        source = Source("input", data.decode("latin-1") if rng.random() < 0.5 else data.decode(errors="replace"))
        alone = refusal(lambda source=source: parse_policies(source))  # type: ignore[misc]  # bound now, not later
        policies, faults = parse_policies_reporting(source)
        assert [fault.render() for fault in faults[:1]] == [error.render() for error in (alone,) if error]
        places = [fault.span.start for fault in faults if fault.span]
        assert places == sorted(set(places))
        assert len({policy.id for policy in policies}) == len(policies)
        several += len(faults) > 1
    assert several > 300


def test_not_more_than_so_many_faults() -> None:
    text = f"permit{ANY} when {{ }};\n" * (MAX_REPORTED_FAULTS + 1) + GOOD
    policies, faults = report(text)
    assert (len(policies), len(faults)) == (0, MAX_REPORTED_FAULTS)
    policies, faults = report(text[text.index("\n") + 1 :])
    assert (len(policies), len(faults)) == (0, MAX_REPORTED_FAULTS)
    policies, faults = report("".join(text.splitlines(keepends=True)[2:]))
    assert (len(policies), len(faults)) == (1, MAX_REPORTED_FAULTS - 1)


@pytest.mark.parametrize(
    "text", [" " * (MAX_POLICY_TEXT + 1), f"# {GOOD} \ud800 {GOOD}"], ids=["too long", "no Unicode text"]
)
def test_a_text_that_cannot_be_read_at_all_is_one_fault(text: str) -> None:
    policies, faults = report(text)
    assert (policies, len(faults)) == ((), 1)


@pytest.mark.parametrize(
    "text",
    ['\\"' * 1_000_000, "#" * 1_000_000, ";permit" * 1_000_000, '"\n' * 999_999, "permit(" * 1_000_000],
    ids=["quotes", "signs", "effects", "strings", "parentheses"],
)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    policies, faults = report(text)
    assert policies == ()
    assert 1 <= len(faults) <= MAX_REPORTED_FAULTS
