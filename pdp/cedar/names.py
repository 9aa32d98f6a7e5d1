"""Identifiers, reserved words, and type names.

A type name is normalised: `Identifier::Identifier`, ASCII, no white space, no reserved word. Policy text may hold white
space and comments around `::`; the text parser removes them before it asks here. JSON may not (`Cedar JSON format`,
"type names must be normalised").
"""

import re
from typing import Final

RESERVED: Final = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})
"""Words that are no part of a name and no bare attribute name in a policy; `__cedar` because the engine's own types
live there."""

_IDENTIFIER: Final = r"[_a-zA-Z][_a-zA-Z0-9]*"
_WORD: Final = re.compile(_IDENTIFIER)
_FORM: Final = re.compile(rf"{_IDENTIFIER}(?:::{_IDENTIFIER})*")


def is_identifier(text: str) -> bool:
    """Whether a text is an identifier, reserved words included."""
    return _WORD.fullmatch(text) is not None


def is_bare_name(text: str) -> bool:
    """Whether a policy may use a text as the name of an attribute without quotes."""
    return is_identifier(text) and text not in RESERVED


def is_type_name(text: str) -> bool:
    """Whether a text is a normalised type name."""
    return _FORM.fullmatch(text) is not None and RESERVED.isdisjoint(text.split("::"))


def is_action_type(type_name: str) -> bool:
    """Whether a type is one of actions: `Action`, in any namespace."""
    return type_name == "Action" or type_name.endswith("::Action")
