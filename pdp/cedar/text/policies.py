"""Tokens to policies (language reference, "Cedar policy grammar": Policy).

    policies   = { policy }
    policy     = { annotation } ("permit" | "forbid") scope { condition } ";"
    annotation = "@" identifier [ "(" string ")" ]
    condition  = ("when" | "unless") "{" expression "}"

Ids are positional, `policy0`, `policy1`, ...: one counter over static policies and templates. `@id` means nothing here.
"""

from collections.abc import Iterator
from typing import Final

from pdp.cedar.errors import ParseError
from pdp.cedar.limits import MAX_POLICY_TEXT, MAX_REPORTED_FAULTS
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet
from pdp.cedar.source import Source, Span
from pdp.cedar.text import hints
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.expressions import read_expression
from pdp.cedar.text.lexer import Kind, refuse_unreadable, whole_tokens
from pdp.cedar.text.scopes import read_scopes
from pdp.cedar.text.strings import decode_string

_EFFECTS: Final = {effect.value: effect for effect in Effect}
_EFFECT_HELP: Final = {
    "allow": "did you mean `permit`?",
    "deny": "did you mean `forbid`?",
    ";": "a policy ends with one `;`",
    "when": "conditions belong to a policy: remove the `;` before this one",
    "unless": "conditions belong to a policy: remove the `;` before this one",
}
_STARTS: Final = frozenset((*_EFFECTS, "@"))
"""What a policy begins with."""

_CONDITIONS: Final = {kind.value: kind for kind in ConditionKind}
_ANNOTATION_HELP: Final = 'an annotation is written `@name` or `@name("value")`'


def parse_policies(source: Source) -> tuple[Policy, ...]:
    """The static policies and templates of a text, in order. Raises ParseError at the first fault."""
    return tuple(_policies(Cursor(source)))


def parse_policy_set(source: Source) -> PolicySet:
    """The policies of a text as a set without links. Raises ParseError at the first fault."""
    return PolicySet(parse_policies(source))


def parse_policies_reporting(source: Source) -> tuple[tuple[Policy, ...], tuple[ParseError, ...]]:
    """The policies of a text that can be read, and what is wrong with the others. Raises nothing.

    For those who report; what decides must come from `parse_policies`. After a fault, reading goes on where the next
    policy seems to begin: policies without a fault may be passed over, and ids are other ones than in a text without
    faults. At most MAX_REPORTED_FAULTS are looked for.
    """
    try:
        refuse_unreadable(source, MAX_POLICY_TEXT)
    except ParseError as error:
        return (), (error,)
    policies: list[Policy] = []
    faults: list[ParseError] = []
    start: int | None = 0
    while start is not None and len(faults) < MAX_REPORTED_FAULTS:
        cursor = None
        try:
            cursor = Cursor(source, start=start)
            while cursor.token.kind is not Kind.END:
                start = cursor.token.start
                policies.append(_policy(cursor, f"policy{len(policies) + len(faults)}"))
            break
        except ParseError as error:
            faults.append(error)
            start = _next_start(source, start, error, cursor)
    return tuple(policies), tuple(faults)


def _next_start(source: Source, start: int, fault: ParseError, cursor: Cursor | None) -> int | None:
    """Where the next policy begins, behind the one with a fault that begins at `start`; None if there is none.

    `cursor` is where the fault was met, None if that was at once.
    """
    if (
        cursor is not None
        and cursor.token.text in _STARTS
        and cursor.token.start > start
        and cursor.token.start >= cursor.end <= (fault.span or cursor.token).start
    ):
        return cursor.token.start  # the fault is about this token, which was not expected: a `;` is missing before it
    # Brackets do not count, because they may be what is wrong: a `;` ends a policy and stands nowhere else.
    ended = False
    for token in whole_tokens(source, start):
        if ended and token.text in _STARTS:
            return token.start
        ended = token.text == ";"
    return None


def _policies(cursor: Cursor) -> Iterator[Policy]:
    number = 0
    while cursor.token.kind is not Kind.END:
        yield _policy(cursor, f"policy{number}")
        number += 1


def _policy(cursor: Cursor, policy_id: str) -> Policy:
    start = cursor.token.start
    annotations = _annotations(cursor)
    effect = _EFFECTS.get(cursor.token.text)
    if effect is None:
        cursor.fail_expected("`permit` or `forbid`", _EFFECT_HELP.get(cursor.token.text))
    cursor.advance()
    principal, action, resource = read_scopes(cursor)
    conditions = []
    while (kind := _CONDITIONS.get(cursor.token.text)) is not None:
        conditions.append(_condition(cursor, kind))
    if not cursor.take(";"):
        _refuse_end(cursor)
    return Policy(
        policy_id,
        effect,
        principal,
        action,
        resource,
        tuple(conditions),
        annotations,
        cursor.source,
        cursor.since(start),
    )


def _annotations(cursor: Cursor) -> dict[str, str | None]:
    annotations: dict[str, str | None] = {}
    while cursor.take("@"):
        name = cursor.expect_kind(Kind.IDENTIFIER, _ANNOTATION_HELP)
        value = None
        if cursor.take("("):
            value = decode_string(cursor, cursor.expect_kind(Kind.STRING, _ANNOTATION_HELP))
            cursor.expect(")", _ANNOTATION_HELP)
        if name.text in annotations:
            cursor.fail(f"the policy has the annotation {hints.shown(name.text)} twice", name.span, "keep one of them")
        annotations[name.text] = value
    return annotations


def _condition(cursor: Cursor, kind: ConditionKind) -> Condition:
    start = cursor.advance().start
    cursor.expect("{", "a condition stands in braces: `when { ... }`")
    body = read_expression(cursor)
    cursor.expect("}")
    return Condition(kind, body, cursor.since(start))


def _refuse_end(cursor: Cursor) -> None:
    """Refuses what stands where a policy should end; the place is the end of what was read, often a line above."""
    if cursor.token.kind is Kind.IDENTIFIER and cursor.token.text not in _EFFECTS:
        cursor.fail_expected("`when`, `unless` or `;`", "a policy goes on with `when { ... }` or ends with `;`")
    found = f"`{cursor.token.text}`" if cursor.token.text else Kind.END.value
    cursor.fail(f"expected `;`, found {found}", Span(cursor.end, cursor.end + 1), "end each policy with `;`")
