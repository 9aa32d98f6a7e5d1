"""A world in which every kind of fact and of input decides something, to be changed in every way; and questions to it.

`Model` is the world as plain data. `world()` builds it anew, as a reload does.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import strategies as st

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.ext import datetime, decimal, ipaddr
from pdp.cedar.policy import PolicySet
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.config import FreshnessConfig
from pdp.context.facts import Facts, Grant, Posture
from pdp.engine.decider import CheckRequest
from pdp.engine.snapshot import World, build_world
from pdp.identity.subject import Method, Subject
from pdp.policies.bundle import Bundle

NOW: Final = 1_772_445_600_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
AGES: Final = FreshnessConfig(authentication=HOUR, device=15 * MINUTE, workload=10 * MINUTE)

SCHEMA: Final = """\
type Ask = {
  auth: { method: String, freshness: String, acr?: String, amr: Set<String> },
  device: { freshness: String, id?: Device, encrypted?: Bool },
  workload: { freshness: String, attested?: Bool },
  grant: { status: String, id?: String },
  request_id?: String, at?: datetime, unread?: Set<Long>, colour?: Colour, whom?: User,
  region?: String, level?: Long, flag?: Bool, amount?: decimal, ip?: ipaddr, codes?: Set<Long>,
  place?: { city: String, floor?: Long },
};
entity Colour enum ["red", "blue"];
entity Org = { active: Bool };
entity Group in [Group] = { open?: Bool };
entity User in [Group] = { org?: Org, level?: Long, nick?: String, chief?: User } tags Long;
entity Device = { owner?: User };
entity Doc in [Doc] = { owner?: User, secret?: Bool, label?: String };
action classified;
action read, write in [classified] appliesTo { principal: User, resource: Doc, context: Ask };
action list appliesTo { principal: User, resource: Doc, context: Ask };
action plain appliesTo { principal: User, resource: Doc, context: Ask };
"""

POLICIES: Final = """\
@id("p/group") permit (principal in Group::"readers", action == Action::"read", resource);
@id("p/staff") permit (principal in Group::"staff", action == Action::"list", resource);
@id("p/owner") permit (principal, action, resource) when { resource has owner && resource.owner == principal };
@id("p/tree") permit (principal, action == Action::"list", resource in Doc::"root");
@id("p/region") permit (principal, action in Action::"classified", resource)
when { context has region && context.region == "eu" };
@id("p/level") permit (principal, action == Action::"write", resource)
when { context has level && principal has level && context.level == principal.level };
@id("p/chief") permit (principal, action == Action::"list", resource)
when { resource has owner && resource.owner has chief && resource.owner.chief == principal };
@id("p/codes") permit (principal, action == Action::"list", resource)
when { context has codes && context.codes.containsAll([1, 2]) && context has flag && context.flag };
@id("p/amount") permit (principal, action == Action::"write", resource)
when { context has amount && context.amount.lessThan(decimal("2.0")) }
when { context has place && context.place.floor == 3 };
@id("p/ip") permit (principal, action == Action::"list", resource)
when { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };
@id("p/tag") permit (principal, action == Action::"write", resource)
when { principal.hasTag("rank") && principal.getTag("rank") > 2 };
@id("g/org") forbid (principal, action in Action::"classified", resource)
when { principal has org && principal.org has active && !principal.org.active };
@id("g/secret") @obligation("notify:desk") forbid (principal, action == Action::"read", resource)
when { resource has secret && resource.secret } unless { context.device has encrypted && context.device.encrypted };
@id("g/device") forbid (principal, action == Action::"write", resource)
when { context.device has id && context.device.id has owner && context.device.id.owner != principal };
@id("g/auth") forbid (principal, action == Action::"write", resource)
unless { context.auth.freshness == "fresh" || context.auth.method == "asserted" };
@id("g/amr") forbid (principal, action == Action::"list", resource)
when { context.auth has acr && context.auth.acr == "weak" && !context.auth.amr.contains("hwk") };
@id("g/workload") forbid (principal, action == Action::"list", resource) when { context.workload.freshness == "stale" };
@id("g/grant") forbid (principal, action == Action::"read", resource) when { context.grant.status == "expired" };
@id("g/fails") forbid (principal, action == Action::"read", resource) when { principal.level > 8 };
@id("g/open") forbid (principal, action == Action::"list", resource)
when { Group::"staff" has open && !Group::"staff".open };
@id("t/reader") permit (principal in ?principal, action == Action::"read", resource in ?resource);
@id("t/writer") @reason("granted")
permit (principal in ?principal, action in Action::"classified", resource in ?resource);
"""


def uid(kind: str, name: str) -> EntityUID:
    return EntityUID(kind, name)


USERS = [uid("User", name) for name in ("ana", "bob", "eve")]
GROUPS = [uid("Group", name) for name in ("readers", "staff", "all")]
DOCS = [uid("Doc", name) for name in ("root", "plan", "note")]
DEVICES = [uid("Device", name) for name in ("laptop", "phone")]
ORGS = [uid("Org", name) for name in ("acme", "other")]
ACTIONS = [uid("Action", name) for name in ("read", "write", "list", "plain")]
TEMPLATES = ["t/reader", "t/writer"]

BUNDLE: Final = Bundle(
    PolicySet(
        [replace(policy, id=policy.annotations["id"] or "") for policy in parse_policies(Source("world", POLICIES))]
    ),
    parse_schema(Source("schema", SCHEMA)),
    "revision",
)
"""Everything; models leave policies out."""


@dataclass
class Model:
    """A world as data: what is stored of each entity, posture, grants, and which policies there are."""

    attrs: dict[EntityUID, dict[str, Value]] = field(default_factory=dict)
    parents: dict[EntityUID, frozenset[EntityUID]] = field(default_factory=dict)
    tags: dict[EntityUID, dict[str, Value]] = field(default_factory=dict)
    posture: dict[EntityUID, tuple[int, dict[str, Value]]] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    bundle_revision: int = 1
    revision: int = 0

    def world(self) -> World:
        """The world, at the next context revision. The grants of a template that is left out are left out, too."""
        self.revision += 1
        whole = BUNDLE.policies
        kept = [p for p in (*whole.static.values(), *whole.templates.values()) if p.id not in self.without]
        entities = [
            Entity(entity, dict(attrs), self.parents.get(entity, frozenset()), self.tags.get(entity, {}))
            for entity, attrs in self.attrs.items()
        ]
        facts = Facts(
            Entities([*BUNDLE.schema.action_entities(), *entities]),
            {subject: Posture(subject, "mdm", at, facts) for subject, (at, facts) in self.posture.items()},
            {grant.id: grant for grant in self.grants.values() if grant.template_id not in self.without},
        )
        bundle = replace(BUNDLE, policies=PolicySet(kept), revision=f"revision {self.bundle_revision}")
        return build_world(bundle, facts).at(self.revision)


def a_model() -> Model:
    """Everybody is there, and most of what can be known of them."""
    ana, bob, _ = USERS
    readers, staff, _ = GROUPS
    root, plan, note = DOCS
    return Model(
        attrs={
            ana: {"level": 3, "org": ORGS[0], "nick": "a"},
            bob: {"level": 3, "org": ORGS[1], "chief": ana},
            **{group: {} for group in GROUPS},
            **{org: {"active": True} for org in ORGS},
            DEVICES[0]: {"owner": ana},
            root: {},
            plan: {"owner": ana, "secret": False, "label": "x"},
            note: {"owner": bob, "secret": True},
        },
        parents={ana: frozenset([readers]), readers: frozenset([staff]), plan: frozenset([root])},
        tags={ana: {"rank": 3}},
        posture={DEVICES[0]: (NOW - MINUTE, {"encrypted": True}), bob: (NOW - MINUTE, {"attested": True})},
    )


def values() -> dict[str, st.SearchStrategy[Any]]:
    """Of each attribute, values that it may have, so few that the same ones come again."""
    users = st.sampled_from(USERS)
    return {
        "level": st.sampled_from([0, 1, 3, 9]),
        "org": st.sampled_from(ORGS),
        "nick": st.sampled_from(["a", "b"]),
        "chief": users,
        "owner": users,
        "secret": st.booleans(),
        "label": st.sampled_from(["x", "y"]),
        "open": st.booleans(),
        "active": st.booleans(),
    }


ATTRIBUTES: Final = {
    "User": ("org", "level", "nick", "chief"),
    "Group": ("open",),
    "Org": ("active",),
    "Device": ("owner",),
    "Doc": ("owner", "secret", "label"),
}


def attributes(kind: str) -> st.SearchStrategy[dict[str, Value]]:
    """Attributes for an entity of a type; what the schema demands is there."""
    offered = {name: values()[name] for name in ATTRIBUTES[kind]}
    if kind == "Org":
        return st.fixed_dictionaries(offered)
    return st.fixed_dictionaries({}, optional=offered)


CONTEXT: Final[dict[str, list[Any]]] = {
    "request_id": ["1", "2"],
    "at": [datetime.parse("2026-03-02"), datetime.parse("2026-03-03")],
    "unread": [Set(), Set([1])],
    "colour": [uid("Colour", "red"), uid("Colour", "green")],
    "whom": USERS,
    "region": ["eu", "us"],
    "level": [1, 3, True],
    "flag": [True, False, 1],
    "amount": [decimal.parse("1.0"), decimal.parse("1.00"), decimal.parse("3.0")],
    "ip": [ipaddr.parse("10.1.2.3"), ipaddr.parse("10.1.2.3/32"), ipaddr.parse("::1")],
    "codes": [Set([1, 2]), Set([2, 1, 1]), Set([1]), Set([True, 2])],
    "place": [Record({"city": "x"}), Record({"city": "x", "floor": 3}), Record({"floor": 3})],
    "grant": ["mine"],
}
"""Of each attribute of the context, values that it may have; some that the schema refuses are among them."""


def subjects() -> st.SearchStrategy[Subject]:
    """Most are asserted; others show credentials that say this and that."""
    users = st.sampled_from(USERS)
    asserted = st.builds(lambda user: Subject(Entity(user), Method.ASSERTED), users)
    claims = st.fixed_dictionaries({}, optional={"level": st.sampled_from([3, 9, True]), "nick": values()["nick"]})
    entities = st.builds(
        lambda user, attrs, groups: Entity(user, attrs, frozenset(groups)),
        users,
        claims,
        st.lists(st.sampled_from(GROUPS[:2]), max_size=1),
    )
    shown = st.builds(
        Subject,
        entities,
        st.just(Method.JWT),
        acr=st.sampled_from([None, "weak", "strong"]),
        amr=st.sampled_from([frozenset(), frozenset(["hwk"])]),
        authenticated_at=st.sampled_from([None, NOW - MINUTE, NOW - 55 * MINUTE]),
        expires_at=st.sampled_from([None, NOW + 10 * MINUTE, NOW - MINUTE]),
        device=st.sampled_from([None, None, DEVICES[0]]),
    )
    return st.one_of(asserted, shown)


def questions() -> st.SearchStrategy[CheckRequest]:
    """Questions of every kind."""
    offered = {name: st.sampled_from(held) for name, held in CONTEXT.items()}
    return st.builds(
        CheckRequest,
        subjects(),
        st.sampled_from([*ACTIONS, *ACTIONS[:2], uid("Action", "none")]),
        st.sampled_from(DOCS),
        context=st.builds(
            Record,
            st.fixed_dictionaries({}, optional=offered).map(few),
        ),
        device=st.sampled_from([None, *DEVICES]),
        request_id=st.sampled_from(["", "r1", "r2"]),
        resource_facts=st.builds(
            Record, st.one_of(st.just({}), st.fixed_dictionaries({"secret": st.sampled_from([True, False, 1])}))
        ),
    )


_CLAIMS: Final[list[dict[str, Value]]] = [
    {},
    {"level": 3},
    {"level": 9},
    {"level": True},
    {"nick": "a"},
    {"nick": "b"},
]


def varied(asked: CheckRequest) -> st.SearchStrategy[CheckRequest]:
    """Questions that differ from another one in one place."""
    subject, entity = asked.subject, asked.subject.entity
    if subject.method is Method.JWT:
        changed = st.one_of(
            st.sampled_from([None, "weak", "strong"]).map(lambda acr: replace(subject, acr=acr)),
            st.sampled_from([frozenset[str](), frozenset(["hwk"])]).map(lambda amr: replace(subject, amr=amr)),
            st.sampled_from([None, NOW - MINUTE, NOW]).map(lambda at: replace(subject, authenticated_at=at)),
            st.sampled_from([None, NOW + MINUTE]).map(lambda end: replace(subject, expires_at=end)),
            st.sampled_from([None, *DEVICES]).map(lambda device: replace(subject, device=device)),
            st.sampled_from(_CLAIMS).map(lambda attrs: replace(subject, entity=replace(entity, attrs=attrs))),
            st.sampled_from([frozenset([group]) for group in GROUPS]).map(
                lambda groups: replace(subject, entity=replace(entity, parents=groups))
            ),
        )
    else:
        changed = st.just(replace(subject, method=Method.JWT))
    names = sorted(asked.context.fields) or sorted(CONTEXT)
    context = st.sampled_from(names).flatmap(
        lambda name: st.sampled_from(CONTEXT[name]).map(
            lambda value: replace(asked, context=Record({**asked.context.fields, name: value}))
        )
    )
    facts = st.sampled_from([True, False, 1]).map(
        lambda secret: replace(asked, resource_facts=Record({"secret": secret}))
    )
    device = st.sampled_from([None, *DEVICES]).map(lambda named: replace(asked, device=named))
    return st.one_of(context, context, changed.map(lambda who: replace(asked, subject=who)), facts, device)


def standing() -> list[CheckRequest]:
    """Questions whose answers come from every kind of fact there is."""
    ana, bob, eve = USERS
    root, plan, note = DOCS
    read, write, listing, _ = ACTIONS

    def shown(user: EntityUID, *groups: EntityUID, **more: Any) -> Subject:
        return Subject(Entity(user, {}, frozenset(groups)), Method.JWT, **more)

    return [
        CheckRequest(Subject(Entity(ana), Method.ASSERTED), read, plan),  # member, organisation, secret
        CheckRequest(Subject(Entity(ana), Method.ASSERTED), write, plan, Record({"level": 3})),  # own attribute, tag
        CheckRequest(Subject(Entity(ana), Method.ASSERTED), listing, note),  # a chief of the owner; the folder
        CheckRequest(
            shown(bob, GROUPS[0], expires_at=NOW + HOUR), listing, root
        ),  # groups of a claimed group; workload
        CheckRequest(shown(eve, GROUPS[0]), read, plan, device=DEVICES[0]),  # grants to groups, posture
        CheckRequest(shown(ana, authenticated_at=NOW - MINUTE, device=DEVICES[0]), write, plan),  # the device's owner
        # The same but for the device, named or bound: one allows what the other does not.
        CheckRequest(Subject(Entity(bob), Method.ASSERTED), read, note),
        CheckRequest(Subject(Entity(bob), Method.ASSERTED), read, note, device=DEVICES[0]),
        CheckRequest(shown(bob), read, note),
        CheckRequest(shown(bob, device=DEVICES[0]), read, note),
    ]


def with_every_value(asked: CheckRequest, name: str) -> list[CheckRequest]:
    """The same question with each of the values that an attribute of the context may have."""
    fields = asked.context.fields
    return [replace(asked, context=Record({**fields, name: value})) for value in CONTEXT[name]]


def few(fields: dict[str, Value]) -> dict[str, Value]:
    """Two of them, at most: questions that the schema refuses are soon all there are, otherwise."""
    return dict(list(fields.items())[:2])
