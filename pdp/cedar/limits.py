"""Named bounds of the language implementation.

Cedar itself sets only the 64-bit range; the other bounds keep every parser total: whatever the input, the answer is
a value or one of this package's errors, never an exhausted stack or memory.
"""

from typing import Final

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1

MAX_POLICY_TEXT: Final = 16 * 1024 * 1024
"""Characters in one policy text."""

MAX_REPORTED_FAULTS: Final = 100
"""Faults in one policy text that are reported together."""

MAX_FORMAT_INDENT: Final = 32
"""Spaces by which the formatter may indent one level: a line may stand on some hundred levels."""

MAX_SCHEMA_TEXT: Final = 4 * 1024 * 1024
"""Characters in one schema text."""

MAX_TYPE_DEPTH: Final = 60
"""Levels of sets and records in a type of a schema, common types put in their place. A record takes two levels of JSON,
so that every schema can be written in either format."""

MAX_TYPE_SIZE: Final = 1_000_000
"""Parts of a type of a schema, common types put in their place: each use of a common type counts anew."""

MAX_TYPE_ANCESTORS: Final = 1_000_000
"""Ancestors of all entity types of a schema together, and likewise of all its actions."""

MAX_JSON_TEXT: Final = 256 * 1024 * 1024
"""Characters in one JSON document."""

MAX_EXPRESSION_DEPTH: Final = 128
"""Levels of nesting in an expression. A chain of `&&` or of `||` is one level, however long."""

MAX_JSON_DEPTH: Final = 128
"""Levels of nesting in JSON data, the reference engine's own bound."""

MAX_ANCESTORS: Final = 32_000_000
"""Ancestors of all entities of a store together. A chain of n entities has n * (n - 1) / 2 of them: a small file could
otherwise fill the memory."""

MAX_IP_TEXT: Final = 43
"""Characters in the argument of `ip()`."""
