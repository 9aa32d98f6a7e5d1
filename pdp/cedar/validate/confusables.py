"""Warnings about text that people read otherwise than the engine does ("Trojan Source", CVE-2021-42574)."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from pdp.cedar.policy import Policy
from pdp.cedar.source import Span
from pdp.cedar.validate.findings import Code, Finding, Severity, finding

_BIDIRECTIONAL: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_HELP: Final = "write it as an escape, as in `\\u{202e}`, so that everybody sees it"


def confusables(policy: Policy) -> Iterator[Finding]:
    """A warning for the first character of a policy's text that steers direction or shows as nothing."""
    if policy.source is None or policy.span is None:
        return
    text = policy.source.excerpt(policy.span)
    if text.isascii():
        return
    for offset, char in enumerate(text, policy.span.start):
        if char in _BIDIRECTIONAL or unicodedata.category(char) == "Cf":
            name = unicodedata.name(char, "a character without a name")
            message = f"U+{ord(char):04X} ({name}) is invisible in the text"
            span = Span(offset, offset + 1)
            yield finding(policy, Code.CONFUSABLE, message, span, _HELP, severity=Severity.WARNING)
            return
