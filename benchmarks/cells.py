"""A world of any size: an enterprise of cells, each with its own people, groups, folders, documents and policies.

A cell has 95 policies: 75 links of two templates, and 20 static ones of every form of scope, one of them a `forbid`.
Five more apply to everybody and stand beside the cells. So however many cells there are, a request matches as many
policies, and what is measured is the cost of finding them.

Some people wear a thousand badges, groups to which a fifth of the links is granted.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Link, Policy, Slot
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record, Value

USERS, GROUPS, FOLDERS, DOCUMENTS, BADGES, WORN = 20, 4, 10, 40, 2_000, 1_000
POLICIES_IN_CELL: Final = 95

_EVERYWHERE: Final = """
permit (principal in ?principal, action in Action::"reading", resource in ?resource);
permit (principal == ?principal, action == Action::"write", resource == ?resource) when { context.mfa };
forbid (principal, action, resource) unless { principal has active && principal.active };
forbid (principal, action in Action::"writing", resource) unless { context.mfa };
permit (principal, action in Action::"reading", resource) when { resource has public && resource.public };
"""
SCHEMA: Final = """
entity Company, Badge;
entity Group in [Company];
entity User in [Group, Badge] = { active: Bool };
entity Folder in [Folder];
entity Document in [Folder] = { owner: User, secret: Bool, public: Bool };
action reading, writing;
action read, list in [reading] appliesTo { principal: User, resource: Document, context: { mfa: Bool } };
action write, share, create in [writing] appliesTo { principal: User, resource: Document, context: { mfa: Bool } };
"""
_GROUPS_OF_ACTIONS: Final = {
    "read": "reading",
    "list": "reading",
    "write": "writing",
    "share": "writing",
    "create": "writing",
}
_ASKED: Final = ("read", "read", "read", "write", "list", "share", "create")


def _static(cell: int) -> Iterator[str]:
    for i in range(8):
        yield (
            f'permit (principal == User::"{cell}-{i}", action in [Action::"read", Action::"write"], resource in '
            f'Folder::"{cell}-{i}") when {{ resource.owner == principal || context.mfa }};'
        )
    for i in range(4):
        yield (
            f'permit (principal is User in Group::"{cell}-{i}", action == Action::"share", resource is Document in '
            f'Folder::"{cell}-{i}") unless {{ resource.secret }};'
        )
        yield f'permit (principal, action == Action::"list", resource in Folder::"{cell}-{i}") when {{ context.mfa }};'
    for i in range(3):
        yield f'permit (principal == User::"{cell}-{i + 10}", action == Action::"create", resource);'
    yield f'forbid (principal in Group::"{cell}-0", action, resource in Folder::"{cell}-9") unless {{ context.mfa }};'


def policies(cells: int) -> Iterator[Policy]:
    """Static policies and templates, under positional ids."""
    number = 0
    for start in range(0, cells, 50):
        texts = [text for cell in range(start, min(cells, start + 50)) for text in _static(cell)]
        for policy in parse_policies(Source("cells", "\n".join((_EVERYWHERE if start == 0 else "", *texts)))):
            yield replace(policy, id=f"policy{number}", source=None)
            number += 1


def links(cells: int, rng: random.Random) -> Iterator[Link]:
    """The links of the two templates."""
    number = 0
    for cell in range(cells):
        for i in range(75):
            if i >= 65:
                user, document = rng.randrange(USERS), rng.randrange(DOCUMENTS)
                values = EntityUID("User", f"{cell}-{user}"), EntityUID("Document", f"{cell}-{document}")
            elif i % 3:
                values = EntityUID("Group", f"{cell}-{i % GROUPS}"), _folder(cell, rng.randrange(FOLDERS))
            elif i % 2:
                values = EntityUID("Badge", str(rng.randrange(BADGES))), _folder(cell, rng.randrange(FOLDERS))
            else:
                values = EntityUID("User", f"{cell}-{i % USERS}"), _folder(cell, rng.randrange(FOLDERS))
            slots = {Slot.PRINCIPAL: values[0], Slot.RESOURCE: values[1]}
            yield Link(f"link{number}", "policy0" if i < 65 else "policy1", slots)
            number += 1


def _folder(cell: int, number: int) -> EntityUID:
    return EntityUID("Folder", f"{cell}-{number}")


def _entities(cells: int, wearers: frozenset[tuple[int, int]], rng: random.Random) -> Iterator[Entity]:
    for group in ("reading", "writing"):
        yield Entity(EntityUID("Action", group))
    for action, group in _GROUPS_OF_ACTIONS.items():
        yield Entity(EntityUID("Action", action), parents=frozenset([EntityUID("Action", group)]))
    company = frozenset([EntityUID("Company", "all")])
    for cell in range(cells):
        for i in range(USERS):
            groups = {EntityUID("Group", f"{cell}-{i % GROUPS}"), EntityUID("Group", f"{cell}-{i // GROUPS % GROUPS}")}
            if (cell, i) in wearers:
                groups |= {EntityUID("Badge", str(badge)) for badge in rng.sample(range(BADGES), WORN)}
            yield Entity(EntityUID("User", f"{cell}-{i}"), {"active": i != 7}, frozenset(groups))
        for i in range(GROUPS):
            yield Entity(EntityUID("Group", f"{cell}-{i}"), parents=company)
        for i in range(FOLDERS):
            above = [_folder(cell, i // 2 - 1)] if i >= 4 else []
            yield Entity(_folder(cell, i), parents=frozenset(above))
        for i in range(DOCUMENTS):
            owner = EntityUID("User", f"{cell}-{i % USERS}")
            attrs: dict[str, Value] = {"owner": owner, "secret": i % 5 == 0, "public": i % 10 == 0}
            yield Entity(EntityUID("Document", f"{cell}-{i}"), attrs, frozenset([_folder(cell, i % FOLDERS)]))


@dataclass(frozen=True)
class Asked:
    """A request as it comes from the wire: plain strings, from which entity ids are made anew each time."""

    principal: str
    action: str
    resource: str
    mfa: bool

    def request(self) -> Request:
        """The request."""
        return Request(
            EntityUID("User", self.principal),
            EntityUID("Action", self.action),
            EntityUID("Document", self.resource),
            Record({"mfa": self.mfa}),
        )


def world(cells: int, requests: int, *, badges: bool, seed: int) -> tuple[Entities, list[Asked], random.Random]:
    """The store, and requests: four in five within a cell. With `badges`, whoever asks wears a thousand."""
    rng = random.Random(seed)
    askers = [(rng.randrange(cells), rng.randrange(USERS)) for _ in range(min(requests, 50) if badges else requests)]
    store = Entities(_entities(cells, frozenset(askers if badges else ()), rng))
    asked = []
    for number in range(requests):
        cell, user = askers[number % len(askers)]
        other = cell if rng.random() < 0.8 else rng.randrange(cells)
        document = f"{other}-{rng.randrange(DOCUMENTS)}"
        asked.append(Asked(f"{cell}-{user}", rng.choice(_ASKED), document, rng.random() < 0.7))
    return store, asked, rng
