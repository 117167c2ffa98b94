"""From a skill's files to findings, in one pass per file."""

import base64
import binascii
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from common.contracts.skills import Severity

from skill_resolver.model.report import hidden
from skill_resolver.model.report.patterns import DEFENSIVE, FETCHES, KNOWN_INSTALLERS, SENDS
from skill_resolver.model.report.rules import RULES, RULES_VERSION, Rule
from skill_resolver.model.report.text import Text, excerpt
from skill_resolver.model.selection import SkillFile

MAX_FINDINGS = 200
_MAX_PER_RULE = 5
_MAX_HOSTS = 20
_MAX_TRIES = 200
_BUDGET_S = 4.0
_NEAR_LINES = 12
_BIG_FILE = 5 * 1024 * 1024
_MANY_FILES = 500
_SOFTER = {Severity.CRITICAL: Severity.DANGER, Severity.DANGER: Severity.WARNING}
_ORDER = [Severity.CRITICAL, Severity.DANGER, Severity.WARNING, Severity.INFO]
_SECRET_READS = {
    "private-key-read": Severity.CRITICAL,
    "environment-dump": Severity.CRITICAL,
    "credential-store": Severity.DANGER,
}
_HOSTS = re.compile(r"(https?)://([A-Za-z0-9.-]+)", re.IGNORECASE)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PRIVATE_ADDRESS = re.compile(r"(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01])|169\.254|0)\.")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40,4000}={0,2}(?![A-Za-z0-9+/=])")
_COMMANDS = re.compile(
    r"\b(?:curl|wget|bash|/bin/sh|powershell|nc)\b.*(?:https?:|/dev/|\d+\.\d+\.)", re.S
)
_MAGICS = (
    (b"\x7fELF", "binary-program", Severity.DANGER),
    (b"MZ", "binary-program", Severity.DANGER),
    (b"\xcf\xfa\xed\xfe", "binary-program", Severity.DANGER),
    (b"\xca\xfe\xba\xbe", "binary-program", Severity.DANGER),
    (b"\x00asm", "bytecode", Severity.WARNING),
)
_BYTECODE = (".pyc", ".pyo", ".jar", ".class", ".dex", ".node")
_ARCHIVES = (
    ".zip",
    ".tar",
    ".tgz",
    ".gz",
    ".7z",
    ".rar",
    ".xz",
    ".bz2",
    ".whl",
    ".iso",
    ".dmg",
    ".pkg",
)


@dataclass(frozen=True)
class Finding:
    """One place worth a look; `line` counts from 1, 0 stands for the whole file."""

    rule: str
    severity: Severity
    file: str
    line: int
    excerpt: str


def scan(files: Sequence[SkillFile], budget_s: float = _BUDGET_S) -> list[Finding]:
    """All findings, gravest first; never raises. What takes too long to look at is said so."""
    found: list[Finding] = []
    hosts: dict[str, Finding] = {}
    until = time.thread_time() + budget_s
    for file in files:
        found += _of_name(file)
        if time.thread_time() > until:
            found.append(
                Finding("not-scanned", Severity.DANGER, file.path, 0, "too much to look at")
            )
            break
        text = Text.of(file.path, file.content)
        found += _of_binary(file) if text is None else _of_text(text, hosts)
    if len(files) > _MANY_FILES:
        found.append(Finding("many-files", Severity.INFO, "", 0, f"{len(files)} files"))
    found += [host for host in hosts.values() if host.severity is not Severity.INFO]
    found += [host for host in hosts.values() if host.severity is Severity.INFO][:_MAX_HOSTS]
    unique = {(f.rule, f.file, f.line): f for f in sorted(found, key=_gravity, reverse=True)}
    return sorted(unique.values(), key=_gravity)[:MAX_FINDINGS]


def _gravity(finding: Finding) -> tuple[int, str, int, str]:
    return _ORDER.index(finding.severity), finding.file, finding.line, finding.rule


def _of_name(file: SkillFile) -> Iterator[Finding]:
    for kind, severity in hidden.in_name(file.path):
        yield Finding(kind, severity, file.path, 0, excerpt(file.path))
    if len(file.content) > _BIG_FILE:
        size = f"{len(file.content) / 1024 / 1024:.1f} MiB"
        yield Finding("big-file", Severity.INFO, file.path, 0, size)


def _of_binary(file: SkillFile) -> Iterator[Finding]:
    for magic, rule, severity in _MAGICS:
        if file.content.startswith(magic) and len(file.content) > 16:
            yield Finding(
                rule, severity, file.path, 0, f"{len(file.content)} bytes that cannot be read"
            )
            return
    if file.path.lower().endswith(_BYTECODE):
        yield Finding("bytecode", Severity.WARNING, file.path, 0, "compiled code")
    elif file.path.lower().endswith(_ARCHIVES):
        yield Finding("archive", Severity.INFO, file.path, 0, "a packed archive")


def _of_text(text: Text, hosts: dict[str, Finding]) -> list[Finding]:
    found = [
        Finding(kind, severity, text.path, text.line_of(at), shown)
        for kind, severity, at, shown in hidden.in_text(text.body)
    ]
    for rule in RULES:
        found += _of_rule(rule, text)
    found += _encoded(text)
    found += _together(text, found)
    _note_hosts(text, hosts)
    return found


def _of_rule(rule: Rule, text: Text) -> list[Finding]:
    found: list[Finding] = []
    for at, line in text.lines_with(rule.needles, _MAX_TRIES):
        match = rule.pattern.search(line)
        if match:
            severity = _weight(rule, text, at, line)
            severity = _known_installer(rule, line, severity)
            found.append(Finding(rule.id, severity, text.path, text.line_of(at), excerpt(line)))
        if len(found) >= _MAX_PER_RULE:
            break
    return found


def _weight(rule: Rule, text: Text, at: int, line: str) -> Severity:
    """Prose weighs less than code, a warning less than a wish; what is critical still asks to be
    confirmed.
    """
    severity = rule.severity
    if text.is_prose_at(at, line) and rule.in_prose is not None:
        severity = rule.in_prose
    if DEFENSIVE.search(_around(rule, line)) and text.is_document:
        severity = _SOFTER.get(severity, severity)
    return severity


def _around(rule: Rule, line: str) -> str:
    """The sentence of the match without the match: `never tell the user` is itself no warning."""
    match = rule.pattern.search(line)
    if match is None:
        return ""
    before = re.split(r"[.!?;]\s", line[: match.start()])[-1]
    after = re.split(r"[.!?;](?:\s|$)", line[match.end() :])[0]
    return f"{before} {after}"


def _known_installer(rule: Rule, line: str, severity: Severity) -> Severity:
    """Where the piped script comes from decides: here, an everyday installer, a bare address."""
    hosts = [(s.lower(), h.removeprefix("www.").lower()) for s, h in _HOSTS.findall(line)]
    if rule.id != "remote-shell" or not hosts:
        return severity
    names = {host for _, host in hosts}
    if all(host == "localhost" or _PRIVATE_ADDRESS.match(host) for host in names):
        return Severity.INFO
    if any(_ADDRESS.fullmatch(host) for host in names):
        return Severity.CRITICAL
    return Severity.WARNING if names <= KNOWN_INSTALLERS else severity


def _encoded(text: Text) -> Iterator[Finding]:
    """Base64 that hides a command."""
    if text.is_data:
        return
    for number, match in enumerate(_BASE64.finditer(text.body)):
        if number >= _MAX_TRIES:
            return
        try:
            raw = base64.b64decode(match[0] + "=" * (-len(match[0]) % 4), validate=True)
            hidden_text = raw.decode("ascii")
        except (binascii.Error, ValueError):
            continue
        if _COMMANDS.search(hidden_text):
            line = text.line_of(match.start())
            yield Finding(
                "encoded-command", Severity.CRITICAL, text.path, line, excerpt(hidden_text)
            )


def _together(text: Text, found: Iterable[Finding]) -> Iterator[Finding]:
    """A secret that is read and something that is sent: in one script, or near each other in a
    document.
    """
    reads = [finding for finding in found if finding.rule in _SECRET_READS]
    if not reads:
        return
    for at, line in text.lines_with(
        ("curl", "wget", "nc ", "post(", "put(", "urlopen", "sendall"), 50
    ):
        number = text.line_of(at)
        near = [r for r in reads if _belongs(r, number, text)]
        if near and SENDS.search(line):
            severity = min((_SECRET_READS[r.rule] for r in near), key=_ORDER.index)
            yield replace(
                near[0], rule="exfiltration", severity=severity, excerpt=excerpt(line), line=number
            )
            return


def _belongs(read: Finding, line: int, text: Text) -> bool:
    is_script = not text.is_document and read.rule == "private-key-read"
    return is_script or abs(read.line - line) <= _NEAR_LINES


def _note_hosts(text: Text, hosts: dict[str, Finding]) -> None:
    """Name each host that is fetched from, once; a bare address is worth a warning."""
    for at, line in text.lines_with(("http://", "https://"), _MAX_TRIES):
        match = FETCHES.search(line)
        if not match or match[2].lower() in hosts or match[2].lower() == "localhost":
            continue
        host = match[2].lower()
        if (
            _PRIVATE_ADDRESS.match(host)
            or "example." in host
            or host.endswith((".example", ".local"))
        ):
            continue
        severity = Severity.WARNING if _ADDRESS.fullmatch(host) else Severity.INFO
        hosts[host] = Finding("remote-fetch", severity, text.path, text.line_of(at), excerpt(line))


__all__ = ["RULES_VERSION", "Finding", "scan"]
