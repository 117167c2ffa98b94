"""Snapshots and volumes through the SDK."""

import uuid

import pytest
from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    Image,
    Resources,
    VolumeMount,
)
from daytona.common.errors import (
    DaytonaConflictError,
    DaytonaError,
    DaytonaForbiddenError,
    DaytonaNotFoundError,
)

pytestmark = pytest.mark.anyio


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class TestSnapshots:
    async def test_the_default_is_listed_and_stays(self, daytona: AsyncDaytona) -> None:
        default = await daytona.snapshot.get("tryskills-hermes-0.19.0")
        page = await daytona.snapshot.list(page=1, limit=1)

        assert (page.page, len(page.items)) == (1, 1)
        assert page.total >= 1
        with pytest.raises(DaytonaForbiddenError):
            await daytona.snapshot.delete(default)

    async def test_a_name_with_slash_and_colon_works_everywhere(
        self, daytona: AsyncDaytona
    ) -> None:
        name = f"team/{unique('image')}:1.0"
        logs: list[str] = []

        made = await daytona.snapshot.create(
            CreateSnapshotParams(name=name, image="python:3.12", resources=Resources(cpu=1)),
            on_logs=logs.append,
        )
        found = await daytona.snapshot.get(name)
        sandbox = await daytona.create(CreateSandboxFromSnapshotParams(snapshot=name))

        assert (found.id, found.state, found.cpu) == (made.id, "active", 1)
        assert (sandbox.snapshot, sandbox.cpu) == (name, 1)
        await daytona.delete(sandbox)
        await daytona.snapshot.delete(name)
        with pytest.raises(DaytonaNotFoundError):
            await daytona.snapshot.get(name)

    async def test_a_plain_declarative_image_tells_what_it_became(
        self, daytona: AsyncDaytona
    ) -> None:
        logs: list[str] = []

        made = await daytona.snapshot.create(
            CreateSnapshotParams(name=unique("plain"), image=Image.base("debian:12")),
            on_logs=logs.append,
        )

        assert "prepared root" in "".join(logs)
        await daytona.snapshot.delete(made)

    async def test_build_steps_are_refused_in_words(self, daytona: AsyncDaytona) -> None:
        image = Image.base("debian:12").run_commands("apt-get install -y cowsay")

        with pytest.raises(DaytonaError, match="build steps"):
            await daytona.snapshot.create(CreateSnapshotParams(name=unique("built"), image=image))

    async def test_a_taken_name_is_a_conflict(self, daytona: AsyncDaytona) -> None:
        params = CreateSnapshotParams(name="tryskills-hermes-0.19.0", image="debian:12")

        with pytest.raises(DaytonaConflictError):
            await daytona.snapshot.create(params)

    async def test_activating_an_active_one_changes_nothing(self, daytona: AsyncDaytona) -> None:
        made = await daytona.snapshot.create(
            CreateSnapshotParams(name=unique("active"), image="debian:12")
        )

        assert (await daytona.snapshot.activate(made)).state == "active"
        await daytona.snapshot.delete(made)


class TestVolumes:
    async def test_made_found_listed_and_deleted(self, daytona: AsyncDaytona) -> None:
        name = unique("volume")
        made = await daytona.volume.create(name)

        assert made.state == "ready"
        assert (await daytona.volume.get(name)).id == made.id
        assert name in [volume.name for volume in await daytona.volume.list()]
        with pytest.raises(DaytonaConflictError):
            await daytona.volume.create(name)
        await daytona.volume.delete(made)
        with pytest.raises(DaytonaNotFoundError):
            await daytona.volume.get(name)

    async def test_get_makes_it_when_asked_to(self, daytona: AsyncDaytona) -> None:
        name = unique("volume")

        made = await daytona.volume.get(name, create=True)

        assert made.name == name
        await daytona.volume.delete(made)

    async def test_two_sandboxes_share_it_and_it_outlives_them(
        self, daytona: AsyncDaytona
    ) -> None:
        volume = await daytona.volume.create(unique("volume"))
        mount = VolumeMount(volume_id=volume.id, mount_path="/home/daytona/shared")
        part = VolumeMount(volume_id=volume.id, mount_path="/data", subpath="part/deep")
        first = await daytona.create(CreateSandboxFromSnapshotParams(volumes=[mount]))
        second = await daytona.create(CreateSandboxFromSnapshotParams(volumes=[mount, part]))

        await first.fs.upload_file(b"from first", "shared/note.txt")
        wrote = await second.process.exec(
            "cat shared/note.txt; echo more >> shared/note.txt; echo deep > /data/file"
        )
        with pytest.raises(DaytonaConflictError):
            await daytona.volume.delete(volume)
        await daytona.delete(second)

        assert (wrote.exit_code, wrote.result) == (0, "from first")
        assert await first.fs.download_file("shared/note.txt") == b"from firstmore\n"
        assert await first.fs.download_file("shared/part/deep/file") == b"deep\n"
        await daytona.delete(first)
        await daytona.volume.delete(volume)

    @pytest.mark.parametrize("path", ["/etc", "/usr/lib", "relative", "/a/../etc", "/"])
    async def test_a_mount_that_hides_the_system_is_refused(
        self, daytona: AsyncDaytona, path: str
    ) -> None:
        volume = await daytona.volume.create(unique("volume"))
        mount = VolumeMount(volume_id=volume.id, mount_path=path)

        with pytest.raises(DaytonaError):
            await daytona.create(CreateSandboxFromSnapshotParams(volumes=[mount]))
        await daytona.volume.delete(volume)

    async def test_an_unmounted_volume_is_not_there(
        self, daytona: AsyncDaytona, sandbox: AsyncSandbox
    ) -> None:
        volume = await daytona.volume.create(unique("volume"))

        found = await sandbox.process.exec(f"find / -name '{volume.id}' 2>/dev/null")

        assert found.result == ""
        await daytona.volume.delete(volume)
