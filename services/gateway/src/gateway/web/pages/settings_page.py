"""The model, the keys, the variables of skills. A stored value is never shown."""

from typing import Annotated

from common.contracts.keys import (
    DELETE_SECRET,
    GET_SETTINGS,
    LIST_SECRETS,
    PUT_SECRET,
    PUT_SETTINGS,
    DeleteSecret,
    GetSettings,
    ListSecrets,
    PutSecret,
    PutSettings,
)
from common.errors import InvalidError
from common.providers import PROVIDERS
from fastapi import APIRouter, Query, Request
from pydantic import SecretStr
from starlette.responses import Response

from gateway.endpoints.dependencies import OwnerDep, ServicesDep
from gateway.errors import problem
from gateway.ports import Services
from gateway.web.pages.route import PageRoute, field, form_of, see
from gateway.web.rendering import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SAVED = {
    "settings": "Saved. It counts from the next message on.",
    "key": "The key is sealed and stored.",
    "deleted": "Deleted.",
}


@router.get("/settings")
async def settings(
    services: ServicesDep, owner_id: OwnerDep, saved: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    return await _page(services, owner_id, saved=saved)


@router.post("/ui/settings")
async def put_settings(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    form = await form_of(request)
    try:
        chosen = PutSettings(
            owner_id=owner_id,
            provider=field(form, "provider"),
            model=field(form, "model"),
            base_url=form.get("base_url", "").strip() or None,
        )
        await services.call(PUT_SETTINGS, chosen)
    except InvalidError as exc:
        return await _page(services, owner_id, refusal=exc)
    return see("/settings?saved=settings")


@router.post("/ui/keys")
async def put_key(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    form = await form_of(request)
    try:
        value = SecretStr(field(form, "value"))
        secret = PutSecret(owner_id=owner_id, name=field(form, "name"), value=value)
        await services.call(PUT_SECRET, secret)
    except InvalidError as exc:
        return await _page(services, owner_id, refusal=exc)
    return see("/settings?saved=key")


@router.post("/ui/keys/delete")
async def delete_key(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    form = await form_of(request)
    skill = form.get("skill") or None
    asked = DeleteSecret(owner_id=owner_id, name=field(form, "name"), skill=skill)
    await services.call(DELETE_SECRET, asked)
    return see("/settings?saved=deleted")


async def _page(
    services: Services, owner_id: str, *, saved: str = "", refusal: InvalidError | None = None
) -> Response:
    chosen = await services.call(GET_SETTINGS, GetSettings(owner_id=owner_id))
    stored = (await services.call(LIST_SECRETS, ListSecrets(owner_id=owner_id))).secrets
    body = None if refusal is None else problem(refusal)
    return page(
        "settings.html",
        status=body["status"] if body else 200,
        settings=chosen,
        providers=list(PROVIDERS.values()),
        keys={secret.name: secret for secret in stored if secret.skill is None},
        variables=[secret for secret in stored if secret.skill is not None],
        saved=_SAVED.get(saved, ""),
        problem=body,
    )
