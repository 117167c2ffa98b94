"""`up`: make what is missing, start everything, wait until it is ready, and stop it again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local_platform.stack import (
    environment,
    nats_config,
    ports,
    preconditions,
    secret_files,
    state,
    supervision,
)
from local_platform.stack.console import Console
from local_platform.stack.down import stop
from local_platform.stack.faults import FaultError
from local_platform.stack.files import write_private
from local_platform.stack.layout import Layout
from local_platform.stack.lock import BusyError, held
from local_platform.stack.processes import Context, Process, Table, people
from local_platform.stack.processes import nats_config as nats_file
from local_platform.stack.readiness import tail, wait_until_ready
from local_platform.stack.scaled import ROUTE_USER, node_configs, scaled
from local_platform.stack.settings import Settings

LOOK_EVERY_S = 0.2
SUPERVISOR_ENDED = "supervisord has ended, and the platform with it."


@dataclass(frozen=True)
class Plan:
    """What `up` is about to run."""

    context: Context
    processes: Sequence[Process]

    @property
    def layout(self) -> Layout:
        return self.context.layout


class Up:
    """One start of the platform; `hurry` set while it stops ends everything at once."""

    def __init__(
        self, settings: Settings, operator: Mapping[str, str], table: Table, console: Console
    ) -> None:
        self._settings = settings
        self._operator = operator
        self._table = table
        self._console = console
        self.hurry = asyncio.Event()
        self.was_ready = False

    async def run(self, *, detach: bool) -> int:
        """Run until cancelled, or with `detach` until it is ready; the exit status."""
        layout = self._settings.layout
        layout.make()
        while True:
            if (running := state.read(layout)) is not None:
                self._console.say(f"The platform is running already: {running['url']}")
                return 0
            try:
                with held(layout):
                    return await self._start(layout, detach=detach)
            except BusyError as busy:
                await self._other_start(layout, busy.pid)

    async def _other_start(self, layout: Layout, pid: int) -> None:
        self._console.step(f"process {pid} is starting or stopping the platform; waiting for it")
        while state.read(layout) is None:
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(BusyError), held(layout):
                return

    async def _start(self, layout: Layout, *, detach: bool) -> int:
        await stop(layout, self._console)
        plan = self._plan(layout)
        preconditions.check_disk(layout, self._settings.min_free_mb)
        await preconditions.check_isolation(plan.processes, self._operator, self._console)
        ports.check({p.name: p.port for p in plan.processes if p.port})
        async with self._stopped_in_the_end(layout) as keep:
            await self._prepare(plan)
            self._tell_people(plan)
            supervisor = await self._launch(plan, detached=detach)
            state.write(layout, plan.context.ports, plan.processes, supervisor.pid)
            self._announce(plan)
            if detach:
                keep.set()
                return 0
            await supervisor.wait()
            raise FaultError(SUPERVISOR_ENDED)

    def _plan(self, layout: Layout) -> Plan:
        project, scale = Path.cwd(), self._settings.scale
        users = nats_config.passwords(project / nats_config.USERS_FILE)
        context = Context(
            layout=layout,
            ports=ports.choose(self._settings.ports, self._operator, layout.ports, scale.ports),
            secrets=secret_files.ensure(layout, [*users, ROUTE_USER]),
            operator=self._operator,
            project=project,
        )
        return Plan(context, scaled(scale, self._table)(context))

    def _tell_people(self, plan: Plan) -> None:
        for name, variables in people(plan.context).items():
            environment.write_named(name, variables, plan.layout)

    async def _prepare(self, plan: Plan) -> None:
        for process in plan.processes:
            if process.prepare:
                await self._prepare_one(plan.layout, process)

    async def _prepare_one(self, layout: Layout, process: Process) -> None:
        preparing = await asyncio.create_subprocess_exec(
            *supervision.dies_with_parent(),
            *process.prepare,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(layout, process),
            start_new_session=True,
        )
        lines: list[str] = []
        while preparing.stdout and (line := await preparing.stdout.readline()):
            lines.append(line.decode(errors="replace").rstrip())
            self._console.step(f"{process.name}: {lines[-1]}")
        if await preparing.wait():
            told = "\n".join(lines[-10:])
            raise FaultError(f"{process.name} could not be prepared:\n{told}")

    def _environment(self, layout: Layout, process: Process) -> dict[str, str]:
        return {
            **environment.base(self._operator, layout),
            **environment.of(process, self._operator),
        }

    async def _launch(self, plan: Plan, *, detached: bool) -> asyncio.subprocess.Process:
        self._write_nats_config(plan.context)
        supervision.configure(plan.layout, plan.processes, self._operator)
        supervisor = await supervision.start(plan.layout, self._operator, detached=detached)
        async with asyncio.TaskGroup() as group:
            death = group.create_task(self._supervisor_lives(supervisor, plan.layout))
            await wait_until_ready(
                plan.processes, plan.layout, self._console, self._settings.ready_timeout_s
            )
            death.cancel()
        return supervisor

    async def _supervisor_lives(
        self, supervisor: asyncio.subprocess.Process, layout: Layout
    ) -> None:
        await supervisor.wait()
        said = tail(layout.logs / "supervisord.out")
        raise FaultError(f"supervisord ended with status {supervisor.returncode}:\n{said}")

    def _write_nats_config(self, context: Context) -> None:
        directory, port = context.layout.nats, context.ports["nats"]
        text = nats_config.render(ports.HOST, port, directory, context.users_file)
        write_private(nats_file(context), text)
        scale, layout = self._settings.scale, context.layout
        for path, text in node_configs(scale, layout, context.ports, context.project).items():
            write_private(path, text)

    def _announce(self, plan: Plan) -> None:
        self.was_ready = True
        self._console.say(f"\n  Ready: {state.url_of(plan.context.ports)}\n")

    @asynccontextmanager
    async def _stopped_in_the_end(self, layout: Layout) -> AsyncIterator[asyncio.Event]:
        """Stop everything on the way out, unless the event that it gives has been set."""
        keep = asyncio.Event()
        try:
            yield keep
        finally:
            if not keep.is_set():
                await stop(layout, self._console, self.hurry)
