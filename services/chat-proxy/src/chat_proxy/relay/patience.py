"""A turn whose provider was waited for to the end is not waited for again."""

import time
from collections import OrderedDict
from collections.abc import Callable

from chat_proxy.model.usage import Origin
from chat_proxy.relay.errors import RefusedError, too_slow

AGAIN_S = 60.0
_TIMEOUT = too_slow("", 0).code
_MOST = 10_000


class Patience:
    """An agent asks again when an answer falls silent, up to the same limit each time: the turn's
    next calls are refused at once, for a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lost: OrderedDict[Origin, tuple[float, RefusedError]] = OrderedDict()

    def note(self, origin: Origin, error: RefusedError) -> None:
        if error.code != _TIMEOUT or origin.turn_id is None:
            return
        self._lost[origin] = (self._clock() + AGAIN_S, error)
        if len(self._lost) > _MOST:
            self._lost.popitem(last=False)

    def check(self, origin: Origin) -> None:
        """Raises RefusedError."""
        until, error = self._lost.get(origin, (0.0, None))
        if error is not None and self._clock() < until:
            raise error
        self._lost.pop(origin, None)
