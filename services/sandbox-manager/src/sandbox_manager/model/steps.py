"""What is done to the outside, one row for each path of a launch and each change of a sandbox.

Each step may be done twice, by a worker that took over from one that died anywhere in it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from common.contracts.sandbox import LaunchPath


class Step(StrEnum):
    LOCK = "lock"
    PROVIDE = "provide"
    RECORD = "record"
    START_SANDBOX = "start_sandbox"
    LOOK = "look"
    CONFIGURE = "configure"
    START_AGENT = "start_agent"
    SIGN = "sign"
    CHECK_AGENT = "check_agent"
    FETCH = "fetch"
    INSTALL = "install"
    ACTIVATE = "activate"
    FINISH = "finish"
    STOP_SANDBOX = "stop_sandbox"
    DELETE_SANDBOX = "delete_sandbox"


_MAKE_READY = (
    Step.CONFIGURE,
    Step.START_AGENT,
    Step.SIGN,
    Step.CHECK_AGENT,
    Step.FETCH,
    Step.INSTALL,
)

STEPS: Mapping[LaunchPath, tuple[Step, ...]] = MappingProxyType(
    {
        LaunchPath.INSTANT: (),
        LaunchPath.INSTALL: (Step.START_SANDBOX, Step.LOOK, *_MAKE_READY, Step.FINISH),
        LaunchPath.CREATE: (
            Step.LOCK,
            Step.PROVIDE,
            Step.RECORD,
            *_MAKE_READY,
            Step.ACTIVATE,
            Step.FINISH,
        ),
    }
)

OTHER_STEPS: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {"stop": (Step.STOP_SANDBOX,), "delete": (Step.DELETE_SANDBOX,)}
)
"""What else is begun in a sandbox's record, and found there by whoever goes on."""
