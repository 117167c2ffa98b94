"""The commands besides `try`, each a call or two of the API."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tryskills.client import Client
from tryskills.models import Download
from tryskills.terminal import Terminal

Command = Callable[[Client, Terminal, argparse.Namespace], Awaitable[int]]


async def skills(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    owner, _, repo = asked.repository.partition("/")
    for skill in (await client.skills(owner, repo)).get("skills", []):
        terminal.line(f"{skill.get('ref', '')}: {skill.get('description', '')}")
    return 0


async def sessions(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    cursor = None
    while True:
        found = await client.sessions(asked.query, cursor)
        for session in found.get("sessions", []):
            terminal.line(f"{session['id']}  {_when(session)}  {session.get('title', '')}")
        cursor = found.get("next_cursor")
        if not cursor:
            return 0


async def export(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    made = await client.export(asked.session, asked.format, redact=not asked.no_redact)
    _put(made, asked.output, terminal)
    return 0


async def share(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    if asked.end:
        await client.end_shares(asked.session)
        terminal.line("Its links have ended.")
        return 0
    made = await client.share(asked.session, asked.days, tools=not asked.no_tools)
    terminal.field("Link", made["url"])
    terminal.field("Until", str(made.get("expires_at", ""))[:10])
    return 0


async def files(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    if asked.put:
        uploads = {Path(name).name: read_file(name) for name in asked.put}
        for path in await client.upload(asked.session, uploads):
            terminal.field("Put", path)
    if asked.get:
        _put(await client.read_file(asked.session, asked.get), asked.output, terminal)
    if asked.zip:
        _put(await client.archive(asked.session), asked.output, terminal)
    if not (asked.put or asked.get or asked.zip):
        found = await client.files(asked.session)
        for entry in found.get("entries", []):
            kind = "/" if entry.get("is_directory") else ""
            terminal.line(f"{entry.get('size', 0):>10}  {entry['path']}{kind}")
        if found.get("is_cut"):
            terminal.line("... and more")
    return 0


async def usage(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    if asked.cap is not None:
        if asked.cap != "none" and not asked.cap.isdigit():
            sys.exit("--cap takes a number of tokens, or none")
        await client.set_cap(None if asked.cap == "none" else int(asked.cap))
    report = await client.usage(asked.days)
    for day in report.get("days", []):
        told = f"{day.get('calls', 0):>6} calls {day.get('total_tokens', 0):>10} tokens"
        terminal.line(f"{day['day']} {told}")
    cap = report.get("cap") or {}
    limit = cap.get("daily_tokens")
    terminal.field("Today", f"{cap.get('used', 0)} of {'any number' if limit is None else limit}")
    return 0


async def trials(client: Client, terminal: Terminal, _: argparse.Namespace) -> int:
    for trial in (await client.trials()).get("trials", []):
        name = (trial.get("skill") or {}).get("name", "")
        told = f"{trial.get('path') or '-':8} {trial.get('state', ''):9} {name}"
        terminal.line(f"{_when(trial)}  {told}")
    return 0


async def sandbox(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    calls = {None: client.sandbox, "stop": client.stop_sandbox, "delete": client.delete_sandbox}
    found = await calls[asked.action]() or {}
    terminal.field("State", str(found.get("state", "deleted")))
    for installed in found.get("skills") or []:
        terminal.field("Skill", str((installed.get("skill") or {}).get("name", "")))
    return 0


COMMANDS: dict[str, Command] = {
    "skills": skills,
    "sessions": sessions,
    "export": export,
    "share": share,
    "files": files,
    "usage": usage,
    "trials": trials,
    "sandbox": sandbox,
}


def read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        sys.exit(f"{name} cannot be read: {error.strerror}")


def _put(file: Download, output: str | None, terminal: Terminal) -> None:
    if output == "-":
        terminal.raw(file.content)
        return
    path = Path(output or file.name)
    try:
        path.write_bytes(file.content)
    except OSError as error:
        sys.exit(f"{path} cannot be written: {error.strerror}")
    terminal.field("Saved", str(path))


def _when(record: Any) -> str:
    return str(record.get("created_at", ""))[:19]
