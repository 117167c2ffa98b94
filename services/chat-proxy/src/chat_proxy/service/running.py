"""The state of a turn that this process runs, shared by those who work on it."""

from dataclasses import dataclass
from datetime import datetime

from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn


@dataclass
class RunningTurn:
    """`turn` as last stored; `heard_at` is when the agent last said something."""

    turn: Turn
    session: ChatSession
    heard_at: datetime
