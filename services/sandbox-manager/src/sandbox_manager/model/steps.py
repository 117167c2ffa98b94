"""What the worker of a launch does to the outside, one row a path.

Each step may be done twice, by a worker that took over from one that died anywhere in it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from common.contracts.sandbox import LaunchPath, PhaseName


class Step(StrEnum):
    LOCK = "lock"
    PROVIDE = "provide"
    RECORD = "record"
    START_SANDBOX = "start_sandbox"
    CONFIGURE = "configure"
    START_AGENT = "start_agent"
    SIGN = "sign"
    CHECK_AGENT = "check_agent"
    FETCH = "fetch"
    INSTALL = "install"
    ACTIVATE = "activate"
    FINISH = "finish"


PHASES: Mapping[Step, PhaseName] = MappingProxyType(
    {
        Step.LOCK: PhaseName.CREATE,
        Step.PROVIDE: PhaseName.CREATE,
        Step.RECORD: PhaseName.CREATE,
        Step.START_SANDBOX: PhaseName.WAKE,
        Step.CONFIGURE: PhaseName.CONFIGURE,
        Step.START_AGENT: PhaseName.AGENT,
        Step.SIGN: PhaseName.ENDPOINT,
        Step.CHECK_AGENT: PhaseName.AGENT,
        Step.FETCH: PhaseName.UPLOAD,
        Step.INSTALL: PhaseName.VERIFY,
        Step.ACTIVATE: PhaseName.ENDPOINT,
        Step.FINISH: PhaseName.ENDPOINT,
    }
)

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
        LaunchPath.INSTALL: (Step.START_SANDBOX, *_MAKE_READY, Step.FINISH),
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
