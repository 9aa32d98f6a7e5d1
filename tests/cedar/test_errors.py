"""The error family: codes, places, and what a person is shown."""

from collections.abc import Iterator

import pytest

from pdp.cedar import errors
from pdp.cedar.errors import CedarError, EntityError, ErrorKind, EvaluationError, ParseError
from pdp.cedar.source import Position, Source, Span
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.strict_json import FormError

SOURCE = Source("a.cedar", "one\ntwo\n")


def family(root: type[CedarError]) -> Iterator[type[CedarError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def test_every_kind_of_refusal_has_a_code_fit_for_a_metric() -> None:
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CedarError)]
    codes = [kind.code for kind in own]
    assert len(set(codes)) == len(codes) >= 8
    for kind in family(CedarError):
        assert kind.code.replace("_", "").isalpha()
        assert kind.code.islower()
    assert FormError.code == errors.JsonError.code, "a subclass for the reader's own use is no kind of its own"


def test_an_error_of_evaluation_is_no_refusal_of_input() -> None:
    error = EvaluationError(ErrorKind.TYPE, "expected long, got bool")
    assert not isinstance(error, CedarError)
    assert (error.kind, error.message, str(error)) == (
        ErrorKind.TYPE,
        "expected long, got bool",
        "expected long, got bool",
    )
    assert len(ErrorKind) == 6


@pytest.mark.parametrize(
    ("error", "rendered"),
    [
        (ParseError("no"), "no"),
        (ParseError("no", help="do this"), "no\n  help: do this"),
        (ParseError("no", source=SOURCE), "a.cedar: no"),
        (ParseError("no", source=SOURCE, help="do this"), "a.cedar: no\n  help: do this"),
        (ParseError("no", span=Span(4, 7)), "no"),
        (ParseError("no", span=Span(4, 7), source=SOURCE), "a.cedar:2:1: no\n  |\n2 | two\n  | ^^^"),
        (
            ParseError("no", span=Span(5, 6), source=SOURCE, help="do this"),
            "a.cedar:2:2: no\n  |\n2 | two\n  |  ^\n  help: do this",
        ),
    ],
)
def test_what_a_person_is_shown(error: CedarError, rendered: str) -> None:
    assert error.render() == rendered
    assert str(error) == error.message == "no"


def test_positions() -> None:
    assert ParseError("no", span=Span(5, 6), source=SOURCE).position == Position(2, 2)
    assert ParseError("no", source=SOURCE).position is None
    assert ParseError("no", span=Span(5, 6)).position is None


def test_an_error_about_entities_names_one() -> None:
    error = EntityError("no", uid=EntityUID("A", "b"), help="x")
    assert error.uid == EntityUID("A", "b")
    assert error.help == "x"
    assert EntityError("no").uid is None
