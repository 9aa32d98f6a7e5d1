"""Test cases: what a file may say, and where what it may not say is refused."""

import random
from functools import partial
from pathlib import Path

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.cedar.errors import JsonError
from pdp.cedar.response import Decision
from pdp.cedar.source import Position, Source
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.values import read_value
from pdp.documents import DocumentError
from pdp.policies.cases import (
    Authentication,
    Case,
    CedarQuestion,
    Claims,
    Expectation,
    HttpQuestion,
    load_cases,
    read_cases,
)

NOW = 1_772_445_600_000
MINUTE, HOUR = 60_000, 3_600_000
ANA = EntityUID("User", "ana")

LEAST = """\
now: 2026-03-02T10:00:00Z
cases:
  - name: least
    principal: User::"ana"
    action: P::Action::"view"
    resource: P::Order::"1"
    expect: {decision: deny, reason: not_permitted, policies: []}
"""
MOST = """\
now: 2026-03-02T10:00:00Z
cases:
  - name: most
    principal: User::"ana"
    auth: {acr: phishing-resistant, amr: [hwk, pin], age: 5m}
    claims: {attrs: {level: 3, home: "10.0.0.0/8"}, groups: ['Group::"buyers"', 'A::G::"x"']}
    device: Device::"laptop"
    action: P::Action::"view"
    resource: P::Order::"1"
    context: {region: eu-central, list: [1, true]}
    at: 2h
    expect:
      decision: allow
      reason: allowed
      policies: [procurement/view, procurement/view-2]
      obligations: ["mask:iban", "notify:dpo"]
      errors: [procurement/odd]
  - name: http
    principal: User::"ana"
    http: GET api.example:8443/orders/1?x=/y z
    expect: {decision: allow, reason: allowed, policies: [a/b]}
"""


def read(text: str) -> list[Case]:
    return list(read_cases(Source("x.yaml", text)))


def refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.position is not None
    return caught.value


def test_the_least_case() -> None:
    (case,) = read(LEAST)
    assert case == Case(
        name="least",
        now=NOW,
        instant=NOW,
        principal=ANA,
        auth=None,
        claims=None,
        device=None,
        question=CedarQuestion(EntityUID("P::Action", "view"), EntityUID("P::Order", "1")),
        context=None,
        expect=Expectation(Decision.DENY, "not_permitted", frozenset(), (), frozenset()),
        node=case.node,
    )


def test_everything_that_a_case_may_say() -> None:
    most, http = read(MOST)
    assert (most.name, most.principal, most.device) == ("most", ANA, EntityUID("Device", "laptop"))
    assert most.auth == Authentication("phishing-resistant", frozenset({"hwk", "pin"}), 5 * MINUTE)
    assert most.claims is not None
    assert most.claims.attrs is not None
    assert most.claims.attrs.value == {"level": 3, "home": "10.0.0.0/8"}
    assert most.claims.groups == (EntityUID("Group", "buyers"), EntityUID("A::G", "x"))
    assert most.context is not None
    assert most.context.value == {"region": "eu-central", "list": [1, True]}
    assert (most.now, most.instant) == (NOW, NOW + 2 * HOUR)
    assert most.expect == Expectation(
        Decision.ALLOW,
        "allowed",
        frozenset({"procurement/view", "procurement/view-2"}),
        ("mask:iban", "notify:dpo"),
        frozenset({"procurement/odd"}),
    )
    assert http.question == HttpQuestion("GET", "api.example:8443", "/orders/1?x=/y z")


def test_empty_parts_mean_the_same_as_missing_ones_except_that_auth_makes_a_token() -> None:
    (case,) = read(LEAST + "    auth: {}\n    claims: {}\n")
    assert case.auth == Authentication(None, frozenset(), None)
    assert case.claims == Claims(None, ())


@pytest.mark.parametrize(("at", "shift"), [("0ms", 0), ("-1h30m", -90 * MINUTE), ("36525d", 36_525 * 24 * HOUR)])
def test_the_instant_of_a_case_is_moved_and_its_now_is_not(at: str, shift: int) -> None:
    (case,) = read(LEAST + f"    at: {at}\n")
    assert (case.now, case.instant) == (NOW, NOW + shift)


def test_what_the_schema_will_refuse_later_gets_its_place_in_the_file() -> None:
    (case,) = read(LEAST + "    context:\n      a: [1, null]\n")
    assert case.context is not None
    with pytest.raises(JsonError) as caught, case.context.located():
        read_value(case.context.value)
    assert caught.value.position == Position(9, 14)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("GET h/", HttpQuestion("GET", "h", "/")),
        ("get h//x", HttpQuestion("get", "h", "//x")),
        ("GET [::1]:80/a%2Fb;c", HttpQuestion("GET", "[::1]:80", "/a%2Fb;c")),
        ("GET h/a\\\\b", HttpQuestion("GET", "h", "/a\\b")),
        ("GET h/a\\0\\n", HttpQuestion("GET", "h", "/a\0\n")),
        ("GET h", None),
        ("GET /orders", None),
        ("GET  h/orders", None),
        ("h/orders", None),
        (" GET h/orders", None),
        ("GET h /orders", None),
    ],
)
def test_http_questions(text: str, question: HttpQuestion | None) -> None:
    document = MOST.replace("GET api.example:8443/orders/1?x=/y z", f'"{text}"')
    if question is not None:
        assert read(document)[1].question == question
        return
    error = refused(document)
    assert error.message.endswith(" is no HTTP request")
    assert error.help == "write it as in `GET api.example/orders/4711`"
    assert error.position == Position(20, 11)


def test_http_goes_with_neither_action_nor_resource() -> None:
    for line in ('action: P::Action::"view"', 'resource: P::Order::"1"'):
        error = refused(MOST + f"    {line}\n")
        name = line.partition(":")[0]
        assert error.message == f"`{name}` is given beside `http`"
        assert error.position == Position(22, 5)


def test_claims_need_a_credential() -> None:
    error = refused(LEAST + "    claims: {}\n")
    assert error.message == "`claims` are given without `auth`"
    assert error.position == Position(8, 5)


@pytest.mark.parametrize(
    "key", ["now", "cases", "name", "principal", "action", "resource", "expect", "decision", "reason", "policies"]
)
def test_what_is_required(key: str) -> None:
    renamed = LEAST.replace(f"{key}:", f"{key}_x:", 1)
    error = refused(renamed)
    assert error.message == f"`{key}` is missing"
    assert error.help == f'is "{key}_x" a misspelling of it?'


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (MOST + "extra: 1\n", (22, 1)),
        (MOST + "    extra: 1\n", (22, 5)),
        (MOST.replace("acr:", "extra: 1, acr:"), (5, 12)),
        (MOST.replace("{attrs:", "{extra: 1, attrs:"), (6, 14)),
        (MOST.replace("      reason: allowed", "      extra: 1\n      reason: allowed"), (14, 7)),
        (LEAST.replace("policies: []", "policies: [], extra: 1"), (7, 67)),
    ],
)
def test_unknown_keys_are_refused_at_every_level(text: str, at: tuple[int, int]) -> None:
    error = refused(text)
    assert error.message == 'unknown key "extra"'
    assert error.position == Position(*at)
    assert error.help


WRONG = {
    "now": ("5", "yesterday", "2h", "2026-02-29"),
    "name": ("5", "''", "null", "[a]"),
    "principal": ("ana", "5", "User::ana", "'User::\"ana\" x'", "{type: User, id: ana}"),
    "auth": ("5", "mfa", "null", "{acr: 5}", "{amr: hwk}", "{amr: [5]}", "{age: 5}", "{age: 36526d}"),
    "claims": ("5", "null", "{attrs: 5}", "{attrs: []}", "{groups: 'G::\"x\"'}", "{groups: [x]}"),
    "device": ("laptop", "null"),
    "action": ("view", "P::Action", "5"),
    "resource": ("'1'", "1"),
    "context": ("5", "null", "[]"),
    "at": ("5", "later", "36526d", "2026-03-02T10:00:00Z"),
    "decision": ("Allow", "permit", "true", "[allow]"),
    "reason": ("5", "''", "null"),
    "policies": ("procurement/view", "[5]", "['']", "null", "{}"),
    "obligations": ("mask:iban", "[5]", "{mask: iban}"),
    "errors": ("none", "[null]"),
    "http": ("5", "/orders"),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_what_does_not_fit_is_refused_where_it_stands(key: str, value: str) -> None:
    lines = MOST.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip(" -").startswith(f"{key}:"))
    start = lines[at].index(f"{key}:")
    lines[at] = f"{lines[at][:start]}{key}: {value}"
    error = refused("\n".join(lines))
    assert error.position is not None
    assert error.position.line == at + 1
    assert start + len(key) + 3 <= error.position.column <= start + len(key) + 3 + len(value)


def test_every_key_is_in_that_table() -> None:
    keys = {line.strip(" -").partition(":")[0] for line in MOST.splitlines()}
    assert keys == WRONG.keys() | {"cases", "expect"}


@pytest.mark.parametrize("text", ["cases: 5", "cases: {}", "cases: [5]", "cases: [[]]", "[]", "5"])
def test_the_form_of_the_file(text: str) -> None:
    assert "must be a" in refused(f"now: 2026-03-02\n{text}" if text.startswith("cases") else text).message


class TestFolder:
    def test_files_are_read_by_name_and_cases_in_order(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            text = LEAST.replace("least", f"{name}1") + LEAST.replace("least", f"{name}2").split("cases:\n")[1]
            (tmp_path / f"{name}.yaml").write_text(text)
        (tmp_path / "README.md").write_text("x")
        (tmp_path / ".hidden.yaml").write_text("x")
        assert [case.name for case in load_cases(tmp_path)] == ["a1", "a2", "b1", "b2"]

    @pytest.mark.parametrize("files", [("a",), ("a", "b")])
    def test_two_cases_of_one_name(self, tmp_path: Path, files: tuple[str, ...]) -> None:
        for name in files:
            (tmp_path / f"{name}.yaml").write_text(LEAST)
        if len(files) == 1:
            (tmp_path / "a.yaml").write_text(LEAST + LEAST.split("cases:\n")[1])
        with pytest.raises(DocumentError) as caught:
            load_cases(tmp_path)
        assert caught.value.message == 'there are two cases "least"'
        assert caught.value.help == f"give each case its own name; the first one is at {tmp_path / 'a.yaml'}:3"
        assert caught.value.source is not None
        assert caught.value.source.name == str(tmp_path / f"{files[-1]}.yaml")
        assert caught.value.position == Position(3 if len(files) == 2 else 8, 5)

    def test_no_case_at_all_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "tests").mkdir()
        for folder in (tmp_path / "nothing", tmp_path / "tests"):
            with pytest.raises(DocumentError) as caught:
                load_cases(folder)
            assert (
                caught.value.render() == f"{folder}: there is no test case here\n  help: write cases in files `*.yaml`"
            )
        (tmp_path / "tests/a.yaml").write_text("now: 2026-03-02\ncases: []\n")
        with pytest.raises(DocumentError, match="no test case"):
            load_cases(tmp_path / "tests")

    @pytest.mark.parametrize("name", ["a.yml", "a.json", "a", "sub"])
    def test_a_misnamed_file_is_not_silently_left_out(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "good.yaml").write_text(LEAST)
        (tmp_path / name).mkdir() if name == "sub" else (tmp_path / name).write_text(LEAST)
        with pytest.raises(DocumentError, match="not one of the files that belong here"):
            load_cases(tmp_path)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").symlink_to("a.yaml")
        with pytest.raises(DocumentError, match="too many levels"):
            load_cases(tmp_path)


def test_damaged_cases_raise_only_our_errors() -> None:
    rng = random.Random(20261124)
    inputs = damaged(rng, [LEAST.encode(), MOST.encode()], ":-{}[]'\"\\0 \n,.%5é", rounds(1_000))
    errors = [refusal(partial(read, data.decode("utf-8", "replace"))) for data in inputs]
    assert errors.count(None) > 20
    assert all(error.position is not None and error.render() for error in errors if error is not None)
