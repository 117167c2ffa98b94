"""Use cases of shares: make a read-only link, list and end a session's, show what one shows."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from common.contracts import chat as contract
from common.contracts.sandbox import Receipt
from common.errors import (
    AppError,
    ConflictError,
    ErrorCode,
    GoneError,
    NotFoundError,
    RateLimitedError,
)
from common.ids import new_id
from pydantic import SecretStr

from chat_proxy.model.credentials import redacted, redacted_entries
from chat_proxy.model.journal import Entry
from chat_proxy.model.session import ChatSession
from chat_proxy.model.share import Share, new_token
from chat_proxy.service.closing import Closing
from chat_proxy.service.outside import Outside
from chat_proxy.service.wire import to_entry, to_share

logger = logging.getLogger(__name__)

_MOST = 20
_PAGE_BYTES = 400_000


class SharingService:
    def __init__(self, outside: Outside, closing: Closing) -> None:
        self._outside = outside
        self._closing = closing

    async def share(self, request: contract.ShareSession) -> contract.CreatedShare:
        """A link to the turns that have ended; what is said later is not in it."""
        await self._outside.sessions.get(request.owner_id, request.session_id)
        await self._closing.settled(request.session_id)
        session = await self._outside.sessions.get(request.owner_id, request.session_id)
        if not session.last_seq:
            message = "there is nothing to share yet: no turn has ended"
            raise ConflictError(message)
        now = self._outside.clock()
        live = await self._outside.shares.of_session(session.owner_id, session.id, now)
        if len(live) >= _MOST:
            raise RateLimitedError(
                f"this session has {_MOST} links, which is the most; end them first",
                code=ErrorCode.QUOTA_EXCEEDED,
                extra={"limit": "shares_per_session", "value": _MOST},
            )
        token, sha256 = new_token()
        share = Share(
            id=new_id("shr"),
            owner_id=session.owner_id,
            session_id=session.id,
            token_sha256=sha256,
            last_seq=session.last_seq,
            with_tools=request.with_tools,
            with_reasoning=request.with_reasoning,
            receipt=await self._receipt(session),
            created_at=now,
            expires_at=now + timedelta(days=request.expires_in_days),
        )
        await self._outside.shares.add(share)
        return contract.CreatedShare(**to_share(share).model_dump(), token=SecretStr(token))

    async def live(self, owner_id: str, session_id: str) -> contract.ShareList:
        await self._outside.sessions.get(owner_id, session_id)
        found = await self._outside.shares.of_session(owner_id, session_id, self._outside.clock())
        return contract.ShareList(shares=[to_share(share) for share in found])

    async def end(self, owner_id: str, session_id: str) -> None:
        """End every link of the session; none is no error."""
        await self._outside.sessions.get(owner_id, session_id)
        await self._outside.shares.end(owner_id, session_id, self._outside.clock())

    async def shown(self, token_sha256: str, after: int) -> contract.SharedPage:
        """For anybody who has the link."""
        share = await self._outside.shares.with_token(token_sha256)
        if share is None:
            message = "there is no such link"
            raise NotFoundError(message, code=ErrorCode.SHARE_NOT_FOUND)
        session = await self._session_of(share)
        entries, last_seq, more = await self._page(share, after)
        return contract.SharedPage(
            title=redacted(session.title),
            skill=session.skill,
            receipt=share.receipt,
            shared_at=share.created_at,
            expires_at=share.expires_at,
            entries=[to_entry(entry) for entry in entries],
            last_seq=last_seq,
            more=more,
        )

    async def _session_of(self, share: Share) -> ChatSession:
        """Raises GoneError: the link has ended, or what it led to."""
        if share.is_live(self._outside.clock()):
            try:
                return await self._outside.sessions.get(share.owner_id, share.session_id)
            except NotFoundError:
                logger.info("a shared session is gone")
        message = "this link has ended"
        raise GoneError(message, code=ErrorCode.SHARE_ENDED)

    async def _page(self, share: Share, after: int) -> tuple[list[Entry], int, bool]:
        page: list[Entry] = []
        left = _PAGE_BYTES
        async for entry in self._entries(share, after):
            left -= len(entry.line())
            if left < 0 and page:
                return page, page[-1].seq, True
            page.append(entry)
        return page, share.last_seq, False

    async def _entries(self, share: Share, after: int) -> AsyncIterator[Entry]:
        """Redacted turn by turn, so that a secret is found wherever a page ends."""
        async for answer in self._outside.answers.after(share.session_id, after):
            for entry in redacted_entries(answer.after(0)):
                if entry.seq > share.last_seq:
                    return
                if entry.seq > after and share.shows(entry.type):
                    yield entry

    async def _receipt(self, session: ChatSession) -> Receipt | None:
        """What ran, as sandbox-manager signed it; a share without it is better than none."""
        try:
            return await self._outside.sandboxes.receipt(session.owner_id, session.launch_id)
        except AppError as exc:
            logger.info("shared without a receipt: %s", exc.detail)
            return None
