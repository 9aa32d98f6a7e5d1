"""The `like` operator's matching (`Cedar/Spec/Wildcard.lean`): whole string, code point by code point, case-sensitive.

A regular expression would backtrack: `a*a*a*a*b` against a long run of `a` takes exponential time in the stars. Here
each literal run is searched once, leftmost first, which is right because `*` matches any run, the empty one included.
"""

from pdp.cedar.nodes import Pattern, Wildcard


def matches(pattern: Pattern, text: str) -> bool:
    """Whether a whole text matches a pattern (`nodes.Pattern`: literal runs, none adjacent, and wildcards)."""
    if not pattern:
        return not text
    first, last = pattern[0], pattern[-1]
    if len(pattern) == 1:
        return isinstance(first, Wildcard) or text == first
    start, end = 0, len(text)
    middle = pattern
    if not isinstance(first, Wildcard):
        if not text.startswith(first):
            return False
        start = len(first)
        middle = middle[1:]
    if not isinstance(last, Wildcard):
        if not text.endswith(last):
            return False
        end -= len(last)
        middle = middle[:-1]
    if start > end:
        return False
    for part in middle:
        if isinstance(part, Wildcard):
            continue
        found = text.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True
