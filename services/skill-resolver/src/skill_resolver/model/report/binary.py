"""What in a skill is no text."""

from collections.abc import Iterator

from common.contracts.skills import Severity

from skill_resolver.model.report.finding import Finding
from skill_resolver.model.selection import SkillFile

_MAGICS = (
    (b"\x7fELF", "binary-program", Severity.DANGER),
    (b"MZ", "binary-program", Severity.DANGER),
    (b"\xcf\xfa\xed\xfe", "binary-program", Severity.DANGER),
    (b"\xca\xfe\xba\xbe", "binary-program", Severity.DANGER),
    (b"\x00asm", "bytecode", Severity.WARNING),
)
_BYTECODE = (".pyc", ".pyo", ".jar", ".class", ".dex", ".node")
_ARCHIVES = (
    *(".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2", ".whl", ".iso", ".dmg"),
    ".pkg",
)


def of_binary(file: SkillFile) -> Iterator[Finding]:
    name = file.path.lower()
    for magic, rule, severity in _MAGICS:
        if file.content.startswith(magic) and len(file.content) > 16:
            said = f"a program of {len(file.content)} bytes that cannot be read"
            yield Finding(rule, severity, file.path, 0, said)
            return
    if name.endswith(_BYTECODE):
        yield Finding("bytecode", Severity.WARNING, file.path, 0, "compiled code")
    elif name.endswith(_ARCHIVES):
        yield Finding("archive", Severity.INFO, file.path, 0, "a packed archive")
