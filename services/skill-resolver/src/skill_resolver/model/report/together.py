"""Findings that no single line shows: a download and what runs it, a secret and what sends it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from common.contracts.skills import Severity

from skill_resolver.model.report.finding import ORDER, Finding
from skill_resolver.model.report.hosts import is_known, is_local
from skill_resolver.model.report.patterns import SENDS
from skill_resolver.model.report.text import Text, excerpt

_NEAR_LINES = 12
_MOST = 50
_SECRET_READS = {
    "private-key-read": Severity.CRITICAL,
    "environment-dump": Severity.CRITICAL,
    "credential-store": Severity.DANGER,
    "credential-print": Severity.DANGER,
    "cloud-metadata": Severity.CRITICAL,
}
_SENDERS = (
    *("curl", "wget", "nc ", "post(", "put(", "urlopen", "sendall", "fetch(", "dig ", "nslookup"),
    *("https.request(", "http.request(", ".sendmail(", ".storbinary(", "sftp.put("),
)
_DOWNLOADS = ("curl", "wget", "iwr", "invoke-webrequest", "urlretrieve(", ".write(")
_FETCHES = ("urlopen(", "requests.get(", "httpx.get(", "fetch(")
_SHELLS = ("spawn(", "popen(", "exec(")
_CONNECTS = re.compile(r"\.connect\(|createConnection\(|net\.Socket\(|TCPSocket|fsockopen\(")
_SPAWNS = re.compile(
    r"(?:spawn|Popen|exec\w*)\(\s*\[?\s*[\"'](?:/bin/(?:ba|da|z)?sh|cmd(?:\.exe)?|powershell)"
)
_DECODES = ("base64", "xxd", "openssl")
NEEDLES = (*_SHELLS, *_SENDERS, *_DOWNLOADS, *_FETCHES, *_DECODES)
_ELSEWHERE = re.compile(r"(?:googleapis|google|github|azure|microsoft|amazonaws)\.com")
_SAVED = re.compile(
    r"\burlretrieve\(.*,\s*[\"'](?P<saved>[^\"']+)"
    r"|\bopen\(\s*[\"'](?P<written>[^\"']+)[\"'],\s*[\"']wb?[\"']\)\.write\(.*(?:requests|httpx|urlopen)"
    r"|\b(?:curl|wget|iwr|invoke-webrequest)\b.*?"
    r"(?:\s-\w*[oO]|\s--output(?:-document)?|\s-OutFile|(?<![\d&>])>)"
    r"[\s=]*[\"']?(?P<file>[^\s\"'`|;&<>]+)",
    re.IGNORECASE,
)
_CHECKED = re.compile(r"sha(?:256|512)sum|shasum|gpg\s+--verify|minisign|cosign", re.IGNORECASE)
_RUNS = (
    r"(?:\b(?:ba|z|da)?sh|\bpython[0-9.]*|\bnode|\bperl|\bruby|\bsource|\bexec|\bsudo|\bnohup|\bsetsid"
    r"|(?:^|[\s;&])\.)\s+(?:-\w+\s+)*[\"']?(?:[\w.~${{}}/-]*/)?{name}(?![\w.-])"
    r"|(?:^|[;&|(`]|\bthen|\bdo)\s*(?:[\w.~${{}}-]*/)+{name}(?=[\s;&\"'`)]|$)"
)
_FETCHED = re.compile(
    r"\b(?P<name>\w+)\s*=\s*.*(?:urlopen\(|requests\.get\(|httpx\.get\(|\bfetch\(|axios\.get\()"
)
_ADDRESS = re.compile(r"https?://[^\s\"'`|;&<>]*/([^\s\"'`|;&<>/?#]+)")
_DECODED = re.compile(
    r"\b(?P<name>\w+)=[\"']?(?:\$\(|`).*(?:base64\s+(?:-d|-D|--decode)|xxd\s+-\w*r|openssl\b.*\s-d\b)"
)
_RUNS_VARIABLE = (
    r"\b(?:eval|(?:ba|z)?sh\s+-c|python3?\s+-c|source\s+/dev/stdin\s*<<<)\s+[\"']?\$\{{?{name}\b"
)
_RUNS_TEXT = (
    r"\b(?:exec|eval|Function|compile|os\.system|subprocess\.\w+|vm\.run\w+)\s*\(.*\b{name}\b"
)


def correlated(text: Text, found: Iterable[Finding]) -> Iterator[Finding]:
    if text.is_data:
        return
    yield from _sent(text, [finding for finding in found if finding.rule in _SECRET_READS])
    yield from _saved_and_run(text)
    yield from _fetched_and_run(text)
    yield from _decoded_and_run(text)
    yield from _connected_shell(text)


def _sent(text: Text, reads: list[Finding]) -> Iterator[Finding]:
    """A secret that is read and something that is sent: in one script, or near each other in a
    document.
    """
    for at, line in text.lines_with(_SENDERS, _MOST) if reads else ():
        number = text.line_of(at)
        near = [read for read in reads if _belongs(read, number, text)]
        if near and SENDS.search(line) and not _ELSEWHERE.search(line):
            severity = min((_SECRET_READS[read.rule] for read in near), key=ORDER.index)
            yield replace(
                near[0], rule="exfiltration", severity=severity, excerpt=excerpt(line), line=number
            )
            return


def _belongs(read: Finding, line: int, text: Text) -> bool:
    is_script = not text.is_document and read.rule != "environment-dump"
    return is_script or abs(read.line - line) <= _NEAR_LINES


def _saved_and_run(text: Text) -> Iterator[Finding]:
    """A file is downloaded and then run, without anybody looking at it or at its checksum."""
    for at, line in text.lines_with(_DOWNLOADS, _MOST):
        name = _saved_as(line)
        if len(name) < 2 or is_local(line):
            continue
        after = text.body[at : at + 2000].split("\n")[: _NEAR_LINES + 1]
        rest = [line.partition(name)[2], *after[1:]]
        if not any(name in following for following in rest):
            continue
        runs = re.compile(_RUNS.format(name=re.escape(name)))
        if any(runs.search(following) for following in rest):
            is_soft = is_known(line) or _CHECKED.search("\n".join(rest)) is not None
            severity = Severity.WARNING if is_soft else Severity.DANGER
            yield Finding("download-run", severity, text.path, text.line_of(at), excerpt(line))


def _saved_as(line: str) -> str:
    """The name of the file that a download leaves; "" when it leaves none."""
    saved = _SAVED.search(line)
    names = (saved["file"], saved["saved"], saved["written"]) if saved else ()
    path = next(filter(None, names), "")
    if path.startswith("http") or (not path and re.search(r"\bwget\s", line)):
        address = _ADDRESS.search(line)
        path = address[1] if address else ""
    return "" if path in {"/dev/null", "-"} else path.rstrip("/").rpartition("/")[2]


def _decoded_and_run(text: Text) -> Iterator[Finding]:
    """A variable holds what was decoded, and is run."""
    for at, line in text.lines_with(_DECODES, _MOST):
        decoded = _DECODED.search(line)
        if decoded is None:
            continue
        runs = re.compile(_RUNS_VARIABLE.format(name=re.escape(decoded["name"])))
        after = text.body[at : at + 2000].split("\n")[: _NEAR_LINES + 1]
        if any(runs.search(following) for following in after):
            number = text.line_of(at)
            yield Finding("encoded-command", Severity.CRITICAL, text.path, number, excerpt(line))


def _connected_shell(text: Text) -> Iterator[Finding]:
    """A shell is started in a program that connects to somewhere: their streams are joined."""
    if text.is_document or not _CONNECTS.search(text.body):
        return
    for at, line in text.lines_with(_SHELLS, _MOST):
        if _SPAWNS.search(line):
            number = text.line_of(at)
            yield Finding("reverse-shell", Severity.DANGER, text.path, number, excerpt(line))
            return


def _fetched_and_run(text: Text) -> Iterator[Finding]:
    """What an address answers is run as code."""
    for at, line in text.lines_with(_FETCHES, _MOST):
        fetched = _FETCHED.search(line)
        if fetched is None or is_local(line):
            continue
        runs = re.compile(_RUNS_TEXT.format(name=re.escape(fetched["name"])))
        after = text.body[at : at + 4000].split("\n")[1:40]
        if any(runs.search(following) for following in after):
            number = text.line_of(at)
            yield Finding("remote-shell", Severity.DANGER, text.path, number, excerpt(line))
