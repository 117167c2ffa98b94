"""The subjects of the resolver, each a use case."""

from common.contracts import skills as contract
from common.messaging.rpc import RpcServer

from skill_resolver.service import Resolver


async def serve(server: RpcServer, resolver: Resolver) -> None:
    async def resolve(request: contract.ResolveSkill) -> contract.ResolvedSkill:
        return await resolver.resolve(request.ref)

    async def get_skill(request: contract.GetSkill) -> contract.ResolvedSkill:
        return await resolver.skill(request.digest)

    async def list_repository(request: contract.ListRepository) -> contract.RepositorySkills:
        return await resolver.list_repository(request.owner, request.repo, request.ref)

    async def read_file(request: contract.ReadSkillFile) -> contract.SkillFileContent:
        return await resolver.read_file(request.digest, request.path)

    async def get_bundle(request: contract.GetBundle) -> contract.Bundle:
        return await resolver.bundle(request.digest)

    await server.serve(contract.RESOLVE, resolve)
    await server.serve(contract.GET_SKILL, get_skill)
    await server.serve(contract.LIST_REPOSITORY, list_repository)
    await server.serve(contract.READ_SKILL_FILE, read_file)
    await server.serve(contract.GET_BUNDLE, get_bundle)
