"""Resolving: a cold repository, a warm one, and the largest skill that was ever seen, 1,359 files
of 20 MB; what its safety report costs in time, and the resolver in memory.

The baselines: the same archive fetched, unpacked and hashed by the standard library; a request
that does nothing; the same bytes decoded and hashed.
"""

import hashlib
import io
import itertools
import re
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local_platform.instance import Instance
from local_platform.visitor import Visitor
from skill_resolver.model.report import scan
from skill_resolver.model.selection import SkillFile

from bench.codeload import Codeload, packed
from bench.figures import Figure, percentile

ROOT = Path(__file__).parents[1]
COLD_RUNS, WARM_RUNS, REPORT_RUNS = 12, 60, 3
SKILLS, FILES_EACH = 60, 6
LARGEST_FILES, LARGEST_BYTES = 1359, 20_000_000
HEAD = "---\nname: {name}\ndescription: A skill that exists to be resolved.\n---\n\n"
_MIB = 1024**2


def archives() -> dict[str, bytes]:
    """A repository of many skills, and one of the largest."""
    return {"tools": packed(_many()), "largest": packed(_largest())}


def measure(instance: Instance, codeload: Codeload) -> list[Figure]:
    visitor = Visitor.named("bench-resolving", instance)
    pid = int(instance.processes["skill-resolver"]["pid"])
    idle = _memory_mib(pid, "VmRSS")
    bare = percentile([_bare_ms(codeload, "tools") for _ in range(COLD_RUNS)], 50)
    edge = percentile([_resolve_ms(visitor, "/healthz") for _ in range(WARM_RUNS)], 50)
    asked = codeload.requests
    cold = [_resolve_ms(visitor, _of(f"bench-{n}/tools/skill-7")) for n in range(COLD_RUNS)]
    each = (codeload.requests - asked) / COLD_RUNS
    asked = codeload.requests
    warm = [_resolve_ms(visitor, _of("bench-0/tools/skill-7")) for _ in range(WARM_RUNS)]
    again = codeload.requests - asked
    largest = _resolve_ms(visitor, _of("bench/largest/largest"))
    bare_largest = _bare_ms(codeload, "largest")
    peak = _memory_mib(pid, "VmHWM")
    return [
        Figure("resolve, cold, requests", each, "", goal="1", ok=each == 1),
        Figure("bare fetch, unpack and hash, p50", bare, "ms"),
        _timed("resolve, cold, p50", percentile(cold, 50), bare, "under 8 x bare", 8 * bare),
        _timed("resolve, cold, p95", percentile(cold, 95), bare),
        Figure("resolve, warm, requests", again, "", goal="0", ok=again == 0),
        _timed("resolve, warm, p50", percentile(warm, 50), edge, "under 8 x edge", 8 * edge),
        _timed("resolve, warm, p95", percentile(warm, 95), edge),
        _timed(
            "resolve, cold, 1,359 files of 20 MB",
            largest,
            bare_largest,
            "under 40 x bare",
            40 * bare_largest,
        ),
        *_reports(),
        Figure("memory of the resolver, idle", idle, "MiB"),
        Figure(
            "memory of the resolver, highest",
            peak,
            "MiB",
            idle,
            peak / idle,
            "under 300 MiB",
            peak < 300,
        ),
    ]


def _reports() -> list[Figure]:
    """CPU time in this process, so that a busy machine does not count."""
    files = [SkillFile(path, 0o644, content) for path, content in _largest().items()]
    thousand = [SkillFile(f.path, f.mode, f.content[:5000]) for f in files[:1000]]
    return [
        _report("1,000 files of 5 MB", thousand, "under 1 s", 1000.0),
        _report("1,359 files of 20 MB", files),
    ]


def _report(
    name: str, files: list[SkillFile], goal: str | None = None, limit: float | None = None
) -> Figure:
    took = min(_cpu_ms(lambda: scan(files, 60)) for _ in range(REPORT_RUNS))
    bare = min(_cpu_ms(lambda: _read(files)) for _ in range(REPORT_RUNS))
    return _timed(f"safety report, {name}", took, bare, goal, limit)


def _timed(
    name: str,
    value: float,
    baseline: float,
    goal: str | None = None,
    limit: float | None = None,
) -> Figure:
    is_ok = value < limit if limit is not None else None
    return Figure(name, value, "ms", baseline, value / baseline, goal, is_ok)


def _of(ref: str) -> str:
    return f"/api/skills/resolve?ref={ref}"


def _resolve_ms(visitor: Visitor, path: str) -> float:
    started = time.perf_counter()
    visitor.get(path)
    return (time.perf_counter() - started) * 1000


def _bare_ms(codeload: Codeload, repo: str) -> float:
    started = time.perf_counter()
    with urllib.request.urlopen(f"{codeload.url}/bare/{repo}/tar.gz/HEAD") as answer:
        content = answer.read()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            if file := archive.extractfile(member):
                hashlib.sha256(file.read()).hexdigest()
    return (time.perf_counter() - started) * 1000


def _cpu_ms(call: Callable[[], object]) -> float:
    started = time.thread_time()
    call()
    return (time.thread_time() - started) * 1000


def _read(files: list[SkillFile]) -> None:
    for file in files:
        file.content.decode("utf-8", "replace")
        hashlib.sha256(file.content).hexdigest()


def _memory_mib(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 / _MIB if match else 0.0


def _many() -> Mapping[str, bytes]:
    text = _prose()
    files: dict[str, bytes] = {"README.md": next(text)[:3000]}
    for number in range(SKILLS):
        name = f"skill-{number}"
        files[f"skills/{name}/SKILL.md"] = HEAD.format(name=name).encode() + next(text)[:8000]
        for part in range(FILES_EACH - 1):
            files[f"skills/{name}/references/{part}.md"] = next(text)[:9000]
    return files


def _largest() -> Mapping[str, bytes]:
    text, each = _prose(), LARGEST_BYTES // LARGEST_FILES
    files = {"SKILL.md": HEAD.format(name="largest").encode() + next(text)[:each]}
    for number in range(LARGEST_FILES - 1):
        files[f"references/{number // 50}/{number}.md"] = next(text)[:each]
    return files


def _prose() -> Iterator[bytes]:
    """What people write, without end: the documents of this project."""
    patterns = ("*.md", "docs/**/*.md", "services/*/README.md", "examples/**/*.md")
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    whole = b"\n\n".join(path.read_bytes() for path in paths)
    for number in itertools.count():
        start = number * 7919 % len(whole)
        yield (whole[start:] + whole[:start])[:20_000]
