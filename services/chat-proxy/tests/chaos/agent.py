"""An agent that speaks the wire form of `hermes serve`: JSON-RPC over a WebSocket, and its record
of a conversation over HTTP.

As Hermes does, it goes on while nobody listens, sends events to the last socket only, repeats
none, tells the text so far to whoever resumes, and keeps finished steps in its record.
"""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

from chaos.answers import Said, Step, Thought, Used, answer_of

TOKEN = "agent-token"
CONTRACT = 4
APPROVAL_S = 25.0
FLOOD = "[[flood]]"
MOST_FLOODED = 400_000_000
_WAVE = "wave " * 1000

Message = dict[str, Any]


@dataclass
class Conversation:
    """`said` is the text of the running answer, `step` that of the step in work."""

    name: str
    live_id: str
    socket: web.WebSocketResponse | None = None
    messages: list[Message] = field(default_factory=list)
    prompt: str = ""
    said: str = ""
    step: str = ""
    running: bool = False
    interrupted: bool = False
    asked: "asyncio.Future[bool] | None" = None


class Agent:
    """`ran` counts, by command, how often a dangerous one was executed; `prompts` how often each
    prompt was taken, `flooded` the characters of floods.
    """

    def __init__(self) -> None:
        self.port = 0
        self.ran = Counter[str]()
        self.prompts = Counter[str]()
        self.flooded = 0
        self._by_name: dict[str, Conversation] = {}
        self._by_live: dict[str, Conversation] = {}
        self._working: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/api/ws", self._talk)
        app.router.add_get("/api/sessions/{name}/messages", self._record)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._working:
            task.cancel()
        self.cut()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Break every connection, without a word."""
        for conversation in self._by_name.values():
            socket, conversation.socket = conversation.socket, None
            if socket is not None and socket._req is not None and socket._req.transport:
                socket._req.transport.abort()

    async def _record(self, request: web.Request) -> web.Response:
        conversation = self._by_name.get(request.match_info["name"])
        if conversation is None:
            return web.Response(status=404)
        return web.json_response({"messages": conversation.messages})

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                called = json.loads(message.data)
                result = self._call(socket, called["method"], called["params"])
                with contextlib.suppress(ConnectionError):
                    await socket.send_json({"jsonrpc": "2.0", "id": called["id"], **result})
        return socket

    def _call(self, socket: web.WebSocketResponse, method: str, params: Message) -> Message:
        if method == "session.create":
            return {"result": self._create(socket)}
        by = self._by_name if method == "session.resume" else self._by_live
        conversation = by.get(params["session_id"])
        if conversation is None:
            return {"error": {"code": 4001, "message": "session not found"}}
        match method:
            case "session.resume":
                result = _resumed(conversation, socket)
            case "prompt.submit":
                result = self._submit(conversation, socket, params["text"])
            case "approval.respond":
                result = {"resolved": _respond(conversation, params["choice"])}
            case "session.interrupt":
                conversation.interrupted, result = True, {}
            case _:
                return {"error": {"code": -32601, "message": f"no method {method}"}}
        return {"result": result}

    def _create(self, socket: web.WebSocketResponse) -> Message:
        number = len(self._by_name)
        conversation = Conversation(f"stored-{number}", f"live-{number}", socket)
        self._by_name[conversation.name] = conversation
        self._by_live[conversation.live_id] = conversation
        return {
            "session_id": conversation.live_id,
            "stored_session_id": conversation.name,
            "info": {"desktop_contract": CONTRACT},
        }

    def _submit(
        self, conversation: Conversation, socket: web.WebSocketResponse, text: str
    ) -> Message:
        conversation.socket = socket
        conversation.prompt, conversation.said, conversation.step = text, "", ""
        conversation.running, conversation.interrupted = True, False
        conversation.messages.append({"role": "user", "content": text})
        if FLOOD in text:
            working = asyncio.ensure_future(self._flood(conversation))
        else:
            self.prompts[answer_of(text).prompt] += 1
            working = asyncio.ensure_future(self._answer(conversation, text))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        return {"status": "streaming"}

    async def _answer(self, conversation: Conversation, prompt: str) -> None:
        answer = answer_of(prompt)
        await _tell(conversation, "message.start")
        await _tell(conversation, "thinking.delta", text="pondering")
        for step in answer.steps():
            await asyncio.sleep(answer.every_s)
            if conversation.interrupted:
                break
            await self._do(conversation, step)
        text = conversation.step.strip()
        status = "interrupted" if conversation.interrupted else "complete"
        conversation.messages.append(
            {"role": "assistant", "content": text, "finish_reason": "stop"}
        )
        conversation.running = False
        await _tell(conversation, "message.complete", text=text, status=status, usage={})

    async def _flood(self, conversation: Conversation) -> None:
        """Say more than anybody can hold, as fast as it is taken."""
        while not conversation.interrupted and self.flooded < MOST_FLOODED:
            self.flooded += len(_WAVE)
            await _tell(conversation, "message.delta", text=_WAVE)
            await asyncio.sleep(0)
        conversation.running = False
        await _tell(conversation, "message.complete", text="", status="interrupted", usage={})

    async def _do(self, conversation: Conversation, step: Step) -> None:
        match step:
            case Thought(text=text):
                await _tell(conversation, "reasoning.delta", text=text)
            case Said(text=text):
                conversation.said += text
                conversation.step += text
                await _tell(conversation, "message.delta", text=text)
            case Used():
                await self._use(conversation, step)

    async def _use(self, conversation: Conversation, tool: Used) -> None:
        arguments = {"command": tool.command}
        call = {"name": "terminal", "arguments": json.dumps(arguments)}
        conversation.messages.append(
            {
                "role": "assistant",
                "content": conversation.step.strip(),
                "tool_calls": [{"id": tool.call_id, "function": call}],
                "finish_reason": "tool_calls",
            }
        )
        conversation.step = ""
        named = {"tool_id": tool.call_id, "name": "terminal"}
        await _tell(conversation, "tool.start", **named, args_text=json.dumps(arguments))
        result: Message = {"output": f"did {tool.command}", "exit_code": 0}
        if tool.dangerous:
            if await self._approved(conversation, tool.command):
                self.ran[tool.command] += 1
            else:
                result = {"error": "BLOCKED: Command denied by user.", "status": "blocked"}
        conversation.messages.append(
            {
                "role": "tool",
                "content": json.dumps(result),
                "tool_call_id": tool.call_id,
                "tool_name": "terminal",
            }
        )
        await _tell(conversation, "tool.complete", **named, args=arguments, result=result)
        await _tell(conversation, "thinking.delta", text="pondering")

    async def _approved(self, conversation: Conversation, command: str) -> bool:
        conversation.asked = asyncio.get_running_loop().create_future()
        await _tell(
            conversation,
            "approval.request",
            command=command,
            description="deletes",
            pattern_keys=[f"delete {command}"],
            choices=["once", "session", "always", "deny"],
        )
        try:
            async with asyncio.timeout(APPROVAL_S):
                return await conversation.asked
        except TimeoutError:
            return False
        finally:
            conversation.asked = None


def _resumed(conversation: Conversation, socket: web.WebSocketResponse) -> Message:
    conversation.socket = socket
    result: Message = {
        "session_id": conversation.live_id,
        "resumed": conversation.name,
        "running": conversation.running,
        "info": {"desktop_contract": CONTRACT},
    }
    if conversation.running:
        result["inflight"] = {"user": conversation.prompt, "assistant": conversation.said}
    return result


def _respond(conversation: Conversation, choice: str) -> int:
    if conversation.asked is None or conversation.asked.done():
        return 0
    conversation.asked.set_result(choice == "once")
    return 1


async def _tell(conversation: Conversation, type_: str, **payload: Any) -> None:
    """To the last socket; what cannot be sent is not kept."""
    socket = conversation.socket
    if socket is None or socket.closed:
        return
    params = {"type": type_, "session_id": conversation.live_id, "payload": payload}
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.send_json({"jsonrpc": "2.0", "method": "event", "params": params})
