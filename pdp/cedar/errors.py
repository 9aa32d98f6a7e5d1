"""The errors of the language floor: one family, each with a code, a message, a place and a help text.

Message style follows the reference implementation's guide: no capital, no full stop, user input in backticks, Cedar's
words and never class names; what to do about it stands in `help`.
"""

from enum import Enum, unique

from pdp.cedar.source import Position, Source, Span
from pdp.cedar.values import EntityUID


class CedarError(Exception):
    """Input was refused. Subclasses say which kind of input; `code` is stable and fit for a metric label."""

    code = "cedar_error"

    def __init__(
        self, message: str, *, span: Span | None = None, source: Source | None = None, help: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.source = source
        self.help = help

    @property
    def position(self) -> Position | None:
        """Line and column of the error's start, if it has a place."""
        if self.source is None or self.span is None:
            return None
        return self.source.position(self.span.start)

    def render(self) -> str:
        """The whole message for a person: `file:line:column: message`, the line with carets, the help."""
        if self.source is None:
            text = self.message
        elif self.span is None or (position := self.position) is None:
            text = f"{self.source.name}: {self.message}"
        else:
            place = f"{self.source.name}:{position.line}:{position.column}"
            text = f"{place}: {self.message}\n{self.source.underline(self.span)}"
        return f"{text}\n  help: {self.help}" if self.help else text


class ParseError(CedarError):
    """Policy text that is not Cedar."""

    code = "policy_syntax"


class PrintError(CedarError):
    """A policy or an expression that has no form in policy text; JSON or Python code can say more than text."""

    code = "policy_print"


class FormatError(CedarError):
    """Policy text that cannot be laid out anew: the indent is out of range, or the result would pass a limit."""

    code = "policy_format"


class PolicySetError(CedarError):
    """Policies that are well-formed alone and wrong together: duplicate ids, links that do not fit."""

    code = "policy_set"


class JsonError(CedarError):
    """JSON that is malformed or does not have the documented form."""

    code = "json_form"


class EntityError(CedarError):
    """Entities that contradict each other: a cycle in the hierarchy, one id twice. `uid` is one that is concerned."""

    code = "entities"

    def __init__(
        self,
        message: str,
        *,
        uid: EntityUID | None = None,
        span: Span | None = None,
        source: Source | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message, span=span, source=source, help=help)
        self.uid = uid


class SchemaError(CedarError):
    """A schema that is malformed or contradicts itself."""

    code = "schema"


class ConformanceError(CedarError):
    """An entity, a context or a request that does not fit the schema."""

    code = "nonconformant"


@unique
class ErrorKind(Enum):
    """The six ways in which an evaluation fails (research: Cedar language, section 2)."""

    TYPE = "type_error"
    ATTRIBUTE_MISSING = "attribute_missing"
    TAG_MISSING = "tag_missing"
    ENTITY_MISSING = "entity_missing"
    OVERFLOW = "overflow"
    EXTENSION = "extension_error"


class EvaluationError(Exception):
    """An expression has no value. Never escapes `authorize`: it becomes an entry in the response's errors."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
