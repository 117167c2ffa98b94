"""`python -m local_platform.front`"""

import asyncio

from local_platform.front.door import Door
from local_platform.front.settings import Settings


async def run(settings: Settings) -> None:
    async with asyncio.TaskGroup() as doors:
        for port, targets in settings.targets.items():
            server = await Door(settings.host, targets).serve(port)
            doors.create_task(server.serve_forever())


if __name__ == "__main__":
    asyncio.run(run(Settings()))
