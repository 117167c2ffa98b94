"""The model, the keys, the variables of skills, the account. A stored value is never shown."""

from dataclasses import dataclass
from typing import Annotated

from common.contracts.keys import (
    DELETE_SECRET,
    GET_SETTINGS,
    LIST_SECRETS,
    LIST_TOKENS,
    PUT_SECRET,
    PUT_SETTINGS,
    DeleteSecret,
    GetSettings,
    ListSecrets,
    ListTokens,
    PutSecret,
    PutSettings,
)
from common.contracts.relay import CHECK_KEY, CheckedKey, CheckKey
from common.errors import InvalidError
from common.providers import PROVIDERS
from fastapi import APIRouter, Query, Request
from pydantic import SecretStr
from starlette.responses import Response

from gateway.endpoints.dependencies import (
    CallerDep,
    Edge,
    EdgeDep,
    OwnerDep,
    PersonDep,
    ServicesDep,
)
from gateway.endpoints.owner_settings import CHECK
from gateway.errors import problem
from gateway.model.identity import Caller
from gateway.web.pages.route import PageRoute, field, form_of, see
from gateway.web.rendering import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SAVED = {
    "settings": "Saved. It counts from the next message on.",
    "key": "The key is sealed and stored.",
    "deleted": "Deleted.",
    "revoked": "The token is worth nothing from now on.",
}


@dataclass(frozen=True)
class Note:
    """What the page says above all else: what was done, what a check found, what was refused."""

    saved: str = ""
    checked: CheckedKey | None = None
    refusal: InvalidError | None = None


@router.get("/settings")
async def settings(
    edge: EdgeDep, caller: CallerDep, saved: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    return await _page(edge, caller, Note(saved=saved))


@router.post("/ui/settings")
async def put_settings(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: OwnerDep
) -> Response:
    form = await form_of(request)
    try:
        chosen = PutSettings(
            owner_id=owner_id,
            provider=field(form, "provider"),
            model=field(form, "model"),
            base_url=form.get("base_url", "").strip() or None,
        )
        await edge.services.call(PUT_SETTINGS, chosen)
    except InvalidError as exc:
        return await _page(edge, caller, Note(refusal=exc))
    return see("/settings?saved=settings")


@router.post("/ui/keys")
async def put_key(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: PersonDep
) -> Response:
    form = await form_of(request)
    try:
        value = SecretStr(field(form, "value"))
        secret = PutSecret(owner_id=owner_id, name=field(form, "name"), value=value)
        await edge.services.call(PUT_SECRET, secret)
    except InvalidError as exc:
        return await _page(edge, caller, Note(refusal=exc))
    return see("/settings?saved=key")


@router.post("/ui/keys/check")
async def check_key(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: PersonDep
) -> Response:
    form = await form_of(request)
    asked = CheckKey(owner_id=owner_id, name=field(form, "name"))
    checked = await edge.services.call(CHECK_KEY, asked, within=CHECK)
    return await _page(edge, caller, Note(checked=checked))


@router.post("/ui/keys/delete")
async def delete_key(request: Request, services: ServicesDep, owner_id: PersonDep) -> Response:
    form = await form_of(request)
    skill = form.get("skill") or None
    asked = DeleteSecret(owner_id=owner_id, name=field(form, "name"), skill=skill)
    await services.call(DELETE_SECRET, asked)
    return see("/settings?saved=deleted")


async def _page(edge: Edge, caller: Caller, note: Note) -> Response:
    services, owner_id = edge.services, caller.owner_id
    chosen = await services.call(GET_SETTINGS, GetSettings(owner_id=owner_id))
    stored = (await services.call(LIST_SECRETS, ListSecrets(owner_id=owner_id))).secrets
    tokens = (await services.call(LIST_TOKENS, ListTokens(owner_id=owner_id))).tokens
    body = None if note.refusal is None else problem(note.refusal)
    return page(
        "settings.html",
        status=body["status"] if body else 200,
        settings=chosen,
        providers=list(PROVIDERS.values()),
        keys={secret.name: secret for secret in stored if secret.skill is None},
        variables=[secret for secret in stored if secret.skill is not None],
        tokens=tokens,
        caller=caller,
        can_log_out=edge.login is not None,
        saved=_SAVED.get(note.saved, ""),
        checked=note.checked,
        problem=body,
    )
