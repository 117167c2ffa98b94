"""The pool states of an owner's sandbox and the only ways between them."""

from collections.abc import Mapping
from types import MappingProxyType

from common.contracts.sandbox import SandboxState as S

TRANSITIONS: Mapping[S, frozenset[S]] = MappingProxyType(
    {
        S.ABSENT: frozenset({S.CREATING, S.STOPPED}),
        S.CREATING: frozenset({S.ACTIVE, S.DELETING}),
        S.ACTIVE: frozenset({S.STOPPED, S.DELETING}),
        S.STOPPED: frozenset({S.ACTIVE, S.DELETING}),
        S.DELETING: frozenset({S.ABSENT}),
    }
)
"""From `absent` to `stopped` goes only a sandbox that was found without a record, and adopted.

A sandbox that vanished at the provider goes through `deleting` too: what is left is removed.
"""


def is_allowed(state: S, to: S) -> bool:
    return to in TRANSITIONS[state]
