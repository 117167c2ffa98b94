"""From a skill's files to findings, in one pass per file."""

import base64
import binascii
import re
import time
from collections.abc import Iterator, Sequence

from common.contracts.skills import Severity

from skill_resolver.model.report import hidden, together
from skill_resolver.model.report.binary import of_binary
from skill_resolver.model.report.finding import ORDER, SOFTER, Finding
from skill_resolver.model.report.hosts import hosts as hosts_of
from skill_resolver.model.report.hosts import is_address, is_known, is_local, is_private
from skill_resolver.model.report.needles import Needles
from skill_resolver.model.report.patterns import DEFENSIVE, FETCHES, QUOTED
from skill_resolver.model.report.rules import RULES, Rule
from skill_resolver.model.report.text import Text, excerpt
from skill_resolver.model.selection import SkillFile

MAX_FINDINGS = 200
NOT_SCANNED = "not-scanned"
_MAX_PER_RULE = 5
_MAX_HOSTS = 20
_MAX_TRIES = 200
_BUDGET_S = 6.0
_MAIN = "SKILL.md"
_BIG_MAIN = 128 * 1024
_BIG_FILE = 5 * 1024 * 1024
_BIG_SKILL = 16 * 1024 * 1024
_MANY_FILES = 500
_AROUND_LINES = 3
_SHORTEST = 40
_BASE64 = re.compile(r"\b[A-Za-z0-9+/]{40,4000}={0,2}(?![A-Za-z0-9+/=])")
_COMMANDS = re.compile(
    r"\b(?:curl|wget|bash|/bin/sh|powershell|nc)\b.*(?:https?:|/dev/|\d+\.\d+\.)", re.S
)
_ADDRESSES = ("http://", "https://")
_NEEDLES = Needles(
    [*_ADDRESSES, *together.NEEDLES, *(needle for rule in RULES for needle in rule.needles)]
)
_BY_NEEDLE: dict[str, list[int]] = {}
for _number, _rule in enumerate(RULES):
    for _needle in _rule.needles:
        _BY_NEEDLE.setdefault(_needle, []).append(_number)
_SAID_TO_THE_AGENT = {"prompt-injection", "secrecy"}


def scan(files: Sequence[SkillFile], budget_s: float = _BUDGET_S) -> list[Finding]:
    """All findings, gravest first; never raises. What takes too long to look at is said so."""
    found: list[Finding] = list(_of_all(files))
    hosts: dict[str, Finding] = {}
    until = time.thread_time() + budget_s
    for file in files:
        found += _of_one(file)
        if time.thread_time() > until:
            found.append(
                Finding(NOT_SCANNED, Severity.DANGER, file.path, 0, "too much to look at")
            )
            break
        text = Text.of(file.path, file.content, _NEEDLES)
        found += of_binary(file) if text is None else _of_text(text, hosts)
    found += [host for host in hosts.values() if host.severity is not Severity.INFO]
    found += [host for host in hosts.values() if host.severity is Severity.INFO][:_MAX_HOSTS]
    unique = {(f.rule, f.file, f.line): f for f in sorted(found, key=_gravity, reverse=True)}
    return sorted(unique.values(), key=_gravity)[:MAX_FINDINGS]


def _gravity(finding: Finding) -> tuple[int, str, int, str]:
    return ORDER.index(finding.severity), finding.file, finding.line, finding.rule


def _of_all(files: Sequence[SkillFile]) -> Iterator[Finding]:
    if len(files) > _MANY_FILES:
        yield Finding("many-files", Severity.INFO, "", 0, f"{len(files)} files")
    total = sum(len(file.content) for file in files)
    if total > _BIG_SKILL:
        yield Finding("oversize", Severity.INFO, "", 0, f"{_mib(total)} in all files")


def _of_one(file: SkillFile) -> Iterator[Finding]:
    for kind, severity in hidden.in_name(file.path):
        yield Finding(kind, severity, file.path, 0, excerpt(file.path))
    if len(file.content) > (_BIG_MAIN if file.path == _MAIN else _BIG_FILE):
        yield Finding("oversize", Severity.INFO, file.path, 0, _mib(len(file.content)))


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


def _of_text(text: Text, hosts: dict[str, Finding]) -> list[Finding]:
    found = [
        Finding(kind, severity, text.path, text.line_of(at), shown)
        for kind, severity, at, shown in hidden.in_text(text.body)
    ]
    for rule in _rules_for(text):
        found += _of_rule(rule, text)
    found += _encoded(text)
    found += together.correlated(text, found)
    _note_hosts(text, hosts)
    return found


def _rules_for(text: Text) -> list[Rule]:
    numbers = {number for word in text.words for number in _BY_NEEDLE.get(word, ())}
    return [RULES[number] for number in sorted(numbers)]


def _of_rule(rule: Rule, text: Text) -> list[Finding]:
    found: list[Finding] = []
    for at, line in text.lines_with(rule.needles, _MAX_TRIES):
        match = rule.pattern.search(line)
        if match:
            severity = _weight(rule, text, at, line, match)
            found.append(Finding(rule.id, severity, text.path, text.line_of(at), excerpt(line)))
        if len(found) >= _MAX_PER_RULE:
            break
    return found


def _weight(rule: Rule, text: Text, at: int, line: str, match: re.Match[str]) -> Severity:
    """Prose weighs less than code, a warning less than a wish; what is critical still asks to be
    confirmed.
    """
    severity = _of_source(rule, line)
    if rule.in_prose is not None and text.is_prose_at(at, line):
        severity = rule.in_prose
    if text.is_document and _is_warned_of(rule, text, at, line, match):
        severity = SOFTER.get(severity, severity)
    return severity


def _is_warned_of(rule: Rule, text: Text, at: int, line: str, match: re.Match[str]) -> bool:
    """The sentence, without the match, warns: `never tell the user` is itself no warning. What is
    quoted may be warned of some lines away.
    """
    before = re.split(r"[.!?;]\s", line[: match.start()])[-1]
    after = re.split(r"[.!?;](?:\s|$)", line[match.end() :])[0]
    if DEFENSIVE.search(f"{before} {after}"):
        return True
    is_quoted = rule.id in _SAID_TO_THE_AGENT and QUOTED.search(line[: match.start()])
    return bool(is_quoted and DEFENSIVE.search(text.around(at, _AROUND_LINES)))


def _of_source(rule: Rule, line: str) -> Severity:
    """Where the piped script comes from decides: here, an everyday installer, a bare address."""
    if rule.id != "remote-shell" or not hosts_of(line):
        return rule.severity
    if is_local(line):
        return Severity.INFO
    if any(map(is_address, hosts_of(line))):
        return Severity.CRITICAL
    return Severity.WARNING if is_known(line) else rule.severity


def _encoded(text: Text) -> Iterator[Finding]:
    """Base64 that hides a command."""
    if text.is_data:
        return
    long_words = [word for word in text.body.split() if len(word) >= _SHORTEST]
    for word in long_words[:_MAX_TRIES]:
        for match in _BASE64.finditer(word):
            said = _decoded(match[0])
            if said is not None and _COMMANDS.search(said):
                line = text.line_of(text.body.find(word))
                yield Finding("encoded-command", Severity.CRITICAL, text.path, line, excerpt(said))


def _decoded(word: str) -> str | None:
    try:
        raw = base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
        return raw.decode("ascii")
    except (binascii.Error, ValueError):
        return None


def _note_hosts(text: Text, hosts: dict[str, Finding]) -> None:
    """Name each host that is fetched from, once; a bare address is worth a warning."""
    for at, line in text.lines_with(_ADDRESSES, _MAX_TRIES):
        match = FETCHES.search(line)
        host = match[2].lower() if match else ""
        is_example = "example." in host or host.endswith((".example", ".local"))
        if not host or host in hosts or is_private(host) or is_example:
            continue
        severity = Severity.WARNING if is_address(host) else Severity.INFO
        shown = excerpt(f"{host}: {line.strip()}")
        hosts[host] = Finding("remote-fetch", severity, text.path, text.line_of(at), shown)
