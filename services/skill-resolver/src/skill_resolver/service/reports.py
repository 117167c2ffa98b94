"""The report of each digest: made once by each version of the rules, then remembered.

It is made of the bundle, so it says the same whichever way the files came. A report that did not
come to its end in time is not stored: another machine may have more of it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from skill_resolver.model.bundle import unpack
from skill_resolver.model.report import NOT_SCANNED, RULES_VERSION, Finding, scan
from skill_resolver.model.selection import SkillFile
from skill_resolver.ports import Resolutions
from skill_resolver.service.flights import Flights

_MOST_REMEMBERED = 256


class Reports:
    """`bundle` gives the files of a digest, wherever they lie."""

    def __init__(self, known: Resolutions, bundle: Callable[[str], Awaitable[bytes]]) -> None:
        self._known = known
        self._bundle = bundle
        self._flights = Flights()
        self._remembered: OrderedDict[str, Sequence[Finding]] = OrderedDict()

    async def of(self, digest: str, bundle: bytes | None = None) -> Sequence[Finding]:
        """The findings, not yet weighed by a policy; `bundle` when it is at hand."""
        if (remembered := self._remembered.get(digest)) is not None:
            self._remembered.move_to_end(digest)
            return remembered
        return await self._flights.join(digest, lambda: self._made(digest, bundle))

    async def drain(self) -> None:
        await self._flights.drain()

    async def _made(self, digest: str, bundle: bytes | None) -> Sequence[Finding]:
        found: Sequence[Finding] | None = await self._known.findings(digest, RULES_VERSION)
        if found is None:
            content = bundle if bundle is not None else await self._bundle(digest)
            found = await asyncio.to_thread(_scanned, content)
            if all(finding.rule != NOT_SCANNED for finding in found):
                await self._known.save_findings(digest, RULES_VERSION, found)
        self._remembered[digest] = found
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return found


def _scanned(bundle: bytes) -> list[Finding]:
    return scan([SkillFile(path, mode, content) for path, mode, content in unpack(bundle)])
