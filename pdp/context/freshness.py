"""The rules of time: pure functions of a fact's times and one `now`, all in milliseconds since 1970 UTC.

Intervals are half-open. A fact of age `max_age` is stale, a grant at `expires_at` is over: at a boundary the answer is
always the stricter one.
"""

from pdp.context.facts import Freshness, Grant, GrantStatus

MAX_SKEW = 2_000
"""How far (ms) a source's clock may run ahead of ours before its word is not believed."""


def freshness(observed_at: int | None, max_age: int, now: int) -> Freshness:
    """How far an observation can be believed. One that was never made, or is made in the future, is unknown."""
    if observed_at is None or observed_at > now + MAX_SKEW:
        return Freshness.UNKNOWN
    return Freshness.FRESH if now < observed_at + max_age else Freshness.STALE


def freshness_ends(observed_at: int | None, max_age: int, now: int) -> int | None:
    """The first instant after `now` at which `freshness` changes by itself; None if it never does."""
    if observed_at is None:
        return None
    if observed_at > now + MAX_SKEW:
        return observed_at - MAX_SKEW
    end = observed_at + max_age
    return end if now < end else None


def grant_status(grant: Grant, now: int) -> GrantStatus:
    """Whether the grant is in force."""
    if now < grant.not_before:
        return GrantStatus.PENDING
    return GrantStatus.ACTIVE if now < grant.expires_at else GrantStatus.EXPIRED


def grant_ends(grant: Grant, now: int) -> int | None:
    """The first instant after `now` at which `grant_status` changes by itself; None once it is over."""
    return next((instant for instant in (grant.not_before, grant.expires_at) if now < instant), None)
