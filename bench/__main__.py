"""Boot platforms of its own and measure them: `python -m bench`, or only some parts of it:
`python -m bench streams 100`.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from local_platform.instance import Instance, running
from local_platform.visitor import Visitor

from bench import cost, crowd, launches, locks, pages, resolving
from bench.bare import boot_ms
from bench.chatpath import overhead, streams
from bench.chatpath.ground import ground
from bench.codeload import serving
from bench.figures import Figure, keep, machine, percentile, table
from bench.launches import RUNS, write_skills

BARE_RUNS = 10
WARM_RUNS = 3
EXAMPLES = Path(__file__).parents[1] / "examples/skills"
PARTS = ("platform", "cost", "turns", "streams", "pages")


def main(words: Sequence[str]) -> int:
    """Of `words`, those that name parts choose them; the rest choose loads of the streams."""
    about = machine()
    parts = [part for part in PARTS if part in words] or PARTS
    loads = [word for word in words if word not in PARTS]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        if "platform" in parts:
            figures += _platform(Path(folder))
        if "cost" in parts:
            figures += _cost(Path(folder) / "cost")
        if {"turns", "streams"} & set(parts):
            figures += _chat(Path(folder) / "chat", parts, loads)
        if "pages" in parts:
            with running(Path(folder) / "pages") as instance:
                figures += pages.measure(instance)
    print(table(figures))
    print(f"\nwritten to {keep(about, figures).relative_to(Path.cwd())}")
    return 0 if all(figure.ok is not False for figure in figures) else 1


def _chat(folder: Path, parts: Sequence[str], loads: Sequence[str]) -> list[Figure]:
    with ground(folder) as found:
        return [
            *(overhead.measure(found) if "turns" in parts else ()),
            *(streams.measure(found, loads) if "streams" in parts else ()),
        ]


def _platform(folder: Path) -> list[Figure]:
    root = folder / "bench-skills"
    refs = write_skills(root, RUNS + 1)
    with serving(resolving.archives()) as codeload:
        settings = {
            "SKILL_RESOLVER_LOCAL_ROOTS": f"{EXAMPLES},{root}",
            "SKILL_RESOLVER_GITHUB_CODELOAD_URL": codeload.url,
        }
        with running(folder / "data", **settings) as instance:
            return [
                *_start(instance),
                *resolving.measure(instance, codeload),
                *_launches(instance, refs),
                *locks.measure(),
            ]


def _cost(folder: Path) -> list[Figure]:
    """On a platform of its own: what others left behind would be counted."""
    root = folder / "bench-skills"
    refs = write_skills(root, 2)
    roots = f"{EXAMPLES},{root}"
    settings = {
        "SKILL_RESOLVER_LOCAL_ROOTS": roots,
        "GATEWAY_OWNER_STREAMS": "1000",
        "GATEWAY_OWNER_REQUESTS_AT_ONCE": "1000",
    }
    with running(folder / "data", **settings) as instance:
        return cost.measure(instance, refs)


def _start(instance: Instance) -> list[Figure]:
    """Warm: the environment and the sandbox root are there."""
    seconds = []
    for _ in range(WARM_RUNS):
        instance.down()
        started = time.perf_counter()
        instance.up()
        seconds.append(time.perf_counter() - started)
    return [Figure("make up, warm, to ready, p50", percentile(seconds, 50), "s")]


def _launches(instance: Instance, refs: list[str]) -> list[Figure]:
    [hermes] = instance.directory.glob("daytona/roots/hermes-*/hermes/bin/hermes")
    boots = boot_ms(hermes, BARE_RUNS)
    bare = percentile(boots, 50)
    visitors = [Visitor.named(f"bench-{number}", instance) for number in range(RUNS)]
    return [
        Figure("bare hermes gateway run to /health, p50", bare, "ms"),
        Figure("bare hermes gateway run to /health, p95", percentile(boots, 95), "ms"),
        *launches.measure(visitors, refs, bare),
        *crowd.measure(instance, refs[0], bare),
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
