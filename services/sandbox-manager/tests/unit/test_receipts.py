"""Receipts: signed, and verified by whoever has one and the deployment's public key."""

import contextlib
import io
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from common.contracts.sandbox import Receipt
from cryptography.exceptions import InvalidSignature
from sandbox_manager.adapters.signing import Ed25519Signer
from sandbox_manager.service.receipts import Receipts, signed_text

World = Any
PDF = "acme/tools/pdf"
KEY = os.urandom(32)


SCRIPT = Path(__file__).parents[4] / "examples/receipts/verify.py"


def verify(text: str, key: str = Ed25519Signer(KEY).public_key) -> str:
    """What anybody can do with a receipt as the API gives it, by the script that the docs show."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as told:
        patch.setattr(sys, "stdin", io.StringIO(text))
        patch.setattr(sys, "argv", [str(SCRIPT), key])
        runpy.run_path(str(SCRIPT))
    return told.getvalue()


async def receipt(world: World) -> Receipt:
    signed = Receipts(Ed25519Signer(KEY))
    world.skills.add(PDF, env_vars=[world.variable("KEY")])
    world.keys.enter("KEY", PDF, "the value", world.clock())
    launch = await world.launch(PDF)
    facts = await world.driver.configs.facts(world.owner)
    wanted = world.driver.configs.wanted_for(facts, world.sandbox, launch)
    return signed.of(launch, world.sandbox, wanted)


class TestSignature:
    async def test_it_holds_for_the_json_as_given(self, world: World) -> None:
        made = await receipt(world)

        assert verify(made.model_dump_json()) == f"genuine: {PDF} {made.skill.digest}\n"

    async def test_it_holds_after_the_store(self, world: World) -> None:
        made = await receipt(world)

        assert verify(Receipt.model_validate(made.model_dump()).model_dump_json())

    @pytest.mark.parametrize("field", ["model", "sandbox_id", "config_hash", "signed_by"])
    async def test_any_other_field_breaks_it(self, world: World, field: str) -> None:
        made = await receipt(world)
        changed = made.model_copy(update={field: Ed25519Signer(os.urandom(32)).public_key})

        with pytest.raises(InvalidSignature):
            verify(changed.model_dump_json())

    async def test_another_deployments_key_does_not_fit(self, world: World) -> None:
        made = await receipt(world)

        with pytest.raises(InvalidSignature):
            verify(made.model_dump_json(), Ed25519Signer(os.urandom(32)).public_key)

    def test_the_same_sealing_key_is_the_same_signer(self) -> None:
        assert Ed25519Signer(KEY).public_key == Ed25519Signer(KEY).public_key
        assert Ed25519Signer(KEY).public_key != Ed25519Signer(os.urandom(32)).public_key


class TestContent:
    async def test_names_of_variables_and_never_values(self, world: World) -> None:
        made = await receipt(world)

        assert made.variables == ["KEY"]
        assert b"the value" not in signed_text(made)

    async def test_it_names_the_agent_that_was_found_in_the_sandbox(self, world: World) -> None:
        world.inside.version = "0.20.1"

        assert (await receipt(world)).agent == "hermes-agent==0.20.1"

    async def test_it_says_which_report_the_launch_passed_with(self, world: World) -> None:
        made = await receipt(world)

        assert made.report_digest.startswith("sha256:")
