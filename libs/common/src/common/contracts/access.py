"""Who may do what on the bus: the one table that the permissions of NATS are written from.

A new RPC, event or bucket is a line here. What a user serves and emits follows from the contracts
themselves: an RPC's service and an event's service are in its definition.
"""

from dataclasses import dataclass
from typing import Any

from common.contracts import chat, events, keys, operating, relay, sandbox, skills
from common.contracts.base import Rpc
from common.contracts.events import Event

USERS = ("gateway", "sandbox-manager", "skill-resolver", "chat-proxy", "relay", "keys")
"""One for each process of the platform."""

STEWARD = "keys"
"""Makes the streams, buckets and durable consumers. Whoever may make a stream can have it capture
any subject, replies with secrets in them too: so it is the one that holds them all anyway.
"""

READERS = ("events-reader",)
"""Other teams: they may read `evt.>` and nothing else. Their durable consumer bears their name."""

OPERATOR = "operator"
"""A person with the whole bus in hand; no process is given its password."""

CALLERS: dict[Rpc[Any, Any], tuple[str, ...]] = {
    keys.RESOLVE_OWNER: ("gateway",),
    keys.PUT_SECRET: ("gateway",),
    keys.LIST_SECRETS: ("gateway", "sandbox-manager"),
    keys.DELETE_SECRET: ("gateway",),
    keys.REVEAL: ("sandbox-manager", "relay"),
    keys.GET_SETTINGS: ("gateway", "sandbox-manager", "relay"),
    keys.PUT_SETTINGS: ("gateway",),
    keys.ERASE_OWNER: ("gateway",),
    keys.CREATE_TOKEN: ("gateway",),
    keys.LIST_TOKENS: ("gateway",),
    keys.REVOKE_TOKEN: ("gateway",),
    keys.AUTHORIZE_TOKEN: ("gateway",),
    relay.CHECK_KEY: ("gateway",),
    relay.LIST_MODELS: ("gateway",),
    skills.RESOLVE: ("gateway", "sandbox-manager"),
    skills.GET_SKILL: ("gateway", "sandbox-manager"),
    skills.LIST_REPOSITORY: ("gateway",),
    skills.READ_SKILL_FILE: ("gateway", "chat-proxy"),
    skills.GET_BUNDLE: ("sandbox-manager",),
    sandbox.START_LAUNCH: ("gateway",),
    sandbox.GET_LAUNCH: ("gateway", "chat-proxy"),
    sandbox.CANCEL_LAUNCH: ("gateway",),
    sandbox.GET_LAUNCH_ENTRIES: ("gateway",),
    sandbox.GET_RECEIPT: ("gateway", "chat-proxy"),
    sandbox.GET_RECEIPT_KEY: ("gateway",),
    sandbox.GET_SANDBOX: ("gateway",),
    sandbox.HEARTBEAT: ("gateway",),
    sandbox.STOP_SANDBOX: ("gateway",),
    sandbox.DELETE_SANDBOX: ("gateway",),
    sandbox.REMOVE_SKILL: ("gateway",),
    sandbox.LIST_TRIALS: ("gateway",),
    sandbox.ERASE_SANDBOX: ("gateway",),
    sandbox.ACQUIRE_AGENT: ("chat-proxy",),
    sandbox.ACQUIRE_RAW_AGENT: ("gateway",),
    sandbox.RENEW_USE: ("chat-proxy", "gateway"),
    sandbox.RELEASE_USE: ("chat-proxy", "gateway"),
    sandbox.AUTHORIZE_RELAY: ("relay",),
    sandbox.LIST_FILES: ("gateway",),
    sandbox.READ_FILE: ("gateway",),
    sandbox.WRITE_FILE: ("gateway",),
    sandbox.ARCHIVE_FILES: ("gateway",),
    operating.LIST_SANDBOXES: (OPERATOR,),
    operating.GET_BALANCE: (OPERATOR,),
    operating.LIST_RESTRICTIONS: (OPERATOR,),
    operating.BLOCK_SKILL: (OPERATOR,),
    operating.UNBLOCK_SKILL: (OPERATOR,),
    operating.DRAIN: (OPERATOR,),
    operating.RESUME: (OPERATOR,),
    operating.GET_ACTIVITY: (OPERATOR,),
    operating.LIST_AUDIT: (OPERATOR,),
    chat.CREATE_SESSION: ("gateway",),
    chat.LIST_SESSIONS: ("gateway",),
    chat.GET_SESSION: ("gateway",),
    chat.RENAME_SESSION: ("gateway",),
    chat.DELETE_SESSION: ("gateway",),
    chat.START_TURN: ("gateway",),
    chat.GET_TURN: ("gateway",),
    chat.STOP_TURN: ("gateway", "chat-proxy"),
    chat.ANSWER_APPROVAL: ("gateway", "chat-proxy"),
    chat.ATTACH: ("gateway", "chat-proxy"),
    chat.FIND_SESSION: ("gateway",),
    chat.KEEP_THREAD: ("gateway",),
    chat.TAKE_THREAD: ("gateway",),
    chat.GET_USAGE: ("gateway",),
    chat.SET_CAP: ("gateway",),
    chat.EXPORT_SESSION: ("gateway",),
    chat.SHARE_SESSION: ("gateway",),
    chat.LIST_SHARES: ("gateway",),
    chat.END_SHARES: ("gateway",),
    chat.GET_SHARED: ("gateway",),
    chat.ERASE_CHATS: ("gateway",),
}
"""Who calls an RPC; chat-proxy calls its own to reach the process that holds a session."""

LISTENERS: dict[Event[Any], tuple[str, ...]] = {
    events.SECRET_PUT: ("relay",),
    events.SECRET_DELETED: ("relay",),
    events.OWNER_ERASED: ("gateway",),
    events.SANDBOX_STOPPED: ("gateway",),
}
"""Who hears an event live, in every process."""

CONSUMERS: dict[Event[Any], tuple[str, ...]] = {
    events.OWNER_ERASED: ("sandbox-manager", "chat-proxy"),
}
"""Who handles an event once, as a durable consumer."""


@dataclass(frozen=True)
class Shared:
    """A place that some write and some read."""

    writers: tuple[str, ...]
    readers: tuple[str, ...]


JOURNALS: dict[str, Shared] = {
    sandbox.launch_journal("*"): Shared(("sandbox-manager",), ("gateway",)),
    chat.session_journal("*"): Shared(("chat-proxy",), ("gateway",)),
}
"""Readers follow live."""

RESUMERS: dict[str, tuple[str, ...]] = {chat.session_journal("*"): ("chat-proxy",)}
"""Who reads back what the stream captured of a journal, and purges it for an erased owner."""

BUCKETS: dict[str, Shared] = {
    skills.BUNDLE_BUCKET: Shared(("skill-resolver",), ("skill-resolver", "sandbox-manager")),
    sandbox.TRANSFER_BUCKET: Shared(
        ("gateway", "sandbox-manager", "chat-proxy"), ("gateway", "sandbox-manager")
    ),
}
"""Who writes is also who deletes."""


def rpcs() -> list[Rpc[Any, Any]]:
    """Every RPC there is."""
    modules = (keys, relay, skills, sandbox, operating, chat)
    return [value for module in modules for value in vars(module).values() if _is_rpc(value)]


def _is_rpc(value: object) -> bool:
    return isinstance(value, Rpc)
