"""Answers in print: for people and for programs, and nothing that steers a terminal."""

import json
from dataclasses import replace

import pytest
from doors import an_allow

from pdp.cedar.response import Decision
from pdp.cedar.source import Source, Span
from pdp.cli import answer
from pdp.cli.answer import answer_of
from pdp.cli.output import place_of, plain, source_lines
from pdp.engine.decider import ReasonClass, deny

ALLOW = answer_of(an_allow(("mask", "iban"), ("notify", "")))
DENY = answer_of(deny(ReasonClass.NOT_READY, "not yet"))


def text(shown: answer.Answer) -> str:
    return "\n".join(line.plain for line in answer.render(shown))


def test_an_allow_for_people() -> None:
    assert text(replace(ALLOW, errors=(("q", "overflow", "too large"),), request_id="r-1")) == (
        "ALLOW  allowed: staff may read\n"
        "  permit        p\n"
        "  error         q: overflow: too large\n"
        "  obligation    mask: iban  (p)\n"
        "  obligation    notify  (p)\n"
        "  valid until   2025-11-24T16:00:00.123Z\n"
        "  policies      revision ab12\n"
        "  facts         revision 7\n"
        "  request       r-1"
    )


def test_a_deny_says_only_what_there_is() -> None:
    assert text(DENY) == "DENY  not_ready: not yet"


def test_both_for_programs() -> None:
    assert answer.to_json(ALLOW) == {
        "decision": "allow",
        "reason": "allowed",
        "message": "staff may read",
        "policies": [{"id": "p", "effect": "permit", "annotations": {"reason": "staff may read"}}],
        "errors": [],
        "obligations": [
            {"kind": "mask", "argument": "iban", "policy": "p"},
            {"kind": "notify", "argument": "", "policy": "p"},
        ],
        "policy_revision": "ab12",
        "context_revision": 7,
        "valid_until": "2025-11-24T16:00:00.123Z",
        "request_id": "",
    }
    denied = json.loads(json.dumps(answer.to_json(DENY)))
    assert denied.keys() == answer.to_json(ALLOW).keys()
    assert (denied["decision"], denied["valid_until"], denied["policies"]) == ("deny", None, [])


def test_exit_codes() -> None:
    assert (ALLOW.exit_code, DENY.exit_code) == (0, 1)
    assert answer_of(replace(an_allow(), decision=Decision.DENY)).exit_code == 1


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ä 漢", "plain ä 漢"),
        ("\x1b[2J", "\\u{1b}[2J"),
        ("a\nDENY", "a\\u{a}DENY"),
        ("\u202eevil", "\\u{202e}evil"),
        ("\udcff", "\\u{dcff}"),
    ],
)
def test_what_is_not_printable_is_escaped(raw: str, shown: str) -> None:
    assert plain(raw) == shown
    assert raw == shown or raw not in text(replace(DENY, message=raw, policies=((raw, raw, {}),), reason=raw))


def test_the_lines_of_a_policy_are_numbered() -> None:
    source = Source("p.cedar", "\n" * 8 + "permit (\n\tprincipal\r\n);\n")
    span = Span(8, len(source.text) - 1)
    assert source_lines(source, span) == [" 9 | permit (", "10 |     principal", "11 | );"]
    assert place_of(source, span) == "p.cedar:9:1"


@pytest.mark.parametrize("count", range(1, 60))
def test_a_long_policy_loses_its_middle_and_nothing_else(count: int) -> None:
    source = Source("p.cedar", "\n".join(f"line {number}" for number in range(1, count + 1)))
    lines = source_lines(source, Span(0, len(source.text)))
    shown = [int(line.partition("|")[0]) for line in lines if "lines more" not in line]
    if count <= 24:
        assert shown == list(range(1, count + 1))
    else:
        assert shown == [*range(1, 17), *range(count - 7, count + 1)]
        assert f"... {count - 24} lines more" in lines[16]
        assert len(lines) == 25
