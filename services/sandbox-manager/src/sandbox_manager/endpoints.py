"""RPC subjects -> use cases: translate, decide nothing."""

from common.contracts import operating as operator_wire
from common.contracts import sandbox as wire
from common.contracts.base import Empty, Erased
from common.contracts.resources import Resources
from common.messaging.rpc import RpcServer
from common.preview import SKIP_WARNING
from pydantic import SecretStr

from sandbox_manager.model.account import OPERATORS
from sandbox_manager.model.directory import skill_path
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.restriction import Restriction
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.inside import Listed
from sandbox_manager.ports.provider import Retention
from sandbox_manager.service.browsing import Browsing, Sent
from sandbox_manager.service.desk import trial_id
from sandbox_manager.service.erasing import Erasing
from sandbox_manager.service.launching import Launching
from sandbox_manager.service.lending import Lending, LentAgent
from sandbox_manager.service.operating import Operating
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.surveying import Survey


async def serve_launches(server: RpcServer, launching: Launching) -> None:
    async def start_launch(request: wire.StartLaunch) -> wire.Launch:
        return launch_out(await launching.start(request))

    async def get_launch(request: wire.GetLaunch) -> wire.Launch:
        return launch_out(await launching.get(request.owner_id, request.launch_id))

    async def cancel_launch(request: wire.CancelLaunch) -> wire.Launch:
        return launch_out(await launching.cancel(request.owner_id, request.launch_id))

    async def get_entries(request: wire.GetLaunchEntries) -> wire.LaunchEntries:
        launch = await launching.get(request.owner_id, request.launch_id)
        entries = [entry for entry in launch.entries if entry.seq > request.after]
        return wire.LaunchEntries(entries=entries, ended=launch.is_ended)

    async def get_receipt(request: wire.GetLaunch) -> wire.Receipt:
        return await launching.receipt(request.owner_id, request.launch_id)

    async def get_receipt_key(_: wire.GetReceiptKey) -> wire.ReceiptKey:
        return wire.ReceiptKey(public_key=launching.receipts.public_key)

    async def list_trials(request: wire.OwnerRequest) -> wire.TrialList:
        trials = await launching.trials(request.owner_id)
        return wire.TrialList(trials=[trial_out(launch) for launch in trials])

    await server.serve(wire.START_LAUNCH, start_launch)
    await server.serve(wire.GET_LAUNCH, get_launch)
    await server.serve(wire.CANCEL_LAUNCH, cancel_launch)
    await server.serve(wire.GET_LAUNCH_ENTRIES, get_entries)
    await server.serve(wire.GET_RECEIPT, get_receipt)
    await server.serve(wire.GET_RECEIPT_KEY, get_receipt_key)
    await server.serve(wire.LIST_TRIALS, list_trials)


async def serve_pool(
    server: RpcServer, pool: Pool, *, retention: Retention, isolation: str
) -> None:
    def out(sandbox: Sandbox) -> wire.Sandbox:
        return sandbox_out(sandbox, retention=retention, isolation=isolation)

    async def get_sandbox(request: wire.OwnerRequest) -> wire.Sandbox:
        return out(await pool.get(request.owner_id))

    async def heartbeat(request: wire.OwnerRequest) -> wire.Sandbox:
        return out(await pool.heartbeat(request.owner_id))

    async def stop_sandbox(request: wire.OwnerRequest) -> wire.Sandbox:
        return out(await pool.stop(request.owner_id))

    async def delete_sandbox(request: wire.OwnerRequest) -> wire.Sandbox:
        return out(await pool.delete(request.owner_id))

    async def remove_skill(request: wire.RemoveSkill) -> wire.Sandbox:
        return out(await pool.remove_skill(request.owner_id, request.skill))

    await server.serve(wire.GET_SANDBOX, get_sandbox)
    await server.serve(wire.HEARTBEAT, heartbeat)
    await server.serve(wire.STOP_SANDBOX, stop_sandbox)
    await server.serve(wire.DELETE_SANDBOX, delete_sandbox)
    await server.serve(wire.REMOVE_SKILL, remove_skill)


async def serve_erasing(server: RpcServer, erasing: Erasing) -> None:
    async def erase_owner(request: wire.OwnerRequest) -> Erased:
        counts, is_done = await erasing.begin(request.owner_id)
        return Erased(counts=counts, is_done=is_done)

    await server.serve(wire.ERASE_SANDBOX, erase_owner)


async def serve_looking(server: RpcServer, operating: Operating) -> None:
    async def list_sandboxes(
        request: operator_wire.ListSandboxes,
    ) -> operator_wire.SandboxLines:
        page, after = await operating.list(request)
        return operator_wire.SandboxLines(sandboxes=[line_out(one) for one in page], after=after)

    async def get_balance(_: operator_wire.GetBalance) -> operator_wire.BalanceNow:
        return balance_out(await operating.survey())

    async def list_restrictions(
        _: operator_wire.ListRestrictions,
    ) -> operator_wire.Restrictions:
        standing = await operating.standing()
        return operator_wire.Restrictions(restrictions=[restriction_out(one) for one in standing])

    async def list_audit(request: operator_wire.ListAudit) -> operator_wire.Audit:
        deeds = await operating.audit(request.limit)
        return operator_wire.Audit(
            lines=[operator_wire.AuditLine.model_validate(deed.model_dump()) for deed in deeds]
        )

    async def get_activity(request: operator_wire.GetActivity) -> operator_wire.Activity:
        return await operating.activity(request.owner_id)

    await server.serve(operator_wire.LIST_SANDBOXES, list_sandboxes)
    await server.serve(operator_wire.GET_BALANCE, get_balance)
    await server.serve(operator_wire.LIST_RESTRICTIONS, list_restrictions)
    await server.serve(operator_wire.LIST_AUDIT, list_audit)
    await server.serve(operator_wire.GET_ACTIVITY, get_activity)


async def serve_restricting(server: RpcServer, operating: Operating) -> None:
    async def block_skill(request: operator_wire.BlockSkill) -> operator_wire.Restriction:
        return restriction_out(await operating.block(request))

    async def unblock_skill(request: operator_wire.UnblockSkill) -> Empty:
        await operating.unblock(request)
        return Empty()

    async def drain(request: operator_wire.Drain) -> operator_wire.Restriction:
        return restriction_out(await operating.drain(request))

    async def resume(request: operator_wire.Resume) -> Empty:
        await operating.resume(request)
        return Empty()

    await server.serve(operator_wire.BLOCK_SKILL, block_skill)
    await server.serve(operator_wire.UNBLOCK_SKILL, unblock_skill)
    await server.serve(operator_wire.DRAIN, drain)
    await server.serve(operator_wire.RESUME, resume)


async def serve_agents(server: RpcServer, lending: Lending) -> None:
    async def acquire_agent(request: wire.AcquireAgent) -> wire.AgentEndpoint:
        return agent_out(await lending.acquire(request))

    async def acquire_raw_agent(request: wire.AcquireRawAgent) -> wire.RawAgentEndpoint:
        lease, url, key = await lending.acquire_raw(request.owner_id)
        return wire.RawAgentEndpoint(
            use_lease_id=lease.id,
            expires_at=lease.until,
            url=SecretStr(url),
            headers=_preview_headers(),
            token=SecretStr(key),
        )

    async def renew_use(request: wire.RenewUse) -> wire.UseLease:
        lease = await lending.renew(request.owner_id, request.use_lease_id)
        return wire.UseLease(use_lease_id=lease.id, expires_at=lease.until)

    async def release_use(request: wire.ReleaseUse) -> Empty:
        await lending.release(request.owner_id, request.use_lease_id)
        return Empty()

    async def authorize_relay(request: wire.AuthorizeRelay) -> wire.RelayGrant:
        sandbox = await lending.authorize_relay(request.token_sha256)
        return grant_out(sandbox, in_use=len(sandbox.live_leases(lending.clock())))

    await server.serve(wire.ACQUIRE_AGENT, acquire_agent)
    await server.serve(wire.ACQUIRE_RAW_AGENT, acquire_raw_agent)
    await server.serve(wire.RENEW_USE, renew_use)
    await server.serve(wire.RELEASE_USE, release_use)
    await server.serve(wire.AUTHORIZE_RELAY, authorize_relay)


async def serve_files(server: RpcServer, browsing: Browsing) -> None:
    async def list_files(request: wire.ListFiles) -> wire.FileList:
        entries, is_cut = await browsing.list(request.owner_id, request.session_id, request.path)
        return wire.FileList(entries=[file_out(entry) for entry in entries], is_cut=is_cut)

    async def read_file(request: wire.ReadFile) -> wire.FileContent:
        sent = await browsing.read(request.owner_id, request.session_id, request.path)
        return wire.FileContent(path=request.path, media_type=sent.media_type, body=body_out(sent))

    async def write_file(request: wire.WriteFile) -> wire.FileEntry:
        written = await browsing.write(
            request.owner_id, request.session_id, request.path, request.object_name
        )
        return file_out(written)

    async def archive_files(request: wire.ArchiveFiles) -> wire.StoredBody:
        return body_out(await browsing.archive(request.owner_id, request.session_id))

    await server.serve(wire.LIST_FILES, list_files)
    await server.serve(wire.READ_FILE, read_file)
    await server.serve(wire.WRITE_FILE, write_file)
    await server.serve(wire.ARCHIVE_FILES, archive_files)


def file_out(entry: Listed) -> wire.FileEntry:
    return wire.FileEntry(
        path=entry.path,
        is_directory=entry.is_directory,
        size=entry.size,
        modified_at=entry.modified_at,
    )


def body_out(sent: Sent) -> wire.StoredBody:
    return wire.StoredBody(bucket=wire.TRANSFER_BUCKET, object_name=sent.name, size=sent.size)


def launch_out(launch: Launch) -> wire.Launch:
    return wire.Launch(
        id=launch.id,
        ref=launch.ref,
        path=launch.path,
        state=launch.state,
        phases=list(launch.phases),
        skill=launch.skill,
        error=launch.error,
        created_at=launch.created_at,
        ended_at=launch.ended_at,
    )


def trial_out(launch: Launch) -> wire.Trial:
    return wire.Trial(
        id=trial_id(launch.id),
        launch_id=launch.id,
        skill=launch.skill,
        path=launch.path,
        state=launch.state,
        duration_ms=launch.duration_ms,
        error=launch.error,
        created_at=launch.created_at,
    )


def sandbox_out(sandbox: Sandbox, *, retention: Retention, isolation: str) -> wire.Sandbox:
    return wire.Sandbox(
        state=sandbox.state,
        sandbox_id=sandbox.provider_id,
        image=sandbox.image,
        resources=_resources(sandbox),
        created_at=sandbox.created_at,
        last_heartbeat=sandbox.last_heartbeat,
        skills=[
            wire.InstalledSkill(skill=installed.skill, installed_at=installed.installed_at)
            for installed in sandbox.skills.values()
        ],
        in_use=len(sandbox.leases),
        launch_id=sandbox.lock.holder if sandbox.lock else None,
        retention=wire.Retention(
            stop_minutes=int(retention.stop.total_seconds() // 60),
            archive_minutes=int(retention.archive.total_seconds() // 60),
            delete_minutes=int(retention.delete.total_seconds() // 60),
        ),
        isolation=isolation,
    )


def _resources(sandbox: Sandbox) -> Resources | None:
    if sandbox.resources is None:
        return None
    return Resources.model_validate(sandbox.resources, from_attributes=True)


def line_out(sandbox: Sandbox) -> operator_wire.SandboxLine:
    return operator_wire.SandboxLine(
        owner_id=sandbox.owner_id,
        state=sandbox.state,
        sandbox_id=sandbox.provider_id,
        is_own=sandbox.account != OPERATORS,
        skills=sorted(
            skill_path(one.skill.owner, one.skill.repo, one.skill.path)
            for one in sandbox.skills.values()
        ),
        in_use=len(sandbox.leases),
        created_at=sandbox.created_at,
        last_used_at=sandbox.last_used_at,
    )


def balance_out(survey: Survey) -> operator_wire.BalanceNow:
    balance = survey.balance
    return operator_wire.BalanceNow(
        billed=balance.billed,
        recorded=balance.recorded,
        explained=balance.explained,
        unexplained=balance.unexplained,
        findings=[
            operator_wire.BalanceFinding(
                remedy=finding.remedy,
                owner_id=finding.owner_id,
                sandbox_id=finding.sandbox_id,
                detail=finding.detail,
            )
            for finding in survey.findings[: operator_wire.MOST_FINDINGS]
        ],
    )


def restriction_out(restriction: Restriction) -> operator_wire.Restriction:
    return operator_wire.Restriction.model_validate(restriction.model_dump())


def agent_out(lent: LentAgent) -> wire.AgentEndpoint:
    return wire.AgentEndpoint(
        use_lease_id=lent.lease.id,
        expires_at=lent.lease.until,
        sandbox_id=_sandbox_id(lent.sandbox),
        url=SecretStr(lent.url),
        headers=_preview_headers(),
        token=SecretStr(lent.token),
        secrets={name: SecretStr(value) for name, value in lent.secrets.items()},
        workspace=lent.workspace,
        skill_directory=lent.skill_directory,
        provider=lent.choice.provider if lent.choice else "",
        model=lent.choice.model if lent.choice else "",
        notices=list(lent.notices),
    )


def grant_out(sandbox: Sandbox, *, in_use: int) -> wire.RelayGrant:
    choice = sandbox.choice
    return wire.RelayGrant(
        owner_id=sandbox.owner_id,
        sandbox_id=_sandbox_id(sandbox),
        provider=choice.provider if choice else None,
        model=choice.model if choice else None,
        base_url=choice.base_url if choice else None,
        in_use=in_use,
    )


def _preview_headers() -> dict[str, SecretStr]:
    return {name: SecretStr(value) for name, value in SKIP_WARNING.items()}


def _sandbox_id(sandbox: Sandbox) -> str:
    return sandbox.provider_id or ""
