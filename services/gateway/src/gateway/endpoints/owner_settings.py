"""What an owner chose and stored: provider, model, keys. A value goes in and never comes out."""

from datetime import timedelta
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
    OwnerSettings,
    PutSecret,
    PutSettings,
    SecretList,
    SecretMetadata,
    SecretName,
    SkillPath,
)
from common.contracts.relay import (
    CHECK_KEY,
    LIST_MODELS,
    CheckedKey,
    CheckKey,
    ListModels,
    ModelList,
)
from common.contracts.skills import Digest
from common.providers import PROVIDERS, Provider
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.endpoints.dependencies import ERRORS, OwnerDep, PersonDep, ServicesDep

router = APIRouter(tags=["keys and settings"], responses=ERRORS)

CHECK = timedelta(seconds=25)


class ProviderList(BaseModel):
    providers: list[Provider]


class SecretBody(BaseModel):
    """`skill` (owner/repo/path) and `digest` say which skill a variable is entered for."""

    model_config = ConfigDict(extra="forbid")

    value: SecretStr = Field(min_length=1, max_length=65_536)
    skill: SkillPath | None = None
    digest: Digest | None = None


class SettingsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    provider: str = Field(max_length=40)
    model: str = Field(min_length=1, max_length=200)
    base_url: str | None = Field(default=None, max_length=500)


@router.get("/api/providers")
async def providers() -> ProviderList:
    """The LLM providers that are known by name."""
    return ProviderList(providers=list(PROVIDERS.values()))


@router.get("/api/providers/{name}/models")
async def models(
    services: ServicesDep,
    owner_id: PersonDep,
    name: Annotated[str, Path(max_length=40)],
    base_url: Annotated[str | None, Query(max_length=500)] = None,
) -> ModelList:
    """The models that a provider lists, asked with your stored key; `base_url` is for `custom`."""
    request = ListModels(owner_id=owner_id, provider=name, base_url=base_url)
    return await services.call(LIST_MODELS, request, within=CHECK)


@router.get("/api/keys")
async def list_keys(services: ServicesDep, owner_id: PersonDep) -> SecretList:
    """Names, last four characters and times; never a value."""
    return await services.call(LIST_SECRETS, ListSecrets(owner_id=owner_id))


@router.put("/api/keys/{name}")
async def put_key(
    services: ServicesDep,
    owner_id: PersonDep,
    name: Annotated[SecretName, Path()],
    body: SecretBody,
) -> SecretMetadata:
    """Seal a provider key, or a variable of a skill."""
    request = PutSecret(
        owner_id=owner_id, name=name, value=body.value, skill=body.skill, digest=body.digest
    )
    return await services.call(PUT_SECRET, request)


@router.delete("/api/keys/{name}", status_code=204)
async def delete_key(
    services: ServicesDep,
    owner_id: PersonDep,
    name: Annotated[SecretName, Path()],
    skill: Annotated[SkillPath | None, Query()] = None,
) -> None:
    await services.call(DELETE_SECRET, DeleteSecret(owner_id=owner_id, name=name, skill=skill))


@router.post("/api/keys/{name}/check")
async def check_key(
    services: ServicesDep, owner_id: PersonDep, name: Annotated[SecretName, Path()]
) -> CheckedKey:
    """Ask the provider whether your stored key is good, and what it may still spend where the
    provider tells; `unknown` when it does not say.
    """
    request = CheckKey(owner_id=owner_id, name=name)
    return await services.call(CHECK_KEY, request, within=CHECK)


@router.get("/api/settings")
async def get_settings(services: ServicesDep, owner_id: OwnerDep) -> OwnerSettings:
    return await services.call(GET_SETTINGS, GetSettings(owner_id=owner_id))


@router.put("/api/settings")
async def put_settings(
    services: ServicesDep, owner_id: OwnerDep, body: SettingsBody
) -> OwnerSettings:
    request = PutSettings(
        owner_id=owner_id, provider=body.provider, model=body.model, base_url=body.base_url
    )
    return await services.call(PUT_SETTINGS, request)
