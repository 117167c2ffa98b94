"""A measured figure, its baseline and its goal, and how they are printed and kept."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """`ratio` is `value / baseline`; `goal` says in words what `ok` judges, None without one."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    goal: str | None = None
    ok: bool | None = None


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile; 50 is the median."""
    if percent == 50:
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * percent // 100) - 1))]


def machine() -> dict[str, object]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def table(figures: Sequence[Figure]) -> str:
    rows = [("figure", "value", "baseline", "ratio", "goal", "ok")]
    for figure in figures:
        rows.append(
            (
                figure.name,
                f"{figure.value:.1f} {figure.unit}",
                "" if figure.baseline is None else f"{figure.baseline:.1f}",
                "" if figure.ratio is None else f"{figure.ratio:.3f}",
                figure.goal or "",
                {True: "yes", False: "NO", None: ""}[figure.ok],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def keep(about: dict[str, object], figures: Sequence[Figure]) -> Path:
    path = RESULTS / "latest.json"
    path.parent.mkdir(exist_ok=True)
    document = {"machine": about, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
