"""skill-resolver and keys, as far as their RPCs are asked."""

from dataclasses import dataclass, field

from common.clock import utc_now
from common.contracts import keys as keys_wire
from common.contracts import skills as skills_wire
from common.digest import skill_digest
from common.errors import NotFoundError
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcServer
from common.testing.fakes import START
from pydantic import SecretStr
from sandbox_fakes.inside import tar


@dataclass
class Neighbours:
    """What skill-resolver and keys would answer."""

    skills: dict[str, skills_wire.ResolvedSkill] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    chosen: keys_wire.OwnerSettings = field(
        default_factory=lambda: keys_wire.OwnerSettings(provider="demo", model="demo")
    )
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, ref: str, files: dict[str, str], *variables: str) -> skills_wire.ResolvedSkill:
        owner, repo, path = ref.split("/", 2)
        triples = [(name, 0o644, text.encode()) for name, text in files.items()]
        skill = skills_wire.ResolvedSkill(
            ref=ref,
            owner=owner,
            repo=repo,
            commit="c" * 40,
            path=path,
            name=path,
            description="",
            digest=skill_digest(triples),
            files=[],
            total_bytes=0,
            env_vars=[
                skills_wire.EnvVar(name=name, required=True, source="test") for name in variables
            ],
            report=skills_wire.SafetyReport(verdict=skills_wire.Verdict.CLEAR),
            resolved_at=utc_now(),
        )
        self.skills[ref] = skill
        self.bundles[skill.digest] = tar(triples)
        return skill

    async def serve_skills(self, server: RpcServer, bucket: ObjectBucket) -> None:
        async def resolve(request: skills_wire.ResolveSkill) -> skills_wire.ResolvedSkill:
            if request.ref not in self.skills:
                raise NotFoundError("no such skill")
            return self.skills[request.ref]

        async def bundle(request: skills_wire.GetBundle) -> skills_wire.Bundle:
            name, content = request.digest.split(":")[1], self.bundles[request.digest]
            await bucket.put(name, content)
            return skills_wire.Bundle(
                digest=request.digest,
                bucket=skills_wire.BUNDLE_BUCKET,
                object_name=name,
                size=len(content),
            )

        await server.serve(skills_wire.RESOLVE, resolve)
        await server.serve(skills_wire.GET_BUNDLE, bundle)

    async def serve_keys(self, server: RpcServer) -> None:
        async def settings(request: keys_wire.GetSettings) -> keys_wire.OwnerSettings:
            return self.chosen

        async def listed(request: keys_wire.ListSecrets) -> keys_wire.SecretList:
            return keys_wire.SecretList(
                secrets=[
                    keys_wire.SecretMetadata(
                        name=name, skill=skill, last_four="", version=len(value), set_at=START
                    )
                    for (name, skill), value in self.secrets.items()
                ]
            )

        async def reveal(request: keys_wire.Reveal) -> keys_wire.Revealed:
            value = self.secrets[request.name, request.skill or ""]
            return keys_wire.Revealed(value=SecretStr(value), version=1)

        await server.serve(keys_wire.GET_SETTINGS, settings)
        await server.serve(keys_wire.LIST_SECRETS, listed)
        await server.serve(keys_wire.REVEAL, reveal)
