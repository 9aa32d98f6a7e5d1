"""Text that is read otherwise than it is meant: what is warned of, and where. Escapes here, so that it can be seen."""

from typing import Final

import pytest

from pdp.cedar.nodes import GetAttr, Literal, Var, Variable
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies, parse_policy_set
from pdp.cedar.validate.confusables import confusable_texts, hidden_characters
from pdp.cedar.validate.findings import Code, Finding, Severity
from pdp.cedar.validate.names import walk
from pdp.cedar.validate.validator import validate_policies

ALL: Final = "permit(principal, action, resource);"
HIDDEN: Final = {
    "U+202E (RIGHT-TO-LEFT OVERRIDE)": 'permit(principal == U::"user\u202e \u2066&& x\u2069", action, resource);',
    "U+2067 (RIGHT-TO-LEFT ISOLATE)": 'permit(principal == U::"a\u2067", action, resource);',
    "U+200E (LEFT-TO-RIGHT MARK)": f"{ALL} // before\npermit(principal, action, resource // \u200e\n);",
    "U+200B (ZERO WIDTH SPACE)": '@id("\u200b") permit(principal, action, resource);',
    "U+00AD (SOFT HYPHEN)": '@id("co\u00adoperate") permit(principal, action, resource);',
    "U+2028 (LINE SEPARATOR)": f"// off:\u2028forbid(principal, action, resource);\n{ALL}",
    "U+000D": f"// all of it: \r{ALL}",
    "U+001B": f"// \x1b[2K\n{ALL}",
    "U+0000": '@id("\0") permit(principal, action, resource);',
    "U+0085": "permit(principal, action, resource\u0085);",
    "U+000B": "permit(principal, action,\vresource);",
    "U+E0041 (TAG LATIN CAPITAL LETTER A)": "permit(principal, action, resource // \U000e0041\n);",
}
PLAIN: Final = {
    "ascii": 'permit(principal == U::"alice", action, resource) when { "a\\u{202e}" == "" };',
    "carriage returns before line feeds": "// one\r\npermit(principal,\r\n\taction, resource);\r\n",
    "a comment in two languages": f"// \u0430\u0434\u043c\u0438\u043d, \u7ba1\u7406 \u2714\ufe0f \u3164\n{ALL}",
    "annotations": '@reason("\u0442\u043e\u043b\u044c\u043a\u043e VPN \uff21") permit(principal, action, resource);',
    "behind the last policy": f"{ALL}\n// \u202e",
}


def warnings(text: str) -> list[Finding]:
    policies = list(parse_policies(Source("test.cedar", text)))
    return [*hidden_characters(policies), *(each for policy in policies for each in texts(policy))]


def texts(policy: Policy) -> list[Finding]:
    return list(confusable_texts(policy, tuple(walk([condition.body for condition in policy.conditions]))))


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_characters(name: str) -> None:
    text = HIDDEN[name]
    [found] = warnings(text)
    assert (found.code, found.severity) == (Code.CONFUSABLE, Severity.WARNING)
    assert found.message == f"the text hides the character {name}"
    assert found.source is not None
    assert found.span is not None
    assert f"U+{ord(found.source.excerpt(found.span)):04X}" == name.partition(" ")[0]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_to_see(name: str) -> None:
    assert warnings(PLAIN[name]) == []


def test_a_comment_belongs_to_the_policy_behind_it() -> None:
    text = f"{ALL} // \u202e\n// \u200b\n{ALL}"
    [found] = warnings(text)
    assert (found.policy_id, found.message) == (
        "policy1",
        "the text hides the character U+202E (RIGHT-TO-LEFT OVERRIDE)",
    )


def test_a_hidden_character_is_that_of_one_policy() -> None:
    hidden = ALL.replace(";", " // \u202e\u202e\n;")
    assert [each.policy_id for each in warnings(ALL + hidden + ALL + hidden + ALL)] == ["policy1", "policy3"]


def test_policies_of_several_texts_in_any_order() -> None:
    [first, second] = parse_policies(Source("a.cedar", ALL * 2))
    [third] = parse_policies(Source("b.cedar", f"// \u202e\n{ALL}"))
    for policies in ((first, second, third), (third, second, first), (second, third, first)):
        assert [each.source and each.source.name for each in hidden_characters(policies)] == ["b.cedar"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("say_\u04bbello", "mixes Cyrillic and Latin; it has U+04BB (CYRILLIC SMALL LETTER SHHA)"),
        ("\u0430lice", "mixes Cyrillic and Latin; it has U+0430 (CYRILLIC SMALL LETTER A)"),
        ("\u03b1dmin", "mixes Greek and Latin; it has U+03B1 (GREEK SMALL LETTER ALPHA)"),
        ("\u0410\u0391", "mixes Cyrillic and Greek; it has U+0410 (CYRILLIC CAPITAL LETTER A)"),
        ("\u6771\u4eac Tower", "mixes Cjk and Latin; it has U+6771 (CJK UNIFIED IDEOGRAPH-6771)"),
        ("\uff41dmin", 'looks like "admin" and is not equal to it; it has U+FF41 (FULLWIDTH LATIN SMALL LETTER A)'),
        ("\U0001d5ba", 'looks like "a" and is not equal to it; it has U+1D5BA (MATHEMATICAL SANS-SERIF SMALL A)'),
        ("e\u0301", 'looks like "\u00e9" and is not equal to it; it has U+0065 (LATIN SMALL LETTER E)'),
        ("a\u00a0b", 'looks like "a b" and is not equal to it; it has U+00A0 (NO-BREAK SPACE)'),
        ("\ufb01le", 'looks like "file" and is not equal to it; it has U+FB01 (LATIN SMALL LIGATURE FI)'),
        ("admin\u3164", "hides the character U+3164 (HANGUL FILLER)"),
        ("a\ufe0f", "hides the character U+FE0F (VARIATION SELECTOR-16)"),
        ("a\u034f", "hides the character U+034F (COMBINING GRAPHEME JOINER)"),
        ("\u2800", "hides the character U+2800 (BRAILLE PATTERN BLANK)"),
    ],
)
def test_texts_that_may_be_misread(text: str, message: str) -> None:
    [found] = texts(policy_with(text))
    assert found.message.endswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.com",
        "Z\u00fcrich",
        "\u041c\u043e\u0441\u043a\u0432\u0430-2",
        "\u6771\u4eac\u30bf\u30ef\u30fc\u306e\u3005",
        "\ud55c\u6f22",
        "\u3105\u6f22",
        "\u05e9\u05dc\u05d5\u05dd 1",
        "\U0001f600 ok",
        "a \u2192 b",
    ],
)
def test_texts_of_one_writing(text: str) -> None:
    assert texts(policy_with(text)) == []


def policy_with(text: str) -> Policy:
    """A policy that was never text."""
    attribute = GetAttr(Variable(Var.CONTEXT), text)
    conditions = (Condition(ConditionKind.WHEN, Literal(text)), Condition(ConditionKind.UNLESS, attribute))
    return Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), conditions)


@pytest.mark.parametrize(
    "where, at",
    [
        ('permit(principal == U::"%s", action, resource);', 'U::"%s"'),
        ('permit(principal, action == Action::"%s", resource);', 'Action::"%s"'),
        ('permit(principal, action in [Action::"a", Action::"%s"], resource);', 'Action::"%s"'),
        ('permit(principal, action, resource is D in D::"%s");', 'D::"%s"'),
        ('permit(principal, action, resource) when { 1 == 1 && "%s" == "" };', '"%s"'),
        ('permit(principal, action, resource) when { U::"%s" in resource };', 'U::"%s"'),
        ('permit(principal, action, resource) when { context["%s"] };', 'context["%s"]'),
        ('permit(principal, action, resource) when { context has "%s" };', 'context has "%s"'),
        ('permit(principal, action, resource) when { "" like "a*%s" };', '"" like "a*%s"'),
        ('permit(principal, action, resource) when { {"%s": 1} == {a: 1} };', '{"%s": 1}'),
    ],
)
def test_where_a_text_may_stand(where: str, at: str) -> None:
    text = "say_\u04bbello"
    [found] = warnings(where.replace("%s", text))
    assert found.source is not None
    assert found.span is not None
    assert found.source.excerpt(found.span) == at.replace("%s", text)


def test_the_whole_message(schema: Schema) -> None:
    text = 'permit(principal == User::"\u0430lice", action, resource)\nwhen { principal.name != "x\u202e" };'
    found = validate_policies(parse_policy_set(Source("test.cedar", text)), schema)
    assert "\n".join(each.render() for each in found) == (
        'test.cedar:1:21: warning[confusable_text] in policy `policy0`: "\u0430lice" mixes Cyrillic and Latin; '
        "it has U+0430 (CYRILLIC SMALL LETTER A)\n"
        "  |\n"
        '1 | permit(principal == User::"\u0430lice", action, resource)\n'
        "  |                     ^^^^^^^^^^^^^\n"
        "  help: if this is meant, ignore the warning; if not, somebody wants it to be read as something else\n"
        "test.cedar:2:28: warning[confusable_text] in policy `policy0`: the text hides the character U+202E "
        "(RIGHT-TO-LEFT OVERRIDE)\n"
        "  |\n"
        '2 | when { principal.name != "x " };\n'
        "  |                            ^\n"
        "  help: take it out, or write it as an escape, as in `\\u{202e}`, so that everybody sees it"
    )


def test_a_policy_that_was_never_text_hides_nothing() -> None:
    assert list(hidden_characters([policy_with("a")])) == []
    assert validate_policies(PolicySet([policy_with("a")]), Schema({}, {}))[0].code is Code.NEVER_APPLIES
