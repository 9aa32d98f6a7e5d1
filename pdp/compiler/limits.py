"""Named bounds of the compiler: what is refused, what is kept no longer, and what is no longer done at once.

What is past a `MAX_` is refused with a PolicySetError. What is past a `MOST_` is decided all the same: a cache begins
anew, or rules are evaluated one by one.
"""

from typing import Final

MAX_RULES: Final = 10_000_000
"""Static policies and links in a rulebook: some 5 GB."""

MAX_TERMS: Final = 20_000
"""Terms in the shape of one policy's conditions: more than a second to make code for. A set of constants is one term,
however many it has: `principal in [User::"a", User::"b", ...]` is never too large."""

MAX_ACTIONS: Final = 10_000
"""Entities that one policy's scope names by `action in [...]`. Each is an entry of the index of its own; by principal
and resource, a policy has two entries at most."""

MOST_FUSED_RULES: Final = 64
MOST_FUSED_TERMS: Final = 4_096
"""Rules in one function, and terms in them. More are evaluated one by one: such code is slow to make."""

MOST_PREPARED: Final = 512
"""Kinds of question for which `Program.prepare` makes code."""

MOST_PLANS: Final = 1_024
"""Plans that are kept, by action, and by types for each action. Whoever asks chooses both: there must be a bound."""

MOST_OUTCOMES: Final = 1_024
"""Combinations of satisfied rules whose outcome is kept with a plan."""

MOST_RESPONSES: Final = 16_384
"""Responses that are kept, for each decision."""

MOST_CODES: Final = 10_000
"""Code objects of each kind that are kept to be shared; when there are more, sharing begins anew."""

MOST_POLICIES: Final = 4_096
"""Policies that links stand for and that are kept: whoever explains a decision asks for the same few again."""
