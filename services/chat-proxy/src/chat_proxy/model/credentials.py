"""What looks like a credential is taken out of what leaves towards others.

By form only: the providers' documented prefixes, keys and tokens of known shapes, and values that
stand behind a telling name. A secret of no such form passes; nothing here knows the owner's
secrets.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

from chat_proxy.model.journal import FOLDED, Entry

HIDDEN = "[redacted]"

_WORDS = r"(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|credential)s?"
_NAME = rf"\b[A-Za-z0-9_.-]{{0,60}}{_WORDS}"
_VARIABLE = r"\b[A-Z0-9_]{0,60}(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL)S?"
_VALUE = r"[^\s\"'`,;&<>()\[\]{}]"

# The group `hide`, or the whole match where there is none, is what is taken out.
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"\bsk-[A-Za-z0-9_-]{16,}",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[\w-]{16,})",
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bAIza[0-9A-Za-z_-]{30,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\b(?:hf|npm|dtn|rk|sk|pk|tvly|gsk|r8|nvapi)[_-][A-Za-z0-9_-]{20,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        r"(?i)\b(?:bearer|basic)\s+(?P<hide>[A-Za-z0-9+/=_.~-]{12,})",
        r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,200}:(?P<hide>[^\s/@]{1,200})@",
        r"(?i)[?&](?:access_token|token|key|api_key|sig|signature)=(?P<hide>[^&\s\"'<>]{6,})",
        # In quotes any value; without, one of letters and digits, or of an environment variable.
        rf"(?i){_NAME}[\"']?\s*[=:]\s*(?P<quote>[\"'])(?P<hide>[^\s\"']{{6,}})(?P=quote)",
        rf"(?i){_NAME}\s*[=:]\s*(?P<hide>(?=[^\s\d]*\d)(?=[^\sA-Z]*[A-Z]){_VALUE}{{8,}})",
        rf"{_VARIABLE}=(?P<hide>{_VALUE}{{6,}})",
    )
)


def redacted(text: str) -> str:
    return redacted_run([text])[0]


def redacted_run(texts: Sequence[str]) -> list[str]:
    """Pieces that follow each other: a secret is found across their borders, too."""
    whole = "".join(texts)
    spans = _merged(_spans(whole))
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text))
    return ["".join(_without(whole, start, end, spans)) for start, end in pairwise(starts)]


def redacted_value(value: Any) -> Any:
    """The same in everything that a JSON value holds; a telling name hides its whole value."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {
            name: HIDDEN
            if isinstance(inner, str) and inner and _is_telling(str(name))
            else redacted_value(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [redacted_value(inner) for inner in value]
    return value


def redacted_entries(entries: Sequence[Entry]) -> list[Entry]:
    """A turn's entries; text that was cut for storage is looked at as the one text it is."""
    cleaned: list[Entry] = []
    for kind, group in groupby(entries, key=lambda entry: entry.type):
        run = list(group)
        if kind in FOLDED:
            texts = redacted_run([entry.fields["text"] for entry in run])
            cleaned += [
                replace(entry, fields={"text": text})
                for entry, text in zip(run, texts, strict=True)
            ]
        else:
            cleaned += [replace(entry, fields=redacted_value(entry.fields)) for entry in run]
    return cleaned


def _is_telling(name: str) -> bool:
    return re.fullmatch(rf"(?i){_NAME}", name) is not None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for form in _FORMS:
        group: int | str = "hide" if "hide" in form.groupindex else 0
        for match in form.finditer(text):
            yield match.span(group)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(whole: str, start: int, end: int, spans: list[tuple[int, int]]) -> Iterator[str]:
    """A piece without the spans; what stands for a span is where the span begins."""
    at = start
    for first, last in spans:
        if last <= start or first >= end:
            continue
        yield whole[at : max(first, at)]
        if first >= start:
            yield HIDDEN
        at = min(last, end)
    yield whole[at:end]
