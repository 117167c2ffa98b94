"""RPC subjects -> use cases."""

from common.contracts import keys as contract
from common.contracts.base import Empty, Erased
from common.messaging.loops import Hint
from common.messaging.rpc import RpcServer
from pydantic import SecretStr

from keys.model.choice import Choice
from keys.model.secret import Secret, SecretKey
from keys.model.token import Token
from keys.service.choices import ChoicesService
from keys.service.owners import OwnersService
from keys.service.secrets import SecretsService
from keys.service.tokens import TokensService


async def serve_owners(server: RpcServer, service: OwnersService, *, events: Hint) -> None:
    """`events` is told when there may be something for the outbox relay."""

    async def resolve_owner(request: contract.ResolveOwner) -> contract.Owner:
        owner = await service.resolve(request.issuer, request.subject)
        events.give()
        return contract.Owner(owner_id=owner.id, created_at=owner.created_at)

    async def erase_owner(request: contract.EraseOwner) -> Erased:
        counts = await service.erase(request.owner_id)
        events.give()
        return Erased(counts=counts)

    await server.serve(contract.RESOLVE_OWNER, resolve_owner)
    await server.serve(contract.ERASE_OWNER, erase_owner)


async def serve_secrets(server: RpcServer, service: SecretsService, *, events: Hint) -> None:
    async def put_secret(request: contract.PutSecret) -> contract.SecretMetadata:
        key = SecretKey(request.owner_id, request.name, request.skill)
        secret = await service.put(key, request.value.get_secret_value(), digest=request.digest)
        events.give()
        return _metadata(secret)

    async def list_secrets(request: contract.ListSecrets) -> contract.SecretList:
        secrets = await service.list(request.owner_id)
        return contract.SecretList(secrets=[_metadata(secret) for secret in secrets])

    async def delete_secret(request: contract.DeleteSecret) -> Empty:
        await service.delete(SecretKey(request.owner_id, request.name, request.skill))
        events.give()
        return Empty()

    async def reveal(request: contract.Reveal) -> contract.Revealed:
        key = SecretKey(request.owner_id, request.name, request.skill)
        value, version = await service.reveal(key, purpose=request.purpose)
        events.give()
        return contract.Revealed(value=SecretStr(value), version=version)

    await server.serve(contract.PUT_SECRET, put_secret)
    await server.serve(contract.LIST_SECRETS, list_secrets)
    await server.serve(contract.DELETE_SECRET, delete_secret)
    await server.serve(contract.REVEAL, reveal)


async def serve_settings(server: RpcServer, service: ChoicesService) -> None:
    async def get_settings(request: contract.GetSettings) -> contract.OwnerSettings:
        return _settings(await service.get(request.owner_id))

    async def put_settings(request: contract.PutSettings) -> contract.OwnerSettings:
        choice = await service.put(
            request.owner_id,
            provider=request.provider,
            model=request.model,
            base_url=request.base_url,
        )
        return _settings(choice)

    await server.serve(contract.GET_SETTINGS, get_settings)
    await server.serve(contract.PUT_SETTINGS, put_settings)


async def serve_tokens(server: RpcServer, service: TokensService) -> None:
    async def create_token(request: contract.CreateToken) -> contract.CreatedToken:
        token, value = await service.create(
            request.owner_id,
            name=request.name,
            scope=request.scope,
            expires_at=request.expires_at,
        )
        shown = _token(token).model_dump()
        return contract.CreatedToken(**shown, value=SecretStr(value))

    async def list_tokens(request: contract.ListTokens) -> contract.TokenList:
        tokens = await service.list(request.owner_id)
        return contract.TokenList(tokens=[_token(token) for token in tokens])

    async def revoke_token(request: contract.RevokeToken) -> Empty:
        await service.revoke(request.owner_id, request.token_id)
        return Empty()

    async def authorize_token(request: contract.AuthorizeToken) -> contract.TokenGrant:
        token = await service.authorize(request.token_sha256)
        return contract.TokenGrant.model_validate(
            {"owner_id": token.owner_id, "token_id": token.id, "scope": token.scope}
        )

    await server.serve(contract.CREATE_TOKEN, create_token)
    await server.serve(contract.LIST_TOKENS, list_tokens)
    await server.serve(contract.REVOKE_TOKEN, revoke_token)
    await server.serve(contract.AUTHORIZE_TOKEN, authorize_token)


def _metadata(secret: Secret) -> contract.SecretMetadata:
    return contract.SecretMetadata(
        name=secret.key.name,
        skill=secret.key.skill,
        digest=secret.digest,
        last_four=secret.last_four,
        version=secret.version,
        set_at=secret.set_at,
    )


def _settings(choice: Choice) -> contract.OwnerSettings:
    return contract.OwnerSettings(
        provider=choice.provider,
        model=choice.model,
        base_url=choice.base_url,
        version=choice.version,
    )


def _token(token: Token) -> contract.ApiToken:
    return contract.ApiToken.model_validate(
        {
            "id": token.id,
            "name": token.name,
            "scope": token.scope,
            "last_four": token.last_four,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }
    )
