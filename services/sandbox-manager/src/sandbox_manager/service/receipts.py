"""What exactly a launch put where, signed."""

import json
from dataclasses import dataclass

from common.contracts.sandbox import LaunchPath, Receipt

from sandbox_manager.model.launch import Launch
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.own import Signer
from sandbox_manager.service.configuring import Wanted


@dataclass(frozen=True)
class Receipts:
    signer: Signer

    @property
    def public_key(self) -> str:
        return self.signer.public_key

    def of(self, launch: Launch, sandbox: Sandbox, wanted: Wanted) -> Receipt:
        installed = sandbox.installed(launch.skill.directory)
        receipt = Receipt(
            launch_id=launch.id,
            skill=launch.skill,
            path=launch.path or LaunchPath.INSTANT,
            sandbox_id=sandbox.provider_id or "",
            image=sandbox.image or "",
            agent=f"hermes-agent=={sandbox.agent}" if sandbox.agent else "hermes-agent",
            provider=wanted.choice.provider,
            model=wanted.choice.model,
            verified_at=installed.installed_at if installed else launch.created_at,
            config_hash=wanted.config_hash,
            variables=[variable.name for variable in wanted.variables.given],
            report_digest=launch.report_digest,
            signed_by=self.public_key,
        )
        return receipt.model_copy(update={"signature": self.signer.sign(signed_text(receipt))})


def signed_text(receipt: Receipt) -> bytes:
    """All fields but the signature, as whoever has the receipt's JSON writes them again."""
    fields = receipt.model_dump(mode="json", exclude={"signature"})
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
