"""Failures that only this service can explain.

AppError
└── UnavailableError
    ├── AgentLostError      the connection to the agent is gone
    ├── AgentUnknownError   the agent does not know the session we ask for
    └── AgentRefusedError   the agent answered with an error; its text is the detail
"""

from common.errors import ErrorCode, UnavailableError


class AgentLostError(UnavailableError):
    default_code = ErrorCode.AGENT_LOST


class AgentUnknownError(UnavailableError):
    default_code = ErrorCode.AGENT_LOST


class AgentRefusedError(UnavailableError):
    default_code = ErrorCode.AGENT_ERROR
