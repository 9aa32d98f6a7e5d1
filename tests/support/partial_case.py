"""One small world for the named cases of partial evaluation: what is known, what is not, and what may come out of it.

ana (known) reads (known) a document (unknown). Of the context, `region` is known, `mfa`, `device` and `net` are there,
`hops` may be; there is nothing else.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.nodes import conjoin
from pdp.cedar.policy import ConditionKind, Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_expression, print_policy
from pdp.cedar.values import Datetime, EntityUID, IPAddr, Record, Set, Value
from pdp.evaluate.authorize import authorize
from pdp.evaluate.partial import PartialContext, PartialRequest, PartialResponse, Unknown

SCHEMA: Final = parse_schema(
    Source(
        "partial",
        """
        entity Group in [Group] tags Long;
        entity User in [Group] = { active: Bool, manager?: User, groups: Set<Group> } tags String;
        entity Folder in [Folder] = { owner: User, size: Long, note?: String };
        entity Doc in [Folder] = {
          owner: User, public: Bool, size: Long, label?: String, due: datetime, note?: Long,
          at: { city: String, zip?: Long },
        };
        entity Color enum ["red", "blue"];
        action all;
        action read in [all] appliesTo {
          principal: User, resource: [Doc, Folder],
          context: { region: String, mfa: Bool, hops?: Long, net: ipaddr, device: { managed: Bool, os?: String } },
        };
        action write in [all] appliesTo { principal: User, resource: Doc, context: { region: String, mfa: String } };
        action share appliesTo { principal: User, resource: Doc, context: { reason: String } };
        action paint appliesTo { principal: User, resource: Color };
        """,
    )
)

ANA, BOB = EntityUID("User", "ana"), EntityUID("User", "bob")
READERS, STAFF = EntityUID("Group", "readers"), EntityUID("Group", "staff")
FOLDER = EntityUID("Folder", "f")
READ, WRITE = EntityUID("Action", "read"), EntityUID("Action", "write")
PLAN, MEMO, GHOST = EntityUID("Doc", "plan"), EntityUID("Doc", "memo"), EntityUID("Doc", "ghost")


def _doc(uid: EntityUID, owner: EntityUID, public: bool, size: int, **more: Value) -> Entity:
    attrs: dict[str, Value] = {"owner": owner, "public": public, "size": size, "due": Datetime(0)}
    attrs["at"] = Record({"city": "Bonn"})
    return Entity(uid, attrs | more, frozenset((FOLDER,)))


STORE: Final = Entities(
    [
        Entity(
            ANA,
            {"active": True, "groups": Set([READERS, STAFF])},
            frozenset((READERS,)),
            {"team": "red"},
        ),
        Entity(BOB, {"active": False, "groups": Set(), "manager": ANA}),
        Entity(READERS, parents=frozenset((STAFF,))),
        Entity(STAFF),
        Entity(FOLDER, {"owner": ANA, "size": 1}),
        _doc(PLAN, ANA, True, 1, label="draft"),
        _doc(MEMO, BOB, False, 2**63 - 1),
        *SCHEMA.action_entities(),
    ]
)

CONTEXT: Final = PartialContext(
    Record({"region": "eu"}), frozenset(("mfa", "device", "net")), frozenset(("hops",)), others=False
)
ASKED: Final = PartialRequest(ANA, READ, Unknown("Doc"), CONTEXT)
"""The partial request of the cases."""


def _contexts() -> Iterator[Record]:
    for mfa in (True, False):
        device = Record({"managed": mfa}) if mfa else Record({"managed": mfa, "os": "linux"})
        fields: dict[str, Value] = {"region": "eu", "mfa": mfa, "device": device, "net": IPAddr(4, 10 << 24, 8)}
        yield Record(fields)
        yield Record(fields | {"hops": 2**63 - 1})


COMPLETIONS: Final = tuple(Request(ANA, READ, doc, context) for doc in (PLAN, MEMO, GHOST) for context in _contexts())
"""Requests that complete it, the schema's types respected."""


def policies(*texts: str) -> PolicySet:
    """Policies by their texts: `policy0`, `policy1`..."""
    return PolicySet(parse_policies(Source("case", "\n".join(texts))))


def when(condition: str) -> PolicySet:
    """One permit of this condition."""
    return policies(f"permit(principal, action, resource) when {{ {condition} }};")


def shown(response: PartialResponse) -> str:
    """What is left of a single policy: `true`, `false`, a kind of error, or what its text has beside the effect."""
    if response.errors:
        return response.errors[0].kind.value
    if response.unsatisfied:
        return "false"
    for policy in response.residuals.static.values():
        return _tail(policy) + (" -- never" if policy.id in response.hopeless else "")
    return "true"


def _tail(policy: Policy) -> str:
    scope = print_policy(replace(policy, annotations={}, conditions=())).removesuffix(";")
    shown = [] if scope.endswith("(principal, action, resource)") else [scope]
    for kind, clauses in groupby(policy.conditions, lambda clause: clause.kind):
        bodies = [clause.body for clause in clauses]
        if kind is ConditionKind.WHEN:
            shown.append(print_expression(conjoin(bodies[0], bodies[1:])))
        else:
            shown += [f"unless {print_expression(body)}" for body in bodies]
    return "; ".join(shown)


def disagreements(response: PartialResponse, original: PolicySet) -> list[Request]:
    """The completions for which the policies say something else than what is left of them."""
    completions = [request for request in COMPLETIONS if response.request.completed_by(request, STORE)]
    assert completions
    return [request for request in completions if not _agree(response, original, request)]


def _agree(response: PartialResponse, original: PolicySet, request: Request) -> bool:
    ours, theirs = response.complete(request, STORE), authorize(request, original, STORE)
    errors = [{(error.policy_id, error.kind) for error in answer.errors} for answer in (ours, theirs)]
    return ours.decision is theirs.decision and ours.reasons == theirs.reasons and errors[0] == errors[1]
