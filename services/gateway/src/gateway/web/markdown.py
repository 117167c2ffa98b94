"""Markdown of strangers and models as HTML that cannot act.

Raw HTML is shown as text, links lead out of the site in a tab of their own, an image is shown when
it is a file of the conversation's own workspace and is a link otherwise, and what comes out passes
a sanitiser once more.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

_INLINE = {"a", "br", "code", "del", "em", "img", "s", "span", "strong"}
_BLOCK = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"}
_TABLE = {"table", "tbody", "td", "th", "thead", "tr", "ul"}
_TAGS = _INLINE | _BLOCK | _TABLE
_ATTRIBUTES = {
    "a": {"href", "title", "target"},
    "div": {"class", "tabindex"},
    "img": {"alt", "class", "loading", "src"},
    "ol": {"start"},
    "pre": {"class", "tabindex"},
    "span": {"class"},
}
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_WORKSPACES = "/api/sessions/"
_SCHEMES = {"http", "https", "mailto"}
_MOST_COLOURED = 60_000
_FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True, classprefix="h-")


def render(text: str, *, shift: int = 2, env: dict[str, Any] | None = None) -> Markup:
    """A text that is finished; headings are `shift` levels lower, below those of the page."""
    return _clean(_FINISHED.render(text, {"shift": shift, **({} if env is None else env)}))


def render_open(text: str, *, env: dict[str, Any] | None = None) -> Markup:
    """A text that is still written: code in it is not coloured yet."""
    return _clean(_OPEN.render(text, {"shift": 2, **({} if env is None else env)}))


def block_starts(text: str, env: dict[str, Any]) -> list[int]:
    """The line on which each block of the top level begins; `env` collects link references."""
    tokens = _OPEN.parse(text, env)
    return [
        token.map[0] for token in tokens if token.level == 0 and token.nesting >= 0 and token.map
    ]


def coloured_file(text: str, path: str) -> Markup:
    """A file's text, coloured where its name tells the language."""
    try:
        lexer = get_lexer_for_filename(path)
    except ClassNotFound:
        return Markup(escapeHtml(text))
    if len(text) > _MOST_COLOURED:
        return Markup(escapeHtml(text))
    return Markup(highlight(text, lexer, _FORMATTER))


def coloured_code(text: str, language: str) -> str:
    if not language or len(text) > _MOST_COLOURED:
        return escapeHtml(text)
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return escapeHtml(text)
    return highlight(text, lexer, _FORMATTER)


class _Renderer(RendererHTML):
    """What differs from plain CommonMark output."""

    def heading_open(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[index]
        token.tag = tokens[index + 2].tag = f"h{_level(int(token.tag[1]), env)}"
        return self.renderToken(tokens, index, options, env)

    def link_open(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        tokens[index].attrSet("target", "_blank")
        return self.renderToken(tokens, index, options, env)

    def image(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[index]
        name = escapeHtml(self.renderInlineAsText(token.children or [], options, env) or "image")
        source = str(token.attrs.get("src", ""))
        if urlsplit(source).scheme or source.startswith("//"):
            return f'<a href="{escapeHtml(source)}" target="_blank">{name}</a>'
        files = str(env.get("files", ""))
        path = _in_workspace(unquote(source), str(env.get("session", "")))
        if not files or not path.lower().endswith(_PICTURES):
            return name
        address = escapeHtml(files + quote(path, safe=""))
        picture = f'<img class="picture" loading="lazy" src="{address}" alt="{name}">'
        return f'<a href="{address}" target="_blank">{picture}</a>'

    def table_open(self, *args: Any) -> str:
        return '<div class="scrolls" tabindex="0">' + self.renderToken(*args)

    def table_close(self, *args: Any) -> str:
        return self.renderToken(*args) + "</div>"

    def code_block(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return _boxed(escapeHtml(tokens[index].content))


def _in_workspace(path: str, session_id: str) -> str:
    """`path` below the workspace, whose directory in the sandbox has the session's name; "" for
    another place.
    """
    if path.startswith("/"):
        path = path.partition(f"/{session_id}/")[2] if session_id else ""
    return path.removeprefix("./")


def _level(written: int, env: EnvType) -> int:
    """One below the heading before it at most: models begin anywhere."""
    shift = int(env.get("shift", 0))
    levels: list[int] = env.setdefault("levels", [])
    level = min(6, written + shift, (levels[-1] if levels else shift) + 1)
    levels[:] = [level]
    return level


def _boxed(code: str) -> str:
    return f'<pre class="code" tabindex="0"><code>{code}</code></pre>\n'


def _finished_code(text: str, language: str, _: str) -> str:
    return _boxed(coloured_code(text, language))


def _open_code(text: str, _: str, __: str) -> str:
    return _boxed(escapeHtml(text))


def _parser(code: Any) -> MarkdownIt:
    options = {"html": False, "linkify": False, "highlight": code}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    return parser.enable(["table", "strikethrough"])


_FINISHED = _parser(_finished_code)
_OPEN = _parser(_open_code)


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    """No image from anywhere but a workspace."""
    is_elsewhere = tag == "img" and attribute == "src" and not value.startswith(_WORKSPACES)
    return None if is_elsewhere else value


def _clean(html: str) -> Markup:
    cleaned = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(cleaned)
