"""Subjects to use cases. Stop, approvals and attaching are also served under this process' own
name, for what concerns a turn it runs.
"""

from common.contracts import chat as contract
from common.contracts.base import Empty, Erased
from common.messaging.rpc import RpcServer

from chat_proxy.service.approvals import ApprovalService
from chat_proxy.service.attaching import AttachService
from chat_proxy.service.erasing import Erasing
from chat_proxy.service.exporting import ExportService
from chat_proxy.service.sessions import SessionService
from chat_proxy.service.sharing import SharingService
from chat_proxy.service.spending import Spending
from chat_proxy.service.turns import TurnService


async def serve_sessions(server: RpcServer, sessions: SessionService) -> None:
    async def list_sessions(request: contract.ListSessions) -> contract.SessionList:
        return await sessions.list(request)

    async def find_session(request: contract.SessionRequest) -> contract.Session:
        return await sessions.find(request.owner_id, request.session_id)

    async def get_session(request: contract.SessionRequest) -> contract.SessionDetail:
        return await sessions.get(request.owner_id, request.session_id)

    async def rename_session(request: contract.RenameSession) -> contract.Session:
        return await sessions.rename(request.owner_id, request.session_id, request.title)

    async def delete_session(request: contract.SessionRequest) -> Empty:
        await sessions.delete(request.owner_id, request.session_id)
        return Empty()

    async def keep_thread(request: contract.KeepThread) -> Empty:
        await sessions.keep_thread(request)
        return Empty()

    async def take_thread(request: contract.TakeThread) -> contract.Session:
        return await sessions.take_thread(request.owner_id, request.thread)

    await server.serve(contract.CREATE_SESSION, sessions.create)
    await server.serve(contract.KEEP_THREAD, keep_thread)
    await server.serve(contract.TAKE_THREAD, take_thread)
    await server.serve(contract.LIST_SESSIONS, list_sessions)
    await server.serve(contract.FIND_SESSION, find_session)
    await server.serve(contract.GET_SESSION, get_session)
    await server.serve(contract.RENAME_SESSION, rename_session)
    await server.serve(contract.DELETE_SESSION, delete_session)


async def serve_erasing(server: RpcServer, erasing: Erasing) -> None:
    async def erase_owner(request: contract.EraseChats) -> Erased:
        counts, is_done = await erasing.begin(request.owner_id)
        return Erased(counts=counts, is_done=is_done)

    await server.serve(contract.ERASE_CHATS, erase_owner)


async def serve_turns(server: RpcServer, turns: TurnService, *, me: str) -> None:
    async def get_turn(request: contract.TurnRequest) -> contract.Turn:
        return await turns.get(request.owner_id, request.session_id, request.turn_id)

    await server.serve(contract.START_TURN, turns.start)
    await server.serve(contract.GET_TURN, get_turn)
    await server.serve(contract.STOP_TURN, turns.stop)
    await server.serve(contract.STOP_TURN, turns.stop_here, target=me)


async def serve_usage(server: RpcServer, spending: Spending) -> None:
    async def get_usage(request: contract.GetUsage) -> contract.UsageReport:
        return await spending.report(request.owner_id, days=request.days)

    async def set_cap(request: contract.SetCap) -> contract.TokenCap:
        return await spending.set_cap(request.owner_id, request.daily_tokens)

    await server.serve(contract.GET_USAGE, get_usage)
    await server.serve(contract.SET_CAP, set_cap)


async def serve_copies(
    server: RpcServer, exporting: ExportService, sharing: SharingService
) -> None:
    async def list_shares(request: contract.SessionRequest) -> contract.ShareList:
        return await sharing.live(request.owner_id, request.session_id)

    async def end_shares(request: contract.SessionRequest) -> Empty:
        await sharing.end(request.owner_id, request.session_id)
        return Empty()

    async def get_shared(request: contract.GetShared) -> contract.SharedPage:
        return await sharing.shown(request.token_sha256, request.after)

    await server.serve(contract.EXPORT_SESSION, exporting.export)
    await server.serve(contract.SHARE_SESSION, sharing.share)
    await server.serve(contract.LIST_SHARES, list_shares)
    await server.serve(contract.END_SHARES, end_shares)
    await server.serve(contract.GET_SHARED, get_shared)


async def serve_journal(
    server: RpcServer, attaching: AttachService, approvals: ApprovalService, *, me: str
) -> None:
    await server.serve(contract.ATTACH, attaching.attach)
    await server.serve(contract.ATTACH, attaching.attach_here, target=me)
    await server.serve(contract.ANSWER_APPROVAL, approvals.answer)
    await server.serve(contract.ANSWER_APPROVAL, approvals.answer_here, target=me)
