"""A call while the connection to the bus breaks."""

from typing import Any, cast

import pytest
from common.contracts.keys import GET_SETTINGS, GetSettings
from common.errors import ErrorCode, UnavailableError
from common.messaging.rpc import RpcClient
from nats.aio.client import Client
from nats.errors import (
    ConnectionClosedError,
    ConnectionReconnectingError,
    OutboundBufferLimitError,
    StaleConnectionError,
)

BROKEN = (
    ConnectionClosedError(),
    ConnectionReconnectingError(),
    OutboundBufferLimitError(),
    StaleConnectionError(),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
)


class BrokenConnection:
    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    async def request(self, *_: Any, **__: Any) -> Any:
        raise self._problem


@pytest.mark.parametrize("problem", BROKEN, ids=lambda one: type(one).__name__)
async def test_however_it_breaks_the_bus_is_what_does_not_answer(problem: Exception) -> None:
    client = RpcClient(cast("Client", BrokenConnection(problem)))

    with pytest.raises(UnavailableError) as refused:
        await client.call(GET_SETTINGS, GetSettings(owner_id="own_" + "1" * 20))

    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert refused.value.detail == "the message bus does not answer"
