"""The badge of a skill, for other sites: it says where the skill can be tried.

It is made of its address alone: no skill is fetched because somebody looks at a README.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from gateway.web.rendering import TEMPLATES

router = APIRouter(include_in_schema=False)

_LABEL = "try this skill"
_NARROW = frozenset("fijlrt.-'|!,: I")
_NARROW_PX, _WIDE_PX = 4.6, 7.3
_PADDING_PX = 14
_MOST_CHARACTERS = 40
_DAY = "public, max-age=86400"


@router.get("/badge/{owner}/{repo}/{skill:path}.svg", response_class=Response)
async def badge(
    owner: Annotated[str, Path(max_length=39)],
    repo: Annotated[str, Path(max_length=100)],
    skill: Annotated[str, Path(max_length=400)],
) -> Response:
    """A badge that a README links to the skill's page with."""
    name = skill.rstrip("/").rsplit("/", 1)[-1] or repo
    if len(name) > _MOST_CHARACTERS:
        name = f"{name[: _MOST_CHARACTERS - 1]}…"
    svg = TEMPLATES.get_template("badge.svg").render(
        label=_LABEL, name=name, about=f"{owner}/{repo}", left=_width(_LABEL), right=_width(name)
    )
    headers = {"Cache-Control": _DAY, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _width(text: str) -> int:
    widths = (_NARROW_PX if character in _NARROW else _WIDE_PX for character in text)
    return round(sum(widths) + _PADDING_PX)
