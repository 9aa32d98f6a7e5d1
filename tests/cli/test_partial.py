"""`pdp partial`: what is certain, what it depends on, and who or what would be allowed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from engine_worlds import NOW
from small_world import SmallWorld, token
from typer.testing import Result

from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies

AT = "2026-03-02T10:00:00Z"
READ, WRITE = 'Files::Action::"read"', 'Files::Action::"write"'
PLAN, SECRET = 'Files::File::"plan"', 'Files::File::"secret"'
BOB = 'User::"bob"'


def partial(
    files: SmallWorld,
    *words: str | Path,
    who: str | None = 'User::"ana"',
    action: str = READ,
    resource: str = "?Files::File",
    at: str = AT,
) -> Result:
    principal = () if who is None else ("--principal", who)
    asked = (*principal, "--action", action, "--resource", resource, "--now", at)
    where = () if "--config" in words or "--policies" in words else ("--config", files.config)
    return run("partial", *asked, *where, *words)


def residuals(result: Result) -> list[str | None]:
    """The ids of the policies that are printed; they must be Cedar."""
    _, *blocks = result.stdout.split("\n\n//")
    text = "".join(f"//{block}\n\n" for block in blocks)
    return [policy.annotations["id"] for policy in parse_policies(Source("printed", text))]


# The answer


def test_what_is_undecided_shows_what_it_depends_on(files: SmallWorld) -> None:
    result = partial(files, who=BOB)
    assert (result.exit_code, result.stderr) == (3, "")
    revision = next(line for line in result.stdout.splitlines() if "revision" in line)
    assert result.stdout == (
        "UNDECIDED  it depends on what is not known\n"
        "  unknown       resource is Files::File\n"
        "  unknown       context.grant\n"
        f"{revision}\n"
        '  context.auth  {"method": "asserted", "freshness": "unknown", "amr": []}\n'
        '  context.device  {"freshness": "unknown"}\n'
        '  context.workload  {"freshness": "unknown"}\n'
        "\n"
        f"// {files.root}/guardrails/central.cedar:6:1\n"
        '@id("guardrail/secret-needs-encrypted-device")\n'
        '@reason("secret files are for encrypted devices")\n'
        '@obligation("notify:security")\n'
        "forbid(principal, action, resource)\n"
        "when { resource.secret };\n"
        "\n"
        f"// {files.root}/entitlements/reader.cedar:1:1\n"
        '@id("grant/bob-plans")\n'
        '@reason("a grant lets read")\n'
        'permit(principal, action, resource in Files::Folder::"plans");\n'
    )
    assert residuals(result) == ["guardrail/secret-needs-encrypted-device", "grant/bob-plans"]


def test_what_is_certainly_allowed(files: SmallWorld) -> None:
    result = partial(files, "--unknown", "context", resource=PLAN)
    assert result.exit_code == 0
    assert result.stdout.startswith("ALLOW  allowed: readers read\n  permit        files/readers-read\n")
    assert "  unknown       context\n" in result.stdout
    assert residuals(result) == []


def test_what_is_certainly_denied(files: SmallWorld) -> None:
    result = partial(files, who='User::"eve"')
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "DENY  forbidden: suspended people may do nothing\n"
        "  permit        files/readers-read\n"
        "  forbid        guardrail/suspended\n"
        "  unknown       resource is Files::File\n"
    )
    assert "  residual      1 policy depends on what is not known, and cannot change the decision\n" in result.stdout
    assert "//" not in result.stdout
    missing = partial(files, resource='Files::File::"gone"', action="?")
    assert missing.exit_code == 1
    assert missing.stdout.startswith("DENY  policy_error: a guardrail could not be evaluated: guardrail/secret-")
    assert "  error         guardrail/secret-needs-encrypted-device: entity_missing: " in missing.stdout
    nothing = partial(files, action='Files::Action::"purge"')
    assert nothing.stdout.startswith("DENY  not_permitted: no policy permits this\n")


def test_a_question_that_the_engine_refuses_whatever_is_unknown(files: SmallWorld) -> None:
    result = partial(files, "--context", '{"auth": {}}')
    assert (result.exit_code, result.stdout) == (1, "DENY  invalid_request: the context holds `auth`\n")
    result = partial(files, resource="?Group")
    assert result.exit_code == 1
    assert "does not apply to a resource of type `Group`" in result.stdout


def test_a_forbid_that_cannot_hold_and_may_fail_is_depended_on(files: SmallWorld) -> None:
    files.write(
        "guardrails/more.cedar",
        '@id("guardrail/odd") forbid (principal, action, resource is Files::File)'
        " when { resource.secret && context.workload has attested };",
    )
    result = partial(files, "--device", 'Device::"laptop"')
    assert result.exit_code == 3
    assert residuals(result) == ["guardrail/odd", "guardrail/secret-needs-encrypted-device"]
    assert result.stdout.count("; it never holds, and where it fails it denies\n") == 2
    assert partial(files, "--device", 'Device::"laptop"', "--list").exit_code == 0


@pytest.mark.parametrize(
    ("who", "words", "unknown"),
    [
        ("?", (), ["principal", "context.auth", "context.device", "context.grant", "context.workload"]),
        ("?User", (), ["principal is User", "context.auth", "context.device", "context.grant", "context.workload"]),
        (
            "? User",
            ("--device", 'Device::"laptop"'),
            ["principal is User", "context.auth", "context.grant", "context.workload"],
        ),
        (BOB, (), []),
        (BOB, ("--unknown", "context.region", "--unknown", "context.ip"), ["context.ip", "context.region"]),
        (BOB, ("--unknown", "context.grant"), ["context.grant"]),
        (BOB, ("--unknown", "context", "--unknown", "context.device"), ["context.device", "context"]),
    ],
)
def test_what_is_unknown(files: SmallWorld, who: str, words: tuple[str, ...], unknown: list[str]) -> None:
    result = partial(files, *words, who=who, resource=PLAN)
    shown = [line.removeprefix("  unknown").strip() for line in result.stdout.splitlines() if "  unknown" in line[:9]]
    assert shown == unknown
    assert json.loads(partial(files, *words, "--json", who=who, resource=PLAN).stdout)["unknown"] == unknown


def test_unknown_attributes_may_be_absent(files: SmallWorld) -> None:
    files.write(
        "guardrails/more.cedar",
        '@id("guardrail/region") forbid (principal, action, resource)'
        ' unless { context has region && context.region == "eu" };',
    )
    assert partial(files, resource=PLAN).exit_code == 1
    for words in (("--unknown", "context.region"), ("--unknown", "context")):
        result = partial(files, *words, resource=PLAN)
        assert result.exit_code == 3
        assert 'unless { context has region && context.region == "eu" };\n' in result.stdout
    assert partial(files, "--unknown", "context.ip", resource=PLAN).exit_code == 1
    assert partial(files, "--context", '{"region": "eu"}', "--unknown", "context", resource=PLAN).exit_code == 0


def test_a_token(files: SmallWorld, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token("ana", NOW, acr="phishing-resistant", auth_time=NOW // 1000))
    known = partial(files, "--token-file", tmp_path / "token", "--list", who=None, action=WRITE)
    assert known.exit_code == 3, "another's file is not hers"
    assert '"acr": "phishing-resistant"' in known.stdout
    assert "  allowed       " + PLAN in known.stdout
    late = partial(files, "--token", token("ana", NOW - 3_600_000), "--list", who=None)
    assert (late.exit_code, late.stdout) == (
        1, "DENY  unauthenticated: the token has expired\n\n0 allowed, 0 undecided\n"
    )  # fmt: skip


def test_the_variable_is_not_looked_at_when_the_principal_is_unknown(files: SmallWorld) -> None:
    asked = ("--action", READ, "--resource", PLAN, "--config", files.config, "--now", AT)
    variable = {"PDP_TOKEN": token("ana", NOW)}
    assert "  unknown       principal\n" in run("partial", "--principal", "?", *asked, env=variable).stdout
    assert run("partial", *asked, env=variable).stdout.startswith("ALLOW  ")


def test_the_time_decides_which_grants_are_policies(files: SmallWorld) -> None:
    files.replace("context/grants.json", '"-1h"', '"2026-03-02T09:00:00Z"')
    files.replace("context/grants.json", '"1h"', '"2026-03-02T11:00:00Z"')
    assert "grant/bob-plans" in partial(files, who=BOB).stdout
    over = partial(files, who=BOB, at="2026-03-02T11:00:00Z")
    assert over.exit_code == 1
    assert over.stdout.startswith("DENY  not_permitted: ")


def test_another_bundle(files: SmallWorld) -> None:
    assert partial(files, "--policies", files.root, resource=PLAN).exit_code == 0
    assert partial(files, "--policies", files.root / "nowhere", resource=PLAN).exit_code == 2


def test_what_is_printed_cannot_steer_the_terminal(files: SmallWorld) -> None:
    files.write(
        "guardrails/more.cedar",
        '@id("guardrail/more") @reason("\x1b[2J") forbid (principal, action, resource is Files::File)'
        ' when { resource.owner == User::"\x1b[31m" };',
    )
    result = partial(files)
    assert "\x1b" not in result.stdout
    assert residuals(result) == ["guardrail/more", "guardrail/secret-needs-encrypted-device"]


# Lists


def test_a_list_of_resources(files: SmallWorld) -> None:
    result = partial(files, "--list")
    assert result.exit_code == 3
    assert result.stdout.endswith(f"\n\n  allowed       {PLAN}\n1 allowed, 0 undecided\n")
    encrypted = partial(files, "--list", "--device", 'Device::"laptop"', resource="?")
    assert encrypted.exit_code == 0, "of the files that are stored it is known that they have an owner"
    assert encrypted.stdout.endswith(f"\n\n  allowed       {PLAN}\n  allowed       {SECRET}\n2 allowed, 0 undecided\n")


def test_a_list_says_what_an_undecided_one_depends_on(files: SmallWorld) -> None:
    result = partial(files, "--list", who="?User", action=WRITE, resource=PLAN)
    assert result.exit_code == 3
    assert result.stdout.endswith('\n\n  undecided     User::"ana"  (files/owners-write)\n0 allowed, 1 undecided\n')


def test_a_list_of_actions(files: SmallWorld) -> None:
    result = partial(files, "--list", action="?", resource=PLAN)
    allowed = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("  allowed")]
    assert allowed == [READ, 'Files::Action::"share"']


def test_a_list_of_nothing(files: SmallWorld) -> None:
    result = partial(files, "--list", who='User::"eve"')
    assert result.exit_code == 1
    assert result.stdout.endswith("\n\n0 allowed, 0 undecided\n")


@pytest.mark.parametrize(
    ("who", "action", "resource", "count"),
    [('User::"ana"', READ, PLAN, 0), ("?", READ, "?Files::File", 2), ("?", "?", "?", 3)],
)
def test_a_list_is_about_one_unknown(files: SmallWorld, who: str, action: str, resource: str, count: int) -> None:
    result = partial(files, "--list", who=who, action=action, resource=resource)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"`--list` is about one unknown, and there are {count}\n" in result.stderr


# Bad input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--unknown", "region"), "`--unknown region` is no attribute of the context"),
        (("--unknown", "context."), "`--unknown context.` is no attribute of the context"),
        (("--unknown", "principal.level"), "`--unknown principal.level` is no attribute of the context"),
        (("--unknown", "context.reigon"), "the context has no attribute `reigon`\n  help: did you mean `region`?"),
        (("--unknown", "context.auth.acr"), "the context has no attribute `auth.acr`\n  help: "),
        (
            ("--unknown", "context.region", "--context", '{"region": "eu"}'),
            "`context.region` is unknown, and `--context` gives it",
        ),
        (
            ("--unknown", "context.device", "--device", 'Device::"laptop"'),
            "`context.device` is unknown, and `--device` gives it",
        ),
        (("--context", "{"), "--context:1:2: "),
        (("--device", "?"), "--device:1:1: "),
        (("--token", "a.b.c"), "the question has more than one principal"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--now", "soon"), "--now:1:1: this is no instant"),
        (("--max", "3"), "No such option"),
    ],
)
@pytest.mark.parametrize("who", ['User::"ana"', "?User"])
def test_wrong_usage(files: SmallWorld, who: str, words: tuple[str, ...], message: str) -> None:
    result = partial(files, *words, who=who)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("?User::", "1:8"),
        ('?User::"ana"', "1:2"),
        ("?User Group", "1:7"),
        ("??", "1:2"),
        ("?if", "1:2"),
        ("", "1:1"),
        ("User", "1:5"),
        ("?\udcff", "1:2"),
    ],
)
@pytest.mark.parametrize("option", ["principal", "action", "resource"])
def test_what_is_no_entity_and_no_type_has_its_place(files: SmallWorld, option: str, text: str, place: str) -> None:
    given = {"who": "?", "action": "?", "resource": "?"} | {"who" if option == "principal" else option: text}
    result = partial(files, **given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"--{option}:{place}: ")
    shown = text if text.isprintable() else "? "
    assert f"\n1 | {shown}\n" in result.stderr


def test_an_undeclared_action_is_for_the_engine_to_refuse(files: SmallWorld) -> None:
    result = partial(files, "--unknown", "context.anything", action='Files::Action::"raed"')
    assert result.exit_code == 1
    assert 'DENY  invalid_request: the action `Files::Action::"raed"` is not declared' in result.stdout


# JSON


def test_json(files: SmallWorld) -> None:
    result = partial(files, "--json", who=BOB)
    assert result.exit_code == 3
    shown = json.loads(result.stdout)
    text = [item.pop("text") for item in shown["residuals"]]
    assert text[1].splitlines()[-1] == 'permit(principal, action, resource in Files::Folder::"plans");'
    assert len(shown.pop("policy_revision")) == 64
    assert shown == {
        "outcome": "undecided",
        "reason": None,
        "message": "it depends on what is not known",
        "permits": [],
        "forbids": [],
        "errors": [],
        "unknown": ["resource is Files::File", "context.grant"],
        "context": {
            "auth": {"method": "asserted", "freshness": "unknown", "amr": []},
            "device": {"freshness": "unknown"},
            "workload": {"freshness": "unknown"},
        },
        "residuals": [
            {"id": "guardrail/secret-needs-encrypted-device", "effect": "forbid", "may_hold": True},
            {"id": "grant/bob-plans", "effect": "permit", "may_hold": True},
        ],
        "allowed": None,
        "undecided": None,
    }


def test_json_of_a_list(files: SmallWorld) -> None:
    shown = json.loads(partial(files, "--json", "--list", who="?User", action=WRITE, resource=PLAN).stdout)
    assert shown["allowed"] == []
    assert shown["undecided"] == [{"type": "User", "id": "ana", "policies": ["files/owners-write"]}]
    shown = json.loads(partial(files, "--json", "--list").stdout)
    assert shown["allowed"] == [{"type": "Files::File", "id": "plan", "policies": []}]


def test_json_of_a_refusal_has_every_key(files: SmallWorld) -> None:
    refused = json.loads(partial(files, "--json", "--context", '{"auth": 1}').stdout)
    assert refused.keys() == json.loads(partial(files, "--json").stdout).keys()
    assert (refused["outcome"], refused["reason"], refused["context"]) == ("deny", "invalid_request", None)


# As a program


def test_help_says_the_exit_codes_and_what_is_assumed() -> None:
    text = " ".join(run("partial", "--help").stdout.split())
    assert "Exit codes: 0 certainly allowed, 1 certainly denied, 3 undecided, 2 no answer" in text
    for name in ("context.auth", "context.device", "context.workload", "context.grant"):
        assert name in text


def test_no_server_is_imported(files: SmallWorld) -> None:
    script = (
        "import sys\n"
        "from pdp.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code == 3, end.code\n"
        "slow = {'grpc', 'google', 'starlette', 'uvicorn', 'cryptography', 'jwt', 'prometheus_client', 'asyncio'}\n"
        "print(sorted(slow & sys.modules.keys()), file=sys.stderr)\n"
    )
    words = ("partial", "--config", str(files.config), "--principal", "?", "--action", READ, "--resource", "?")
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
