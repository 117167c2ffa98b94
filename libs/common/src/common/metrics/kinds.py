"""The kinds of metrics, over OpenTelemetry's: until `telemetry.configure` was called they record
nothing.
"""

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

SCOPE = "tryskills"
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper ends of buckets, in seconds."""

_METER = metrics.get_meter(SCOPE)
_ENDINGS = {"s": "_seconds", "By": "_bytes"}


class Metric:
    """`unit` is UCUM's: `s`, `By`, or in braces what is counted. `labels` take their values from
    enums, contracts and routes, never from what somebody typed.
    """

    kind = ""

    def __init__(self, name: str, unit: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.unit = unit
        self.meaning = meaning
        self.labels = labels

    @property
    def exported(self) -> str:
        """Its name at `/metrics` and in PromQL."""
        return self.name + _ENDINGS.get(self.unit, "")

    @property
    def series(self) -> tuple[str, ...]:
        """Every name that PromQL can ask for."""
        return (self.exported,)


class Counter(Metric):
    """Only rises."""

    kind = "counter"

    def __init__(self, name: str, unit: str, meaning: str, *labels: str) -> None:
        super().__init__(name, unit, meaning, *labels)
        self._made = _METER.create_counter(name, unit, meaning)

    @property
    def exported(self) -> str:
        return f"{super().exported}_total"

    def add(self, amount: float = 1, **labels: str) -> None:
        self._made.add(amount, labels)


class Level(Metric):
    """How many are inside now: a context manager for each."""

    kind = "gauge"

    def __init__(self, name: str, unit: str, meaning: str) -> None:
        super().__init__(name, unit, meaning)
        self._made = _METER.create_up_down_counter(name, unit, meaning)

    def __enter__(self) -> None:
        self._made.add(1)

    def __exit__(self, *_: object) -> None:
        self._made.add(-1)


class Gauge(Metric):
    """What is there now: read when somebody looks (`watch`), or as it was last said (`say`)."""

    kind = "gauge"

    def __init__(self, name: str, unit: str, meaning: str, *labels: str) -> None:
        super().__init__(name, unit, meaning, *labels)
        self._read: Callable[[], float | None] = lambda: None
        self._said: dict[tuple[tuple[str, str], ...], float] = {}
        _METER.create_observable_gauge(name, [self._observe], unit, meaning)

    def watch(self, read: Callable[[], float | None]) -> None:
        """Read it so from now on; None is nothing to tell."""
        self._read = read

    def say(self, value: float, **labels: str) -> None:
        self._said[tuple(labels.items())] = value

    def unsay(self) -> None:
        """What was said holds no longer: another process says it now."""
        self._said.clear()

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        value = self._read()
        if value is not None:
            yield Observation(value)
        for labels, said in list(self._said.items()):
            yield Observation(said, dict(labels))


class Histogram(Metric):
    """How durations spread over buckets."""

    kind = "histogram"

    def __init__(
        self, name: str, meaning: str, *labels: str, bounds: tuple[float, ...] = QUICK
    ) -> None:
        super().__init__(name, "s", meaning, *labels)
        self._made = _METER.create_histogram(
            name, "s", meaning, explicit_bucket_boundaries_advisory=bounds
        )

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(f"{self.exported}_{part}" for part in ("bucket", "sum", "count"))

    def record(self, seconds: float, **labels: str) -> None:
        self._made.record(seconds, labels)
