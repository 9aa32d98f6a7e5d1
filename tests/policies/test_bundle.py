"""Bundles: the layout and its rules, ids, validity, places of refusals, and a revision that stands for every byte."""

import random
from functools import partial
from pathlib import Path
from shutil import copytree

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.cedar.errors import CedarError, ParseError, PolicySetError, SchemaError
from pdp.cedar.policy import Effect
from pdp.cedar.source import Position, Source
from pdp.policies.bundle import BundleError, InvalidPolicy, load_bundle, namespace

SCHEMA = """\
entity User in [User] = { suspended: Bool, limit?: Long };
entity Order in [Order] = { amount: Long };
namespace Procurement {
  action all;
  action view, edit in [all] appliesTo { principal: User, resource: Order };
}
"""
GUARDRAIL = '@id("guardrail/suspended")\nforbid (principal, action, resource);\n'
ORDERS = """\
@id("procurement/view")
permit (principal, action == Procurement::Action::"view", resource);

@id("procurement/never")
forbid (principal, action == Procurement::Action::"edit", resource);
"""
ENTITLEMENT = '@id("entitlement/orders")\npermit (principal == ?principal, action, resource in ?resource);\n'
FILES = {
    "schema.cedarschema": SCHEMA,
    "guardrails/all.cedar": GUARDRAIL,
    "teams/procurement/orders.cedar": ORDERS,
    "entitlements/orders.cedar": ENTITLEMENT,
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", FILES)


def refused(folder: Path) -> CedarError:
    with pytest.raises(CedarError) as caught:
        load_bundle(folder)
    assert caught.value.source is not None
    assert caught.value.render().startswith(str(folder))
    return caught.value


def policy(
    id: str | None = "procurement/x",
    effect: str = "permit",
    action: str = 'action == Procurement::Action::"view"',
    principal: str = "principal",
    resource: str = "resource",
    when: str | None = None,
) -> str:
    annotation = "" if id is None else f'@id("{id}")\n'
    condition = "" if when is None else f"\nwhen {{ {when} }}"
    return f"// a comment\n{annotation}{effect} ({principal}, {action}, {resource}){condition};\n"


def test_a_bundle(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert list(loaded.policies.static) == ["guardrail/suspended", "procurement/view", "procurement/never"]
    assert list(loaded.policies.templates) == ["entitlement/orders"]
    assert loaded.policies.links == {}
    assert list(loaded.schema.entity_types) == ["User", "Order"]
    view = loaded.policies.static["procurement/view"]
    assert (view.id, view.effect) == ("procurement/view", Effect.PERMIT)
    assert view.source is not None
    assert view.source.name == str(bundle / "teams/procurement/orders.cedar")


def test_only_the_schema_and_a_file_of_guardrails_are_required(tmp_path: Path) -> None:
    loaded = load_bundle(write(tmp_path, {"schema.cedarschema": "", "guardrails/none.cedar": "// none, on purpose"}))
    assert len(loaded.policies) == 0


def test_text_is_read_exactly_as_it_is_stored(bundle: Path) -> None:
    # A bare carriage return ends a comment; an editor that shows it otherwise must not decide what is policy.
    write(
        bundle,
        {"guardrails/all.cedar": '// nothing\r@id("guardrail/a\\u{62}")forbid(principal, action, resource);\r\n'},
    )
    assert "guardrail/ab" in load_bundle(bundle).policies.static


class TestFiles:
    def test_a_missing_schema(self, bundle: Path) -> None:
        (bundle / "schema.cedarschema").unlink()
        error = refused(bundle)
        assert isinstance(error, BundleError)
        assert error.message == "cannot read the file: no such file or directory"
        assert error.help is not None
        assert "`guardrails/*.cedar`" in error.help

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        assert refused(tmp_path / "nothing").code == "bundle"

    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_is_no_text(self, bundle: Path, name: str) -> None:
        (bundle / name).write_bytes(b"// caf\xe9\n")
        error = refused(bundle)
        assert (error.code, error.message, error.position) == ("bundle", "this is not UTF-8", Position(1, 7))

    @pytest.mark.parametrize("name", FILES)
    def test_a_link_to_itself(self, bundle: Path, name: str) -> None:
        (bundle / name).unlink()
        (bundle / name).symlink_to(Path(name).name)
        assert refused(bundle).message == "cannot read the file: too many levels of symbolic links"

    @pytest.mark.parametrize("name", ["guardrails", "teams", "entitlements", "teams/procurement"])
    def test_a_folder_that_leads_nowhere_is_not_an_empty_one(self, bundle: Path, name: str) -> None:
        (bundle / name).rename(bundle.parent / "aside")
        (bundle / name).symlink_to("nowhere")
        assert refused(bundle).message == "cannot list the folder: no such file or directory"
        (bundle / name).unlink()
        (bundle / name).symlink_to(Path(name).name)
        assert refused(bundle).message == "cannot list the folder: too many levels of symbolic links"
        (bundle / name).unlink()
        (bundle / name).write_text("")
        assert refused(bundle).message == "cannot list the folder: not a directory"

    @pytest.mark.parametrize("left", [(), ("README.md", ".hidden.cedar")])
    def test_guardrails_that_were_not_mounted_open_no_doors(self, bundle: Path, left: tuple[str, ...]) -> None:
        folder = bundle / "guardrails"
        (folder / "all.cedar").unlink()
        for name in left:
            (folder / name).write_text("x")
        empty = refused(bundle)
        for name in left:
            (folder / name).unlink()
        folder.rmdir()
        for error in (empty, refused(bundle)):
            assert isinstance(error, BundleError)
            assert error.message == "the bundle has no guardrails"
            assert error.render().startswith(f"{folder}: ")
            assert error.help is not None
            assert "a file with a comment says so" in error.help

    def test_links_to_files_and_folders_are_followed(self, bundle: Path) -> None:
        before = load_bundle(bundle)
        (bundle / "guardrails").rename(bundle / "..data")
        (bundle / "guardrails").symlink_to("..data")
        after = load_bundle(bundle)
        assert (after.policies, after.revision) == (before.policies, before.revision)

    def test_a_team_that_is_a_loop_of_folders(self, bundle: Path) -> None:
        (bundle / "teams/loop").symlink_to(bundle / "teams")
        assert refused(bundle).message == "this is not one of the files that belong here"

    @pytest.mark.parametrize("folder", ["guardrails", "teams/procurement", "entitlements"])
    @pytest.mark.parametrize("name", ["x.ceder", "x.CEDAR", "x.cedar~", "x", "x.cedar.bak", "sub/x.cedar"])
    def test_a_misnamed_file_is_not_silently_left_out(self, bundle: Path, folder: str, name: str) -> None:
        write(bundle, {f"{folder}/{name}": GUARDRAIL})
        error = refused(bundle)
        assert (error.code, error.message) == ("bundle", "this is not one of the files that belong here")
        assert error.help is not None
        assert "*.cedar" in error.help

    @pytest.mark.parametrize("name", ["x.cedar", "guardrail/x.cedar", "team/procurement/x.cedar", "a/b/x.cedar"])
    def test_nor_is_a_misspelt_folder(self, bundle: Path, name: str) -> None:
        write(bundle, {name: GUARDRAIL})
        error = refused(bundle)
        assert error.message == "this policy file is at no place of a bundle"
        assert error.render().startswith(str(bundle / name))

    def test_what_lies_beside_the_policies_is_no_part_of_the_bundle(self, bundle: Path) -> None:
        before = load_bundle(bundle).revision
        write(
            bundle,
            {
                "README.md": "x",
                "guardrails/README.md": "x",
                "teams/NOTES.md": "x",
                "guardrails/.x.cedar.swp": "x",
                ".git/x.cedar": "x",
                "..data/guardrails/x.cedar": "x",
                "pdp.yaml": "x",
                "tests/cases.yaml": "x",
                "context/entities/x.json": "x",
            },
        )
        assert load_bundle(bundle).revision == before

    def test_syntax_errors_keep_their_place(self, bundle: Path) -> None:
        write(bundle, {"teams/procurement/orders.cedar": ORDERS + "permit (principal);\n"})
        error = refused(bundle)
        assert isinstance(error, ParseError)
        assert error.render().startswith(str(bundle / "teams/procurement/orders.cedar:6:18: "))
        write(bundle, {"schema.cedarschema": "entity User\nentity Order;"})
        error = refused(bundle)
        assert isinstance(error, SchemaError)
        assert error.position is not None


class TestIds:
    @pytest.mark.parametrize(
        ("annotation", "message"),
        [
            ("", "the policy has no `@id`"),
            ('@ID("procurement/x")', "the policy has no `@id`"),
            ("@id", '"" is no policy id'),
            ('@id("")', '"" is no policy id'),
            ('@id("procurement")', '"procurement" is no policy id'),
            ('@id("procurement/")', '"procurement/" is no policy id'),
            ('@id("/x")', '"/x" is no policy id'),
            ('@id("procurement//x")', '"procurement//x" is no policy id'),
            ('@id("procurement/../x")', '"procurement/../x" is no policy id'),
            ('@id("procurement/x ")', '"procurement/x " is no policy id'),
            ('@id("procurement/x\\n")', '"procurement/x\\n" is no policy id'),
            ('@id("procurement/é")', '"procurement/é" is no policy id'),
            ('@id("procurement/a,b")', '"procurement/a,b" is no policy id'),
            (f'@id("procurement/{"x" * 200}")', '"procurement/xxx'),
            ('@id("guardrail/x")', "the id `guardrail/x` does not begin with `procurement/`"),
            ('@id("entitlement/x")', "the id `entitlement/x` does not begin with `procurement/`"),
            ('@id("procurement2/x")', "the id `procurement2/x` does not begin with `procurement/`"),
            ('@id("Procurement/x")', "the id `Procurement/x` does not begin with `procurement/`"),
        ],
    )
    def test_ids_that_are_refused(self, bundle: Path, annotation: str, message: str) -> None:
        text = f'{ORDERS}{annotation}\npermit (principal, action == Procurement::Action::"view", resource);\n'
        write(bundle, {"teams/procurement/orders.cedar": text})
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message.startswith(message)
        assert error.position is not None
        assert error.position.line in (6, 7)
        assert error.help is not None
        assert '`@id("procurement/...")`' in error.help

    @pytest.mark.parametrize(
        "id", ["procurement/x", "procurement/a/b.c_d-E9", "procurement/_", "procurement/" + "x" * 188]
    )
    def test_ids(self, bundle: Path, id: str) -> None:
        write(bundle, {"teams/procurement/orders.cedar": policy(id)})
        assert id in load_bundle(bundle).policies.static

    @pytest.mark.parametrize("name", ["guardrails/all.cedar", "guardrails/zzz.cedar"])
    def test_an_id_twice(self, bundle: Path, name: str) -> None:
        write(bundle, {name: GUARDRAIL if name.endswith("zzz.cedar") else GUARDRAIL * 2})
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message == "duplicate policy id `guardrail/suspended`"
        assert error.position == Position(3 if name.endswith("all.cedar") else 1, 1)
        assert error.help is not None
        assert f"{bundle / 'guardrails/all.cedar'}:1" in error.help


SLOTS = {"principal": "principal == ?principal", "resource": "resource == ?resource"}
OWN = 'Procurement::Action::"view"'


class TestFolders:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (policy("guardrail/x"), "a guardrail is a `forbid` without slots"),
            (policy("guardrail/x", "forbid", principal="principal == ?principal"), "a guardrail is a `forbid` without"),
            (policy("guardrail/x", "forbid", resource="resource in ?resource"), "a guardrail is a `forbid` without"),
            (policy("procurement/x", "forbid"), "the id `procurement/x` does not begin with `guardrail/`"),
        ],
    )
    def test_guardrails_only_forbid(self, bundle: Path, text: str, message: str) -> None:
        write(bundle, {"guardrails/all.cedar": GUARDRAIL + text})
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message.startswith(message)
        assert error.position == Position(4, 1)
        assert error.help

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (policy("entitlement/x"), "an entitlement has no `?principal` and no `?resource`"),
            (policy("entitlement/x", principal=SLOTS["principal"]), "an entitlement has no `?resource`"),
            (policy("entitlement/x", resource=SLOTS["resource"]), "an entitlement has no `?principal`"),
            (policy("entitlement/x", "forbid", **SLOTS), "an entitlement permits"),
            (policy("guardrail/x", **SLOTS), "the id `guardrail/x` does not begin with `entitlement/`"),
        ],
    )
    def test_entitlements_are_templates_with_both_slots(self, bundle: Path, text: str, message: str) -> None:
        write(bundle, {"entitlements/orders.cedar": ENTITLEMENT + text})
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message == message
        assert error.position == Position(4, 1)
        assert error.help

    @pytest.mark.parametrize(
        "scope",
        [
            "principal in ?principal, action, resource == ?resource",
            'principal is User in ?principal, action in [Procurement::Action::"view"], resource is Order in ?resource',
        ],
    )
    def test_entitlements(self, bundle: Path, scope: str) -> None:
        write(bundle, {"entitlements/orders.cedar": f'@id("entitlement/x") permit ({scope});'})
        assert list(load_bundle(bundle).policies.templates) == ["entitlement/x"]

    @pytest.mark.parametrize("effect", ["permit", "forbid"])
    @pytest.mark.parametrize(
        ("action", "other"),
        [
            (f"action == {OWN}", None),
            (f"action in {OWN}", None),
            (f'action in [{OWN}, Procurement::Action::"edit"]', None),
            ('action in Procurement::Action::"all"', None),
            ('action == Action::"view"', 'Action::"view"'),
            ('action == Reporting::Action::"view"', 'Reporting::Action::"view"'),
            ('action == procurement::Action::"view"', 'procurement::Action::"view"'),
            ('action == Procurement::Sub::Action::"view"', 'Procurement::Sub::Action::"view"'),
            ('action == Sub::Procurement::Action::"view"', 'Sub::Procurement::Action::"view"'),
            ('action in Reporting::Action::"all"', 'Reporting::Action::"all"'),
            (f'action in [{OWN}, Api::Action::"unknown"]', 'Api::Action::"unknown"'),
        ],
    )
    def test_a_team_names_its_own_actions(self, bundle: Path, effect: str, action: str, other: str | None) -> None:
        write(bundle, {"teams/procurement/orders.cedar": policy("procurement/x", effect, action)})
        if other is None:
            assert "procurement/x" in load_bundle(bundle).policies.static
            return
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message == f"the team `procurement` cannot decide about `{other}`"
        assert error.help == "its actions are those of the namespace `Procurement`"
        assert error.position == Position(2, 1)

    @pytest.mark.parametrize("effect", ["permit", "forbid"])
    def test_a_team_decides_never_about_all_actions(self, bundle: Path, effect: str) -> None:
        # A forbid neither: one team could shut another's doors.
        write(bundle, {"teams/procurement/orders.cedar": ORDERS + policy("procurement/x", effect, "action")})
        error = refused(bundle)
        assert isinstance(error, PolicySetError)
        assert error.message == "a team's policy must name its actions"
        assert error.help == 'write `action == Procurement::Action::".."`'
        assert error.position == Position(7, 1)

    @pytest.mark.parametrize("effect", ["permit", "forbid"])
    def test_a_team_has_no_templates(self, bundle: Path, effect: str) -> None:
        write(bundle, {"teams/procurement/orders.cedar": policy(effect=effect, principal="principal == ?principal")})
        assert refused(bundle).message == "a team's policy has no slots"

    @pytest.mark.parametrize(
        "team",
        ["Procurement", "partner-api", "partner__api", "_api", "api_", "9lives", "partner_9", "a b", "é", "a\n",
         "guardrail", "entitlement", "grant", "api"],
    )  # fmt: skip
    def test_names_that_no_team_may_have(self, bundle: Path, team: str) -> None:
        (bundle / "teams" / team).mkdir()
        error = refused(bundle)
        assert error.code == "bundle"
        assert error.message.endswith(" cannot be a team's name")
        assert error.help

    def test_each_team_has_its_own_namespace(self, bundle: Path) -> None:
        action = "action x appliesTo { principal: User, resource: Order };"
        write(
            bundle,
            {
                "schema.cedarschema": f"{SCHEMA}namespace PartnerApi {{ {action} }} namespace P2 {{ {action} }}",
                "teams/partner_api/x.cedar": policy("partner_api/x", action='action == PartnerApi::Action::"x"'),
                "teams/p2/x.cedar": policy("p2/x", action='action == P2::Action::"x"'),
            },
        )
        assert {"partner_api/x", "p2/x"} <= load_bundle(bundle).policies.static.keys()
        teams = ["a", "b", "ab", "a_b", "a_b_c", "ab_c", "a1", "a1_b", "a_b1", "partner_api", "partnerapi"]
        assert len({namespace(team) for team in teams}) == len(teams)
        assert namespace("partner_api") == "PartnerApi"

    def test_a_file_directly_below_teams(self, bundle: Path) -> None:
        write(bundle, {"teams/x.cedar": ORDERS})
        assert refused(bundle).message == '"x.cedar" cannot be a team\'s name'


class TestValidity:
    """Every policy passes the strict validator."""

    def test_the_place_the_carets_and_the_help(self, bundle: Path) -> None:
        text = ORDERS + policy(when="resource.amount < principal.limit")
        path = write(bundle, {"teams/procurement/orders.cedar": text}) / "teams/procurement/orders.cedar"
        error = refused(bundle)
        assert isinstance(error, InvalidPolicy)
        assert error.code == "policy_validation"
        assert error.render() == (
            f"{path}:9:26: policy `procurement/x`: the attribute `limit` may be missing\n"
            "  |\n"
            "9 | when { resource.amount < principal.limit };\n"
            "  |                          ^^^^^^^^^^^^^^^\n"
            "  help: ask for it first, of the same expression: `x has a && x.a ...`; found for principal `User`, "
            f"action `{OWN}`, resource `Order`"
        )

    @pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".cedar")])
    def test_in_every_folder(self, bundle: Path, name: str) -> None:
        text = FILES[name].rstrip().removesuffix(";")
        write(bundle, {name: f"{text}\nwhen {{ context.secret }};"})
        error = refused(bundle)
        assert isinstance(error, InvalidPolicy)
        assert error.message.endswith("has no attribute `secret`")
        assert error.position is not None
        assert error.position.line == text.count("\n") + 2
        assert error.render().startswith(f"{bundle / name}:")

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            (policy(principal="principal is Usr"), "Usr"),
            (policy(principal='principal in Group::"x"'), 'Group::"x"'),
            (policy(action='action == Procurement::Action::"veiw"'), 'Procurement::Action::"veiw"'),
            (policy(action=f'action in [{OWN}, Procurement::Action::"no"]'), 'Procurement::Action::"no"'),
            (policy(when='resource.amount == "1"'), 'resource.amount == "1"'),
            (policy(when="resource.amount"), "resource.amount"),
            (policy(when="principal.limit > 0"), "principal.limit"),
            (policy(when="principal.lim == 0"), "principal.lim"),
            (policy(when="[].contains(1)"), "[]"),
        ],
    )
    def test_what_is_wrong_is_underlined(self, bundle: Path, text: str, at: str) -> None:
        write(bundle, {"teams/procurement/orders.cedar": text})
        error = refused(bundle)
        assert isinstance(error, InvalidPolicy)
        assert error.source is not None
        assert error.span is not None
        assert error.source.text[error.span.start : error.span.end] == at

    @pytest.mark.parametrize(
        "scope", [{"principal": "principal is Order"}, {"resource": "resource is User"}, {"action": "action in []"}]
    )
    def test_a_scope_that_no_request_can_match_is_a_mistake(self, bundle: Path, scope: dict[str, str]) -> None:
        write(bundle, {"teams/procurement/orders.cedar": policy(**scope)})
        error = refused(bundle)
        assert isinstance(error, InvalidPolicy)
        assert error.message == "policy `procurement/x`: the scope matches no kind of request"
        assert error.position == Position(2, 1)
        assert error.help == "no action of the schema applies to such a principal and such a resource"

    def test_what_is_only_strange_is_not_refused(self, bundle: Path) -> None:
        write(bundle, {"teams/procurement/orders.cedar": policy(when="principal is Order")})
        assert "procurement/x" in load_bundle(bundle).policies.static

    def test_the_first_of_several_is_told(self, bundle: Path) -> None:
        invalid = "context.secret"
        write(
            bundle,
            {
                "teams/procurement/orders.cedar": "".join(policy(f"procurement/{id}", when=invalid) for id in "ba"),
                "entitlements/orders.cedar": policy("entitlement/x", when=invalid, **SLOTS),
            },
        )
        assert refused(bundle).message.startswith("policy `procurement/b`: ")

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("guardrails/more.cedar", GUARDRAIL, "duplicate policy id `guardrail/suspended`"),
            ("entitlements/more.cedar", policy("entitlement/x"), "an entitlement has no `?principal` and no `?res"),
            ("entitlements/more.cedar", policy(None), "the policy has no `@id`"),
            ("entitlements/more.cedar", "permit (principal);", "expected `,`"),
            ("more.cedar", GUARDRAIL, "this policy file is at no place of a bundle"),
        ],
    )
    def test_what_else_is_wrong_is_told_before(self, bundle: Path, name: str, text: str, message: str) -> None:
        write(bundle, {"guardrails/all.cedar": policy("guardrail/suspended", "forbid", when="context.secret")})
        assert isinstance(refused(bundle), InvalidPolicy)
        write(bundle, {name: text})
        error = refused(bundle)
        assert not isinstance(error, InvalidPolicy)
        assert error.message.startswith(message)


class TestRevision:
    def test_the_revision_of_known_bytes(self, tmp_path: Path) -> None:
        # printf 'N\0\0\0\0\0\0\0\022guardrails/x.cedarC\0\0\0\0\0\0\0\0' > bytes
        # printf 'N\0\0\0\0\0\0\0\022schema.cedarschemaC\0\0\0\0\0\0\0\011entity U;' >> bytes
        # sha256sum bytes
        loaded = load_bundle(write(tmp_path, {"schema.cedarschema": "entity U;", "guardrails/x.cedar": ""}))
        assert loaded.revision == "d786265dce911a899197fd785d0637aa3aaf2ddc46a83724bb58ea62c5c14b95"

    def test_it_is_the_same_wherever_the_bundle_lies_and_however_it_was_written(
        self, bundle: Path, tmp_path: Path
    ) -> None:
        elsewhere = write(tmp_path / "elsewhere", dict(reversed(FILES.items())))
        copytree(bundle, tmp_path / "copy")
        revisions = {
            load_bundle(folder).revision for folder in (bundle, elsewhere, tmp_path / "copy", bundle / "../copy")
        }
        assert len(revisions) == 1

    def test_every_change_of_a_byte_or_a_name_is_another_revision(self, bundle: Path) -> None:
        seen = {load_bundle(bundle).revision}
        for name, text in FILES.items():
            for changed in (text + "\n", text + "//", text.replace("\n", "\r\n", 1), " " + text):
                if changed != text:
                    write(bundle, {name: changed})
                    seen.add(load_bundle(bundle).revision)
                    write(bundle, {name: text})
        (bundle / "guardrails/all.cedar").rename(bundle / "guardrails/al.cedar")
        seen.add(load_bundle(bundle).revision)
        write(bundle, {"guardrails/empty.cedar": ""})
        seen.add(load_bundle(bundle).revision)
        assert len(seen) == 1 + len(FILES) * 4 + 2

    def test_no_two_ways_to_cut_the_same_text_into_files_share_one(self, bundle: Path) -> None:
        both = GUARDRAIL + GUARDRAIL.replace("suspended", "other")
        revisions = set()
        for files in (
            {"guardrails/a.cedar": both, "guardrails/all.cedar": ""},
            {"guardrails/a.cedar": GUARDRAIL, "guardrails/all.cedar": both.removeprefix(GUARDRAIL)},
            {"guardrails/a.cedar": "", "guardrails/all.cedar": both},
        ):
            write(bundle, files)
            revisions.add(load_bundle(bundle).revision)
        assert len(revisions) == 3


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_raise_only_our_errors(bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(20261124)
    errors = []
    for data in damaged(rng, [FILES[name].encode()], '@(){}[]";:=,?\\/ \n\réN', rounds(800)):
        texts = FILES | {name: data.decode("utf-8", "replace")}

        def read(path: Path, *_: object) -> Source:
            return Source(str(path), texts[str(path.relative_to(bundle))])  # noqa: B023  called at once

        # Writing every one of them would take longer than reading it.
        monkeypatch.setattr("pdp.policies.bundle.read_source", read)
        errors.append(refusal(partial(load_bundle, bundle)))
    assert errors.count(None) > 10
    assert all(error.position is not None and error.render() for error in errors if error is not None)
