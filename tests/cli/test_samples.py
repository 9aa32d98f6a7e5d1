"""The questions that `pdp serve` suggests: found among the cases, true now, and quoted for a shell."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from engine_worlds import AGES, ANA, LAPTOP, NOW, PLAN, READ, ask, decide
from small_world import CASES, SmallWorld

from pdp.app import App
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, IPAddr
from pdp.cli.samples import Sample, command_line, find_samples, sample_lines
from pdp.config import Config, load_config
from pdp.context.files import load_facts
from pdp.engine.chain import build_chain
from pdp.engine.decider import Decider, ReasonClass
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.inventory.routes import RouteTable
from pdp.policies.bundle import load_bundle
from pdp.policies.cases import read_cases


def load(files: SmallWorld) -> tuple[Config, World, Decider]:
    config, bundle = load_config(files.config), load_bundle(files.root)
    current = CurrentWorld()
    facts = load_facts(files.root / "context", bundle.schema, NOW, relative_times=True)
    current.world = build_world(bundle, facts)
    return config, current.world, build_chain(current, AGES, lambda: NOW, lambda _: None)


def found(files: SmallWorld, cases: str) -> list[Sample]:
    _, world, decider = load(files)
    return list(find_samples(tuple(read_cases(Source("cases", cases))), Rehearsal(world, AGES, RouteTable()), decider))


def shown(files: SmallWorld) -> list[str]:
    config, world, decider = load(files)
    return [line.plain for line in sample_lines(config, world, decider, "here:1")]


def test_the_first_allowed_and_the_first_forbidden_case(files: SmallWorld) -> None:
    samples = found(files, CASES)
    assert [sample.verdict.reason for sample in samples] == [ReasonClass.ALLOWED, ReasonClass.FORBIDDEN]
    assert [sample.request.subject.uid.id for sample in samples] == ["ana", "eve"]


CASE = """\
now: 2026-03-02T10:00:00Z
cases:
  - name: it
    principal: User::"ana"
    {more}
    expect: {{decision: {decision}, reason: {reason}, policies: []}}
"""
ASKED = 'action: Files::Action::"read"\n    resource: Files::File::"plan"'


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (f"auth: {{}}\n    {ASKED}", "allowed"),
        ("http: GET api.example/files/plan", "allowed"),
        (ASKED, "forbidden"),
        (ASKED, "not_permitted"),
    ],
    ids=["by token", "in HTTP", "answered otherwise", "another reason"],
)
def test_what_cannot_be_suggested(files: SmallWorld, more: str, reason: str) -> None:
    decision = "allow" if reason == "allowed" else "deny"
    assert found(files, CASE.format(more=more, decision=decision, reason=reason)) == []


def test_a_case_that_is_not_answered_so_now_gives_way_to_the_next(files: SmallWorld) -> None:
    first = CASES.replace("now: 2026-03-02T10:00:00Z\ncases:\n", "").replace("name: ", "name: again, ")
    files.replace("context/entities/all.json", '"suspended": true', '"suspended": false')
    assert [sample.verdict.reason for sample in found(files, CASES + first)] == [ReasonClass.ALLOWED]
    files.replace("teams/files/files.cedar", 'Group::"readers"', 'Group::"nobody"')
    (only,) = found(files, CASES + first)
    assert only.request.subject.uid.id == "bob"


def test_what_is_printed(files: SmallWorld) -> None:
    lines = shown(files)
    assert lines[0] == "Questions to ask it from another terminal:"
    assert lines[1::2] == ["# allow: readers read", "# deny: suspended people may do nothing"]
    assert [shlex.split(line)[:4] for line in lines[2::2]] == [["pdp", "check", "--address", "here:1"]] * 2


def test_nothing_is_printed_where_there_is_nothing_to_suggest(files: SmallWorld) -> None:
    config, world, decider = load(files)
    without = replace(config, identity=replace(config.identity, accept_asserted=False))
    assert sample_lines(without, world, decider, "here:1") == []
    files.write("tests/files.yaml", CASE.format(more=ASKED, decision="deny", reason="forbidden"))
    assert shown(files) == []
    (files.root / "tests/files.yaml").unlink()
    (files.root / "tests").rmdir()
    assert shown(files) == []


def test_cases_at_fault_do_not_stop_a_server(files: SmallWorld) -> None:
    files.write("tests/files.yaml", "now: soon")
    assert shown(files)[0].startswith(f"no questions to try: {files.root}/tests/files.yaml:1:6: ")


def test_a_line_says_the_whole_question_and_survives_a_shell() -> None:
    odd = EntityUID("User", "o'brien \"$(x)`; \n")
    request = ask(odd, device=LAPTOP, context={"region": "it's", "ip": IPAddr(4, 1, 32)})
    words = shlex.split(command_line(request, "127.0.0.1:1"))
    assert words == [
        *("pdp", "check", "--address", "127.0.0.1:1"),
        *("--principal", str(odd), "--device", str(LAPTOP), "--action", str(READ), "--resource", str(PLAN)),
        *("--context", words[-1]),
    ]
    assert json.loads(words[-1]) == {"region": "it's", "ip": {"__extn": {"fn": "ip", "arg": "0.0.0.1"}}}
    assert "\n" not in command_line(request, "127.0.0.1:1")


def test_the_usual_address_goes_without_saying() -> None:
    assert command_line(ask(ANA), "127.0.0.1:50051").startswith("pdp check --principal ")


def test_the_program_is_called_so_that_a_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "pdp"
    program.parent.mkdir()
    program.touch(mode=0o755)
    for path, called, named in (
        (str(program.parent), str(program), "pdp"),
        ("/nowhere", str(program), str(program)),
        ("/nowhere", "/usr/bin/pytest", "pdp"),
    ):
        monkeypatch.setenv("PATH", path)
        monkeypatch.setattr(sys, "argv", [called])
        assert command_line(ask(ANA), "a").startswith(f"{named} check ")


def test_the_suggestions_of_a_running_app_are_its_own_answers(files: SmallWorld, served: App) -> None:
    assert served.world is not None
    config = load_config(files.config)
    lines = [line.plain for line in sample_lines(config, served.world, served.decider, "here:1")]
    assert lines[1] == f"# allow: {decide(served.world, ask(ANA)).message}"
