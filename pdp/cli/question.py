"""The question that the verbs `check` and `eval` are given as options."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pdp.cedar.source import Source, Span
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.cedar.wire.values import parse_record
from pdp.cli.options import TOKEN_VARIABLE, OptionError


@final
@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token in JWS compact form, not verified. Its text is kept out of `repr`, and so out of tracebacks."""

    text: str

    def __repr__(self) -> str:
        return "Token(...)"


@final
@dataclass(frozen=True, slots=True)
class Question:
    """Who, what, to what, from where. `who` is an entity that is asserted, or a token."""

    who: EntityUID | Token
    action: EntityUID
    resource: EntityUID
    device: EntityUID | None
    context: Record


def read_question(
    principal: str | None,
    token: str | None,
    token_file: Path | None,
    *,
    action: str,
    resource: str,
    device: str | None,
    context: str | None,
) -> Question:
    """The question of these options. Raises OptionError, ParseError or JsonError, with a place where there is one."""
    return Question(
        who=read_who(principal, token, token_file),
        action=read_entity("--action", action),
        resource=read_entity("--resource", resource),
        device=None if device is None else read_entity("--device", device),
        context=read_context(context),
    )


def read_who(principal: str | None, token: str | None, token_file: Path | None) -> EntityUID | Token:
    """Who asks. Raises OptionError unless exactly one is given, ParseError for what is no entity."""
    given = [option for option in (principal, token, token_file) if option is not None]
    if len(given) > 1:
        raise OptionError(
            "the question has more than one principal", help="give one of `--principal`, `--token`, `--token-file`"
        )
    if principal is not None:
        return read_entity("--principal", principal)
    if token_file is not None:
        try:
            text = token_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"cannot read the token file `{token_file}`: {error}") from error
    else:
        text = token or os.environ.get(TOKEN_VARIABLE) or ""
    if not text.strip().isascii() or not text.strip():
        found = "the question has no principal" if not text.strip() else "the token holds characters of no token"
        raise OptionError(
            found, help=f"give `--principal`, `--token`, `--token-file`, or set the variable {TOKEN_VARIABLE}"
        )
    return Token(text.strip())


def read_context(text: str | None) -> Record:
    """What the caller says of the request; nothing, if that is all. Raises OptionError, JsonError."""
    return EMPTY_RECORD if text is None else parse_record(read_text("--context", text))


def read_entity(option: str, text: str) -> EntityUID:
    """The entity that an option names. Raises OptionError, ParseError."""
    return parse_entity_uid(read_text(option, text).text, option)


def read_text(option: str, text: str) -> Source:
    """An argument as a source. Raises OptionError for bytes that are not UTF-8, which Python hides in surrogates."""
    source = Source(option, text)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        span = Span(error.start, error.end)
        raise OptionError("the argument is not UTF-8", span=span, source=source) from error
    return source
