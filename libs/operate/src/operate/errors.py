"""Why a back-up or a restore did not come about, in words for the operator."""


class OperateError(Exception):
    pass


class DamagedError(OperateError):
    """The back-up is not what was written."""


class OccupiedError(OperateError):
    """There is something already where the back-up would go."""
