"""What every use case works with: the ports, the clock, and the limits."""

from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock

from chat_proxy.ports import (
    Agents,
    Answers,
    Approvals,
    LiveJournal,
    Replicas,
    Sandboxes,
    Sessions,
    Shares,
    Skills,
    Transfer,
    Turns,
    Usage,
)


@dataclass(frozen=True)
class Limits:
    """What a turn may take. An approval expires here before it does in the agent, which waits
    `agent_approval`; what is told waits `fold` for the store, or up to half as long again, and
    meanwhile in the stream.
    """

    approval: timedelta = timedelta(seconds=270)
    agent_approval: timedelta = timedelta(seconds=310)
    upkeep: timedelta = timedelta(seconds=1)
    fold: timedelta = timedelta(seconds=10)
    reattach: timedelta = timedelta(seconds=45)
    reattach_wait: timedelta = timedelta(milliseconds=500)
    stop_grace: timedelta = timedelta(seconds=10)
    silence: timedelta = timedelta(minutes=30)
    answer_chars: int = 2_000_000
    turns_per_owner: int = 20
    daily_tokens: int | None = None


@dataclass(frozen=True)
class Outside:
    """`me` is the name under which this process claims turns and is addressed."""

    me: str
    sessions: Sessions
    turns: Turns
    answers: Answers
    approvals: Approvals
    usage: Usage
    shares: Shares
    transfer: Transfer
    sandboxes: Sandboxes
    skills: Skills
    agents: Agents
    live: LiveJournal
    replicas: Replicas
    clock: Clock
    limits: Limits
