"""Templates into responses, with the policy that lets a page load and run only what is ours."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from common.clock import utc_now
from common.contracts.chat import Session
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from gateway.web import markdown

HERE = Path(__file__).parent
STATIC = HERE / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TO_READ = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""For a page that only shows: it runs no script, ours neither."""

CHOICES = {
    "once": "Allow once",
    "session": "Allow in this conversation",
    "always": "Always allow",
    "deny": "Deny",
}
ANSWERS = {
    "once": "You allowed it once.",
    "session": "You allowed it for this conversation.",
    "always": "You allow it always.",
    "deny": "You denied it; it was not run.",
}
WAYS = {
    "provider_auth": ("/settings", "Check your key"),
    "provider_credit": ("/settings", "Choose another model or provider"),
    "provider_rate_limit": ("/settings", "Choose another model or provider"),
    "provider_error": ("/settings", "Look at the model's settings"),
    "sandbox_unavailable": ("/dashboard", "Look at your sandbox"),
}
READERS = frozenset({"read_file", "search_files", "skill_view", "skills_list", "todo"})
"""Tools of the agent that change no file."""

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def page(
    template: str, *, status: int = 200, policy: str = POLICY, **context: Any
) -> HTMLResponse:
    html = TEMPLATES.get_template(template).render(**context)
    return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": policy})


def fragment(html: str) -> HTMLResponse:
    """A piece of a page; opened by itself it may do no more than a page."""
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})


def macro(template: str, name: str) -> Callable[..., Markup]:
    """A piece of a page, to be sent by itself."""
    found: Callable[..., Markup] = getattr(TEMPLATES.get_template(template).module, name)
    return found


def partial(target: str, html: str, *, swap: str = "outerMorph") -> str:
    """An update of one element of a page that is open."""
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def skill_url(owner: str, repo: str, path: str, name: str) -> str:
    """The page of a skill; the root of a repository goes by its name."""
    return f"/{quote(owner)}/{quote(repo)}/{quote(path or name)}"


def way_on(error: Mapping[str, Any]) -> tuple[str, str] | None:
    """The one thing a person can do about an error: address and words."""
    usual = WAYS.get(error["code"])
    link = str(error.get("link") or "")
    if link.startswith("https://"):
        return link, "Look at your account at the provider"
    return usual


def clock(moment: str) -> str:
    """An ISO moment for people."""
    return moment[:16].replace("T", " ") + " UTC"


def files_url(session_id: str, path: str = "") -> str:
    """Where an open page asks for the files in a directory of a workspace."""
    return f"/ui/sessions/{session_id}/files" + (f"?path={quote(path, safe='')}" if path else "")


def shown_url(session_id: str, path: str) -> str:
    """Where an open page asks for one file of a workspace, to show it."""
    return f"/ui/sessions/{session_id}/files/shown?path={quote(path, safe='')}"


def file_url(session_id: str, path: str) -> str:
    """A file of a workspace as its bytes."""
    return f"/api/sessions/{session_id}/files/content?path={quote(path, safe='')}"


def is_picture(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _PICTURES


def ident(kind: str, name: str) -> str:
    """An element's id for a name that holds anything."""
    return f"{kind}{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def up(path: str) -> str:
    return path.rpartition("/")[0]


def chat_url(session: Session) -> str:
    """The page of a conversation."""
    skill = session.skill
    return f"{skill_url(skill.owner, skill.repo, skill.path, skill.name)}?session={session.id}"


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest unit."""
    if moment is None:
        return "never"
    seconds = int((utc_now() - moment).total_seconds())
    for size, unit in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def web_address(text: str | None) -> str | None:
    """An address that a stranger wrote, where it leads to a web site."""
    parts = urlsplit(text or "")
    return text if parts.scheme in {"http", "https"} and parts.netloc else None


def size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} kB"
    return f"{count / 1024 / 1024:.1f} MB"


def thousands(count: int) -> str:
    return f"{count:,}"


def number(value: float) -> str:
    return f"{value:g}"


def seconds(duration: float | None) -> str:
    if duration is None:
        return ""
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.1f} s"


@lru_cache
def asset(name: str) -> str:
    """A static file's address; it changes with the content, so it is kept for ever."""
    content = (STATIC / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "asset": asset,
        "skill_url": skill_url,
        "CHOICES": CHOICES,
        "ANSWERS": ANSWERS,
        "WAYS": WAYS,
        "READERS": READERS,
        "way_on": way_on,
        "files_url": files_url,
        "shown_url": shown_url,
        "file_url": file_url,
        "is_picture": is_picture,
        "ident": ident,
        "up": up,
    }
    environment.filters |= {
        "ago": ago,
        "clock": clock,
        "chat_url": chat_url,
        "thousands": thousands,
        "number": number,
        "size": size,
        "web_address": web_address,
        "seconds": seconds,
        "pretty": _pretty,
        "markdown": markdown.render,
    }
    return environment


TEMPLATES = _templates()
