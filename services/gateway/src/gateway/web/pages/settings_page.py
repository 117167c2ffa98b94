"""The model, the keys, the variables of skills, the account. A stored value is never shown."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from common.contracts.chat import LIST_SESSIONS, ListSessions
from common.contracts.keys import (
    ACCOUNT_KEY,
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
from common.contracts.relay import (
    CHECK_KEY,
    LIST_MODELS,
    CheckedKey,
    CheckKey,
    ListModels,
    ModelList,
)
from common.contracts.sandbox import GET_SANDBOX, LIST_TRIALS, OwnerRequest, SandboxState
from common.errors import AppError, InvalidError
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
from gateway.model.identity import Caller
from gateway.ports import Services
from gateway.web.pages.route import PageRoute, field, form_of, if_there, see, told
from gateway.web.rendering import fragment, macro, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SAVED = {
    "settings": "Saved. It counts from the next message on.",
    "key": "The key is sealed and stored.",
    "deleted": "Deleted.",
    "revoked": "The token is worth nothing from now on.",
}


@dataclass(frozen=True)
class Note:
    """What the page says besides what is stored: what was done, found out, or refused."""

    saved: str = ""
    checked: CheckedKey | None = None
    models: ModelList | None = None
    refusal: AppError | None = None
    entered: dict[str, str] | None = None


@router.get("/settings")
async def settings(
    edge: EdgeDep,
    caller: CallerDep,
    _: OwnerDep,
    saved: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    return await _page(edge, caller, Note(saved=saved))


@router.post("/ui/settings")
async def put_settings(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: OwnerDep
) -> Response:
    """The choice, and a key with it where one was entered."""
    form = await form_of(request)
    try:
        chosen = PutSettings(
            owner_id=owner_id,
            provider=field(form, "provider"),
            model=field(form, "model"),
            base_url=form.get("base_url", "").strip() or None,
        )
        if value := form.get("key", "").strip():
            await edge.services.call(PUT_SECRET, _key(caller, chosen.provider, value))
        await edge.services.call(PUT_SETTINGS, chosen)
    except InvalidError as exc:
        return await _page(edge, caller, Note(refusal=exc, entered=form))
    return see("/settings?saved=settings")


@router.post("/ui/models")
async def models(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: PersonDep
) -> Response:
    """The models that a provider lists, to pick from."""
    form = await form_of(request)
    asked = ListModels(
        owner_id=owner_id,
        provider=field(form, "provider"),
        base_url=form.get("base_url", "").strip() or None,
    )
    listed = await edge.services.call(LIST_MODELS, asked, within=CHECK)
    if "hx-request" in request.headers:
        return fragment(macro("_settings.html", "models")(listed))
    return await _page(edge, caller, Note(models=listed, entered=form))


@router.post("/ui/keys")
async def put_key(
    request: Request, edge: EdgeDep, caller: CallerDep, owner_id: PersonDep
) -> Response:
    form = await form_of(request)
    try:
        secret = PutSecret(
            owner_id=owner_id,
            name=field(form, "name"),
            value=SecretStr(field(form, "value")),
            skill=form.get("skill") or None,
            digest=form.get("digest") or None,
        )
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
    if "hx-request" in request.headers:
        return fragment(macro("_settings.html", "verdict")(checked))
    return await _page(edge, caller, Note(checked=checked))


@router.post("/ui/keys/delete")
async def delete_key(request: Request, services: ServicesDep, owner_id: PersonDep) -> Response:
    form = await form_of(request)
    skill = form.get("skill") or None
    asked = DeleteSecret(owner_id=owner_id, name=field(form, "name"), skill=skill)
    await services.call(DELETE_SECRET, asked)
    return see("/settings?saved=deleted")


def _key(caller: Caller, provider: str, value: str) -> PutSecret:
    known = PROVIDERS.get(provider)
    if known is None or known.key_name is None:
        message = "That provider needs no key."
        raise InvalidError(message)
    return PutSecret(owner_id=caller.owner_id, name=known.key_name, value=SecretStr(value))


async def _page(edge: Edge, caller: Caller, note: Note) -> Response:
    services, owner_id = edge.services, caller.owner_id
    chosen, secrets, tokens, has = await asyncio.gather(
        services.call(GET_SETTINGS, GetSettings(owner_id=owner_id)),
        services.call(LIST_SECRETS, ListSecrets(owner_id=owner_id)),
        services.call(LIST_TOKENS, ListTokens(owner_id=owner_id)),
        _has(services, owner_id),
    )
    stored = secrets.secrets
    keys = {secret.name: secret for secret in stored if secret.skill is None}
    problem = None if note.refusal is None else told(note.refusal)
    listed = macro("_settings.html", "models")(note.models) if note.models else None
    return page(
        "settings.html",
        status=problem["status"] if problem else 200,
        chosen={**chosen.model_dump(), **_entered(note)},
        providers=list(PROVIDERS.values()),
        account=keys.pop(ACCOUNT_KEY, None),
        keys=keys,
        variables=[secret for secret in stored if secret.skill is not None],
        tokens=tokens.tokens,
        has=has,
        caller=caller,
        can_log_out=edge.login is not None,
        saved=_SAVED.get(note.saved, ""),
        checked=note.checked,
        models=listed,
        problem=problem,
    )


def _entered(note: Note) -> dict[str, str]:
    """What was chosen in the form and is not stored yet; never a key."""
    form = note.entered or {}
    return {name: form[name] for name in ("provider", "model", "base_url") if form.get(name)}


async def _has(services: Services, owner_id: str) -> dict[str, Any]:
    """What deleting everything would take, as far as can be counted now."""
    owner = OwnerRequest(owner_id=owner_id)
    sandbox, sessions, trials = await asyncio.gather(
        if_there(services.call(GET_SANDBOX, owner)),
        if_there(services.call(LIST_SESSIONS, ListSessions(owner_id=owner_id))),
        if_there(services.call(LIST_TRIALS, owner)),
    )
    listed = "some" if sessions is None else str(len(sessions.sessions))
    return {
        "sandbox": sandbox is None or sandbox.state is not SandboxState.ABSENT,
        "skills": len(sandbox.skills) if sandbox else 0,
        "sessions": f"{listed} or more" if sessions and sessions.next_cursor else listed,
        "trials": len(trials.trials) if trials else "some",
    }
