"""A platform that answers everything a page asks."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.contracts import chat, keys, sandbox, skills
from common.contracts.base import Empty
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64

SKILL = skills.ResolvedSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="0" * 40,
    path="skills/pdf",
    name="pdf",
    description="Reads PDF files.",
    digest=DIGEST,
    files=[
        skills.SkillFile(path="SKILL.md", size=10, mode=0o644, sha256="0"),
        skills.SkillFile(path="run.py", size=10, mode=0o755, sha256="0"),
    ],
    total_bytes=20,
    env_vars=[skills.EnvVar(name="PDF_KEY", required=True, description="a key", source="x")],
    report=skills.SafetyReport(verdict=skills.Verdict.CLEAR),
    resolved_at=AT,
)
LAUNCHED = sandbox.LaunchSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="0" * 40,
    path="skills/pdf",
    name="pdf",
    digest=DIGEST,
    directory="acme--tools--pdf",
)
LAUNCH = sandbox.Launch(
    id=LAUNCH_ID,
    ref="acme/tools/pdf",
    path=sandbox.LaunchPath.INSTALL,
    state=sandbox.LaunchState.RUNNING,
    phases=[
        sandbox.Phase(
            name=sandbox.PhaseName.UPLOAD,
            state=sandbox.PhaseState.DONE,
            started_at=AT,
            ended_at=AT + timedelta(seconds=1.5),
        )
    ],
    skill=LAUNCHED,
    created_at=AT,
)
SESSION = chat.SessionDetail(
    id=SESSION_ID,
    title="What is in it?",
    skill=LAUNCHED,
    launch_id=LAUNCH_ID,
    created_at=AT,
    updated_at=AT,
    messages=[],
)
ENTRIES: list[Any] = [
    chat.TurnStarted(seq=1, at=AT, turn_id=TURN_ID, text="Hello"),
    chat.Text(seq=5, seq_from=2, at=AT, turn_id=TURN_ID, text="**Ahoy**"),
]
TRIAL = sandbox.Trial(
    id="t",
    launch_id=LAUNCH_ID,
    skill=LAUNCHED,
    path=None,
    state="ready",
    duration_ms=1,
    created_at=AT,
)
SANDBOX = sandbox.Sandbox(
    state=sandbox.SandboxState.ACTIVE,
    created_at=AT,
    skills=[sandbox.InstalledSkill(skill=LAUNCHED, installed_at=AT)],
    retention=sandbox.Retention(stop_minutes=30, archive_minutes=60, delete_minutes=14400),
)
SECRET = keys.SecretMetadata(
    name="PDF_KEY",
    skill="acme/tools/skills/pdf",
    digest=DIGEST,
    last_four="9876",
    version=1,
    set_at=AT,
)


USAGE = chat.UsageReport(
    cap=chat.TokenCap(daily_tokens=1000, own=1000, operator=None, used=250, resets_at=AT),
    days=[chat.DayUsage(day="2026-01-01", calls=2, total_tokens=1250)],
    sessions=[],
)
SHARED = chat.CreatedShare(
    id="s",
    session_id=SESSION_ID,
    with_tools=True,
    with_reasoning=False,
    last_seq=5,
    created_at=AT,
    expires_at=AT,
    token="shown-this-once-" + "x" * 20,
)


def file_content(request: skills.ReadSkillFile) -> skills.SkillFileContent:
    content = b"---\nname: pdf\n---\n# PDF\n\nRead it.\n"
    if request.path.endswith(".py"):
        content = b"def run():\n    return '<b>'\n"
    encoded = base64.b64encode(content).decode()
    return skills.SkillFileContent(
        path=request.path, size=len(content), mode=0o644, content_base64=encoded
    )


def entries_of_launch(request: sandbox.GetLaunchEntries) -> sandbox.LaunchEntries:
    entries: list[Any] = [
        sandbox.LaunchStarted(seq=1, at=AT, path=None, skill=LAUNCHED),
        sandbox.LaunchPlanned(seq=2, at=AT, path=sandbox.LaunchPath.INSTALL),
        sandbox.PhaseStarted(seq=3, at=AT, phase=sandbox.PhaseName.UPLOAD),
    ]
    return sandbox.LaunchEntries(entries=entries, ended=False)


@pytest.fixture
def platform(services: FakeServices) -> None:
    answers: list[tuple[Any, Any]] = [
        (skills.RESOLVE, SKILL),
        (skills.GET_SKILL, SKILL),
        (skills.READ_SKILL_FILE, file_content),
        (keys.GET_SETTINGS, keys.OwnerSettings(provider="demo", model="demo")),
        (keys.LIST_SECRETS, keys.SecretList(secrets=[])),
        (keys.LIST_TOKENS, keys.TokenList(tokens=[])),
        (keys.PUT_SECRET, SECRET),
        (keys.PUT_SETTINGS, keys.OwnerSettings(provider="demo", model="demo")),
        (keys.DELETE_SECRET, Empty()),
        (sandbox.GET_SANDBOX, SANDBOX),
        (sandbox.STOP_SANDBOX, SANDBOX),
        (sandbox.DELETE_SANDBOX, SANDBOX),
        (sandbox.REMOVE_SKILL, SANDBOX),
        (sandbox.LIST_TRIALS, sandbox.TrialList(trials=[TRIAL])),
        (sandbox.START_LAUNCH, LAUNCH),
        (sandbox.GET_LAUNCH, LAUNCH),
        (sandbox.GET_LAUNCH_ENTRIES, entries_of_launch),
        (sandbox.CANCEL_LAUNCH, LAUNCH),
        (chat.GET_SESSION, SESSION),
        (chat.FIND_SESSION, SESSION),
        (chat.CREATE_SESSION, SESSION),
        (chat.GET_USAGE, USAGE),
        (chat.SET_CAP, USAGE.cap),
        (chat.FIND_SESSION, SESSION),
        (chat.LIST_SHARES, chat.ShareList(shares=[])),
        (chat.SHARE_SESSION, SHARED),
        (chat.END_SHARES, Empty()),
        (chat.LIST_SESSIONS, chat.SessionList(sessions=[SESSION])),
        (chat.RENAME_SESSION, SESSION),
        (chat.DELETE_SESSION, Empty()),
        (chat.ATTACH, chat.Attached(entries=ENTRIES, last_seq=5)),
    ]
    for rpc, reply in answers:
        services.answer(rpc, reply)


@pytest.fixture
def skill() -> skills.ResolvedSkill:
    return SKILL


@pytest.fixture
def own_sandbox() -> sandbox.Sandbox:
    return SANDBOX


@pytest.fixture
def secret() -> keys.SecretMetadata:
    return SECRET


@pytest.fixture
def launch() -> sandbox.Launch:
    return LAUNCH


@pytest.fixture
def trial() -> sandbox.Trial:
    return TRIAL
