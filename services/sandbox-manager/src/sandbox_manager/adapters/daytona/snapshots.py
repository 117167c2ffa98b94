"""Snapshots at Daytona, built from a recipe."""

import json
import logging
from collections.abc import Callable
from importlib.resources import files

from daytona import AsyncDaytona, CreateSnapshotParams, Image
from daytona.common.errors import DaytonaNotFoundError

from sandbox_manager.adapters.daytona.errors import mapped_errors
from sandbox_manager.errors import ProviderRefusedError
from sandbox_manager.model.recipe import Recipe
from sandbox_manager.ports.provider import SnapshotBuilder

logger = logging.getLogger(__name__)

BUILD_S = 1800.0


def managed_files() -> dict[str, bytes]:
    """What becomes `/etc/hermes`: `.env` under its own name."""
    place = files("sandbox_manager.adapters.daytona") / "managed"
    return {
        "config.yaml": (place / "config.yaml").read_bytes(),
        ".env": (place / "env").read_bytes(),
    }


class DaytonaSnapshots(SnapshotBuilder):
    def __init__(self, client: AsyncDaytona) -> None:
        self._client = client

    async def build(self, name: str, recipe: Recipe, tell: Callable[[str], object]) -> None:
        try:
            await self._create(name, image_of(recipe), tell)
        except ProviderRefusedError as exc:
            tell(f"this provider builds no images ({exc.detail}); asking for its own snapshot")
            await self._create(name, recipe.base, tell)

    async def delete(self, name: str) -> None:
        with mapped_errors():
            try:
                await self._client.snapshot.delete(name)
            except DaytonaNotFoundError:
                return

    async def _create(self, name: str, image: Image | str, tell: Callable[[str], object]) -> None:
        def on_line(line: str) -> None:
            tell(line.rstrip())

        params = CreateSnapshotParams(name=name, image=image)
        with mapped_errors():
            await self._client.snapshot.create(params, on_logs=on_line, timeout=BUILD_S)


def image_of(recipe: Recipe) -> Image:
    user = [f"USER {recipe.user}", f"WORKDIR {recipe.work_directory}"]
    return (
        Image.base(recipe.base)
        .run_commands(*recipe.as_root)
        .env(dict(recipe.environment))
        .dockerfile_commands([*user, f"ENTRYPOINT {json.dumps(['sleep', 'infinity'])}"])
    )
