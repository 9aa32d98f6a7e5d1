"""Objects, arrays and words of a fixed form: what the JSON policy format is made of.

Keys that a form does not have are refused. So are some things that the reference implementation's reader lets pass:
further keys in `has`, an array of a form's values in place of the object, and an object such as `{"permit": null}` in
place of a word.

INVARIANT: nothing is read or written that takes MAX_JSON_DEPTH levels of JSON, counted from the root of its document:
no reader takes it, ours or the reference implementation's. So recursion is bounded, and what was read can be written.
The length of a path is the number of levels around a value.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final, TypeVar

from pdp.cedar.errors import JsonError
from pdp.cedar.limits import MAX_JSON_DEPTH
from pdp.cedar.names import is_type_name
from pdp.cedar.values import EntityUID, brief
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.cedar.wire.values import describe, write_entity_uid

_T = TypeVar("_T")

_TYPE_HELP: Final = "write identifiers separated by `::`, without white space and reserved words"
_MAX_GUESS: Final = 40
"""Longest word that is compared with the known ones: comparing takes the square of its length."""
_SHOWN: Final = 12


def read_fields(
    json: Json, path: Path, what: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Json]:
    """An object with the required keys, perhaps some of the optional ones, and no others.

    `what` names it in messages. Raises FormError.
    """
    fields = read_object(json, path, what)
    known = (*required, *optional)
    for name in fields:
        if name not in known:
            absent = [key for key in known if key not in fields]
            help = guess(name, absent or known, "the keys are" if not absent else "the other keys are")
            raise FormError(f"unknown key {brief(name)} in {what}", (*path, name), help=help)
    for name in required:
        if name not in fields:
            raise FormError(f"{what} lacks the key `{name}`", path, help=listed("the keys it needs are", required))
    return fields


def read_object(json: Json, path: Path, what: str) -> dict[str, Json]:
    """An object, whatever its keys. Raises FormError."""
    if not isinstance(json, dict):
        raise FormError(f"{what} must be an object, found {describe(json)}", path, help="write `{..}`")
    require_levels(len(path), 1, path)
    return json


def read_elements(json: Json, path: Path, what: str) -> list[Json]:
    """An array. Raises FormError."""
    if not isinstance(json, list):
        raise FormError(f"{what} must be an array, found {describe(json)}", path, help="write `[..]`")
    require_levels(len(path), 1, path)
    return json


def read_text(json: Json, path: Path, what: str) -> str:
    """A string. Raises FormError."""
    if not isinstance(json, str):
        raise FormError(f"{what} must be a string, found {describe(json)}", path, help="write it in double quotes")
    return json


def read_word(json: Json, path: Path, what: str, words: Mapping[str, _T]) -> _T:
    """What one of a few words stands for. Raises FormError."""
    word = read_text(json, path, what)
    if word not in words:
        raise FormError(f"{brief(word)} is not {what}", path, help=guess(word, words, "write one of"))
    return words[word]


def read_type_name(json: Json, path: Path) -> str:
    """A normalised name of an entity type. Raises FormError."""
    name = read_text(json, path, "the name of an entity type")
    if not is_type_name(name):
        raise FormError(f"{brief(name)} is not an entity type", path, help=_TYPE_HELP)
    return name


def require_levels(around: int, needed: int, path: Path) -> None:
    """Refuses, with a FormError, what takes `needed` levels of JSON and has `around` levels around it."""
    if is_too_deep(around, needed):
        raise FormError("nested too deeply", path, help=f"fewer than {MAX_JSON_DEPTH} levels of nesting are read")


def is_too_deep(around: int, needed: int) -> bool:
    """Whether `needed` levels of JSON are too many with `around` levels around them."""
    return around + needed >= MAX_JSON_DEPTH


def guess(word: str, known: Collection[str], introduction: str) -> str:
    """Help for an unknown word: the known one that was probably meant, or all of them."""
    close = get_close_matches(word, known, 1, 0.7) if len(word) <= _MAX_GUESS else []
    return f"did you mean `{close[0]}`?" if close else listed(introduction, known)


def listed(introduction: str, words: Collection[str]) -> str:
    """Help that says what there is."""
    shown = [f"`{word}`" for word in words][:_SHOWN]
    return f"{introduction} {', '.join(shown)}{' and more' if len(words) > _SHOWN else ''}"


def writable(text: str) -> str:
    """The text itself, if JSON can hold it. Raises JsonError for half a surrogate pair: no reader would take it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as fault:
            raise JsonError(f"U+{ord(text[fault.start]):04X} is half of a surrogate pair and no character") from None
    return text


def write_type_name(name: str) -> str:
    """The name of an entity type as it is. Raises JsonError for what is none and would not be read again."""
    if not is_type_name(name):
        raise JsonError(f"{brief(name)} is not an entity type", help=_TYPE_HELP)
    return name


def write_uid(uid: EntityUID) -> dict[str, Json]:
    """`{"type": T, "id": I}`. Raises JsonError for what would not be read again."""
    write_type_name(uid.type)
    writable(uid.id)
    return write_entity_uid(uid)
