"""The convention of obligations: `@obligation("kind:argument")` on a policy, several separated by `;`.

A kind is lower-case letters, digits and dashes, and starts with a letter; the argument is any text without `;` and may
be missing (`@obligation("notify")`). The obligations of an answer are those of its determining policies: of the
permits for an allow, of the forbids for a deny.
"""

import re
from typing import Final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Policy
from pdp.engine.decider import Obligation

_ITEM: Final = re.compile(r"\s*([a-z][a-z0-9-]*)(?::([^;]+))?\s*")


def read_obligations(policy: Policy) -> tuple[Obligation, ...]:
    """The obligations that a policy states, in order. Raises PolicySetError for an annotation of another form."""
    if "obligation" not in policy.annotations:
        return ()
    found = []
    for item in (policy.annotations["obligation"] or "").split(";"):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise PolicySetError(
                f"obligation `{item}` of policy `{policy.id}` has no kind",
                span=policy.span,
                source=policy.source,
                help='write `@obligation("kind:argument")`, for example `@obligation("mask:iban;notify:dpo")`',
            )
        found.append(Obligation(match[1], (match[2] or "").strip(), policy.id))
    return tuple(found)
