"""The options of a question: every form that is taken, and every fault with its place."""

from pathlib import Path
from typing import Any

import pytest

from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID, IPAddr, Record, Set
from pdp.cli.question import Question, Token, read_question

OPTIONS: dict[str, Any] = {
    "principal": 'User::"ana"',
    "token": None,
    "token_file": None,
    "action": 'Files::Action::"read"',
    "resource": 'Files::File::"plan"',
    "device": None,
    "context": None,
}


def read(**options: Any) -> Question:
    return read_question(**(OPTIONS | options))


def refused(**options: Any) -> CedarError:
    with pytest.raises(CedarError) as caught:
        read(**options)
    return caught.value


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PDP_TOKEN", raising=False)


def test_a_question_in_full() -> None:
    context = '{"region": "eu", "ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, "n": [1, {"a": true}]}'
    found = read(device='Device::"d \\"1\\""', context=context)
    assert found == Question(
        EntityUID("User", "ana"),
        EntityUID("Files::Action", "read"),
        EntityUID("Files::File", "plan"),
        EntityUID("Device", 'd "1"'),
        Record({"region": "eu", "ip": IPAddr(4, 0x0A000001, 32), "n": Set([1, Record({"a": True})])}),
    )


def test_device_and_context_may_be_left_out() -> None:
    assert read().device is None
    assert read().context == Record()


def test_a_token_by_each_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("a.b.c\n")
    assert read(principal=None, token="a.b.c").who == Token("a.b.c")
    assert read(principal=None, token_file=file).who == Token("a.b.c")
    monkeypatch.setenv("PDP_TOKEN", "d.e.f")
    assert read(principal=None).who == Token("d.e.f")
    assert read(principal=None, token="a.b.c").who == Token("a.b.c"), "an option outranks the environment"
    assert read().who == EntityUID("User", "ana")


def test_a_token_is_not_shown_by_repr() -> None:
    assert "a.b.c" not in repr(read(principal=None, token="a.b.c"))


@pytest.mark.parametrize(
    "options",
    [
        {"token": "a.b.c"},
        {"token_file": Path("token")},
        {"principal": None, "token": "a.b.c", "token_file": Path("token")},
    ],
)
def test_two_principals_are_one_too_many(options: dict[str, Any]) -> None:
    assert refused(**options).message == "the question has more than one principal"


@pytest.mark.parametrize("options", [{}, {"token": ""}, {"token": " \n"}])
def test_no_principal(options: dict[str, Any]) -> None:
    error = refused(principal=None, **options)
    assert error.message == "the question has no principal"
    assert error.help is not None
    assert "PDP_TOKEN" in error.help


def test_token_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot read the token file" in refused(principal=None, token_file=tmp_path / "none").message
    assert "cannot read the token file" in refused(principal=None, token_file=tmp_path).message
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "cannot read the token file" in refused(principal=None, token_file=tmp_path / "bytes").message
    (tmp_path / "text").write_text("häßlich")
    assert "no token" in refused(principal=None, token_file=tmp_path / "text").message


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"principal": "User::ana"}, "--principal:1:10:"),
        ({"principal": ""}, "--principal:1:1:"),
        ({"action": "read"}, "--action:1:5:"),
        ({"resource": "File::'plan'"}, "--resource:1:7:"),
        ({"device": 'Device::"d" x'}, "--device:1:13:"),
        ({"context": '{"a": 1.5}'}, "--context:1:7:"),
        ({"context": "[]"}, "--context:1:1:"),
        ({"context": '{"a": 1, "a": 2}'}, "--context:1:10:"),
        ({"context": '{"a": null}'}, "--context:1:7:"),
        ({"resource": 'File::"\udcff"'}, "--resource:1:8:"),  # how Python passes on the byte 0xff of an argument
        ({"context": '{"\udcff": 1}'}, "--context:1:3:"),
    ],
)
def test_a_fault_has_its_place(options: dict[str, Any], place: str) -> None:
    rendered = refused(**options).render()
    assert rendered.startswith(place), rendered
    assert "^" in rendered
