"""Launches against the real local Daytona host, with the real Hermes inside."""

import asyncio
import io
import json
import zipfile
from typing import Any
from urllib.parse import urlsplit

import pytest
from common.contracts import sandbox as wire
from common.errors import AppError, ErrorCode, NotFoundError
from common.ids import new_id
from common.preview import open_agent_http
from sandbox_manager.adapters.daytona.toolbox import Toolbox

Platform = Any
PDF, DOCX = "acme/tools/pdf", "acme/tools/docx"
SKILL = {"SKILL.md": "---\nname: pdf\ndescription: d\n---\n\nHello.\n", "a/b.txt": "x"}


@pytest.fixture(autouse=True)
def skills(platform: Platform) -> None:
    platform.neighbours.add(PDF, SKILL)
    platform.neighbours.add(DOCX, {"SKILL.md": "---\nname: docx\ndescription: d\n---\n"})


async def acquire(platform: Platform, owner: str, launch: wire.Launch, **more: Any) -> Any:
    request = wire.AcquireAgent(
        owner_id=owner,
        session_id="ses_" + "a" * 20,
        turn_id=new_id("tur"),
        skill_directory=launch.skill.directory,
        digest=launch.skill.digest,
        **more,
    )
    return await platform.rpc.call(wire.ACQUIRE_AGENT, request)


async def greeting(endpoint: wire.AgentEndpoint) -> dict[str, Any]:
    """The first message of the agent's own socket."""
    address = endpoint.url.get_secret_value().replace("http", "ws", 1)
    token = endpoint.token.get_secret_value()
    headers = {name: value.get_secret_value() for name, value in endpoint.headers.items()}
    async with (
        open_agent_http() as http,
        http.ws_connect(f"{address}/api/ws?token={token}", headers=headers) as socket,
    ):
        message: dict[str, Any] = json.loads((await socket.receive()).data)
        return message


class TestPaths:
    async def test_create_then_instant_then_install(self, platform: Platform) -> None:
        owner = platform.owner()

        first = await platform.launch(owner, PDF)
        second = await platform.launch(owner, PDF)
        third = await platform.launch(owner, DOCX)

        assert [first.path, second.path, third.path] == ["create", "instant", "install"]
        assert len(await platform.machines(owner)) == 1

    async def test_the_agent_answers_and_the_files_are_there(self, platform: Platform) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, PDF)

        endpoint = await acquire(platform, owner, launch, verify=True)

        assert (await greeting(endpoint))["params"]["type"] == "gateway.ready"
        toolbox = Toolbox(platform.provider)
        status, output = await toolbox.run(
            endpoint.sandbox_id,
            f"cat {endpoint.skill_directory}/a/b.txt; ls {endpoint.workspace};"
            " cat ~/.tryskills/manifest.json",
        )
        assert status == 0
        assert output.startswith("x")
        assert launch.skill.digest in output

    async def test_a_receipt_names_what_really_ran(self, platform: Platform) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, PDF)

        request = wire.GetLaunch(owner_id=owner, launch_id=launch.id)
        receipt = await platform.rpc.call(wire.GET_RECEIPT, request)

        assert receipt.agent == "hermes-agent==0.19.0"
        assert receipt.image == "tryskills-hermes-0.19.0"
        assert receipt.skill.digest == launch.skill.digest

    async def test_parallel_launches_make_one_sandbox(self, platform: Platform) -> None:
        owner = platform.owner()

        begun = await asyncio.gather(
            *(platform.start(owner, ref) for ref in [PDF] * 15 + [DOCX] * 15)
        )
        ended = [await platform.ended(launch, owner) for launch in begun]

        assert {launch.state for launch in ended} == {"ready"}
        assert len({launch.id for launch in begun}) == 2
        assert len(await platform.machines(owner)) == 1

    async def test_two_owners_never_see_each_others(self, platform: Platform) -> None:
        one, other = platform.owner(), platform.owner()
        launch = await platform.launch(one, PDF)

        with pytest.raises(NotFoundError):
            await platform.rpc.call(
                wire.GET_LAUNCH, wire.GetLaunch(owner_id=other, launch_id=launch.id)
            )
        sandbox = await platform.rpc.call(wire.GET_SANDBOX, wire.OwnerRequest(owner_id=other))
        assert (sandbox.state, await platform.machines(other)) == ("absent", [])


class TestFaults:
    async def test_an_agent_killed_in_its_sandbox_is_started_again(
        self, platform: Platform
    ) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, PDF)
        machine = (await platform.machines(owner))[0]
        await Toolbox(platform.provider).run(machine, "kill -9 $(cat ~/.tryskills/agent.pid)")

        endpoint = await acquire(platform, owner, launch)

        assert (await greeting(endpoint))["params"]["type"] == "gateway.ready"

    async def test_a_file_changed_on_disk_is_found_before_the_first_turn(
        self, platform: Platform
    ) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, PDF)
        machine = (await platform.machines(owner))[0]
        await Toolbox(platform.provider).run(
            machine, f"echo evil >> ~/skills/{launch.skill.directory}/SKILL.md"
        )

        with pytest.raises(AppError) as error:
            await acquire(platform, owner, launch, verify=True)

        assert error.value.code is ErrorCode.INSTALL_FAILED
        again = await platform.launch(owner, PDF)
        assert again.path == "install"
        assert (await acquire(platform, owner, again, verify=True)).use_lease_id

    async def test_stopped_behind_our_back_it_is_woken(self, platform: Platform) -> None:
        owner = platform.owner()
        await platform.launch(owner, PDF)
        machine = (await platform.machines(owner))[0]
        await platform.provider.stop(machine)

        launch = await platform.launch(owner, PDF)

        assert launch.path == "install"
        assert await platform.machines(owner) == [machine]

    async def test_deleted_behind_our_back_it_is_made_again(self, platform: Platform) -> None:
        owner = platform.owner()
        await platform.launch(owner, PDF)
        machine = (await platform.machines(owner))[0]
        await platform.provider.delete(machine)

        launch = await platform.launch(owner, PDF)

        assert launch.path == "create"
        assert machine not in await platform.machines(owner)


class TestVariables:
    async def test_any_value_reaches_the_agents_process(self, platform: Platform) -> None:
        owner, value = platform.owner(), 'it\'s\na "$HOME" `x` \\ ä'
        platform.neighbours.add("acme/tools/keyed", SKILL, "GITHUB_TOKEN")
        platform.neighbours.secrets["GITHUB_TOKEN", "acme/tools/keyed"] = value
        await platform.launch(owner, "acme/tools/keyed")
        machine = (await platform.machines(owner))[0]

        _, output = await Toolbox(platform.provider).run(
            machine, "tr '\\0' '\\1' < /proc/$(cat ~/.tryskills/agent.pid)/environ"
        )

        environment = dict(pair.split("=", 1) for pair in output.split("\1") if "=" in pair)
        assert environment["GITHUB_TOKEN"] == value
        assert environment["_HERMES_FORCE_GITHUB_TOKEN"] == value


class TestFiles:
    async def test_a_file_goes_in_and_comes_out(self, platform: Platform) -> None:
        owner, content = platform.owner(), bytes(range(256)) * 4000
        launch = await platform.launch(owner, PDF)
        await acquire(platform, owner, launch)
        whose = {"owner_id": owner, "session_id": "ses_" + "a" * 20}
        await platform.transfer.put("obj_test", content)

        await platform.rpc.call(
            wire.WRITE_FILE, wire.WriteFile(**whose, path="d/x.bin", object_name="obj_test")
        )
        listed = await platform.rpc.call(wire.LIST_FILES, wire.ListFiles(**whose))
        read = await platform.rpc.call(wire.READ_FILE, wire.ReadFile(**whose, path="d/x.bin"))
        zipped = await platform.rpc.call(wire.ARCHIVE_FILES, wire.ArchiveFiles(**whose))

        assert [entry.path for entry in listed.entries] == ["d", "d/x.bin"]
        assert await platform.transfer.get(read.body.object_name) == content
        assert read.media_type == "application/octet-stream"
        archive = await platform.transfer.get(zipped.object_name)
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            assert opened.read("d/x.bin") == content

    async def test_what_leads_out_is_refused(self, platform: Platform) -> None:
        owner = platform.owner()
        endpoint = await acquire(platform, owner, await platform.launch(owner, PDF))
        await Toolbox(platform.provider).run(
            endpoint.sandbox_id, f"ln -s / {endpoint.workspace}/root"
        )
        request = wire.ReadFile(
            owner_id=owner, session_id="ses_" + "a" * 20, path="root/etc/passwd"
        )

        with pytest.raises(AppError) as error:
            await platform.rpc.call(wire.READ_FILE, request)

        assert error.value.code is ErrorCode.PATH_REFUSED


class TestRawAgent:
    async def test_the_api_server_starts_on_demand(self, platform: Platform) -> None:
        owner = platform.owner()
        await platform.launch(owner, PDF)

        raw = await platform.rpc.call(wire.ACQUIRE_RAW_AGENT, wire.AcquireRawAgent(owner_id=owner))

        headers = {"Authorization": f"Bearer {raw.token.get_secret_value()}"}
        async with (
            open_agent_http() as http,
            http.get(f"{raw.url.get_secret_value()}/v1/models", headers=headers) as response,
        ):
            assert (response.status, (await response.json())["object"]) == (200, "list")


class TestSecrets:
    async def test_a_dump_of_the_store_opens_nothing(self, platform: Platform) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, PDF)
        endpoint = await acquire(platform, owner, launch)
        machine = (await platform.machines(owner))[0]
        _, config = await Toolbox(platform.provider).run(machine, "cat ~/.hermes/config.yaml")
        relay_token = config.split("api_key: ")[1].split()[0]

        documents = []
        for name in await platform.database.list_collection_names():
            documents += [str(d) async for d in platform.database[name].find()]
        dump = "\n".join(documents)

        assert owner in dump
        assert relay_token not in dump
        assert endpoint.token.get_secret_value() not in dump
        host = urlsplit(endpoint.url.get_secret_value()).hostname or ""
        assert host.split(".")[0] not in dump
