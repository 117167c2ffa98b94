"""Use case: a session as one document."""

from collections.abc import Callable
from dataclasses import replace

from common.contracts import chat as contract
from common.contracts.chat import ExportFormat
from common.errors import TooLargeError

from chat_proxy.model.credentials import redacted, redacted_entries
from chat_proxy.model.exporting import file_name, to_json, to_markdown, whole_entries
from chat_proxy.model.journal import Answer, Entry
from chat_proxy.service.outside import Outside

_MOST_BYTES = 64 * 1024 * 1024
_MEDIA_TYPES = {
    ExportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ExportFormat.JSON: "application/json",
}
_WRITE = {ExportFormat.MARKDOWN: to_markdown, ExportFormat.JSON: to_json}


class ExportService:
    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def export(self, request: contract.ExportSession) -> contract.Exported:
        """The turns so far, put into the transfer bucket."""
        session = await self._outside.sessions.get(request.owner_id, request.session_id)
        answers = {one.turn_id: one for one in await self._outside.answers.of_session(session.id)}
        turns = [
            (turn, answers[turn.id])
            for turn in await self._outside.turns.of_session(session.id)
            if turn.id in answers
        ]
        if request.redact:
            session = replace(session, title=redacted(session.title))
        entries: Callable[[Answer], list[Entry]] = _redacted if request.redact else whole_entries
        text = _WRITE[request.format](session, turns, entries, self._outside.clock())
        content = text.encode("utf-8", "replace")
        if len(content) > _MOST_BYTES:
            message = f"the export would have more than {_MOST_BYTES} bytes"
            raise TooLargeError(message)
        return contract.Exported(
            file_name=file_name(session, request.format),
            media_type=_MEDIA_TYPES[request.format],
            body=await self._outside.transfer.put(content),
        )


def _redacted(answer: Answer) -> list[Entry]:
    return redacted_entries(answer.after(0))
