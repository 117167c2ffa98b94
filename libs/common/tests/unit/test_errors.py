"""The error tree and its form on the wire."""

from datetime import UTC, datetime

import pytest
from common.errors import CLASS_OF, AppError, ErrorCode, InternalError, NotFoundError
from common.messaging.rpc import error_from_wire, error_to_wire


class TestCodes:
    def test_every_code_belongs_to_one_class(self) -> None:
        assert set(CLASS_OF) == set(ErrorCode)

    @pytest.mark.parametrize("error", AppError.__subclasses__())
    def test_a_class_owns_its_default_code(self, error: type[AppError]) -> None:
        assert CLASS_OF[error.default_code] is error


class TestWire:
    @pytest.mark.parametrize("code", list(ErrorCode))
    def test_a_caller_gets_the_class_that_was_raised(self, code: ErrorCode) -> None:
        raised = CLASS_OF[code]("why", code=code)

        received = error_from_wire(error_to_wire(raised))

        assert type(received) is CLASS_OF[code]
        assert (received.code, received.detail) == (code, "why")

    def test_facts_travel(self) -> None:
        when = datetime(2026, 1, 1, tzinfo=UTC)
        raised = NotFoundError("no", retry_at=when, extra={"candidates": ["a/b/c"]})

        received = error_from_wire(error_to_wire(raised))

        assert (received.retry_at, received.extra) == (when, {"candidates": ["a/b/c"]})

    @pytest.mark.parametrize("data", [b"", b"{}", b'{"code":"of_tomorrow","detail":"x"}'])
    def test_what_cannot_be_read_is_internal(self, data: bytes) -> None:
        assert type(error_from_wire(data)) is InternalError
