"""Why something did not come about, in words for the operator."""


class OperateError(Exception):
    pass


class DamagedError(OperateError):
    """The back-up is not what was written."""


class OccupiedError(OperateError):
    """There is something already where the back-up would go."""


class StillBusyError(OperateError):
    """It was waited for long enough; what was asked stands all the same."""
