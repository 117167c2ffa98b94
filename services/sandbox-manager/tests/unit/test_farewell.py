"""A launch whose agent does not start tells what the agent wrote, and nothing that is secret."""

from typing import Any

from common.contracts.sandbox import LaunchState
from common.contracts.skills import EnvVar
from sandbox_manager.errors import SandboxGoneError

World = Any
PDF = "acme/tools/pdf"


def notices(launch: Any) -> list[str]:
    return [entry.text for entry in launch.entries if entry.type == "notice"]


class TestLastWords:
    async def test_the_end_of_its_log_is_told_before_it_is_deleted(self, world: World) -> None:
        world.skills.add(PDF)
        world.agents.is_frozen = True
        world.inside.outputs["agent.log"] = "OSError: no space left\x1b[0m\n"

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.FAILED
        assert notices(launch) == ["The agent's log ends:\nOSError: no space left[0m"]
        assert world.sandbox.state == "absent"

    async def test_values_and_the_agents_own_token_are_hidden(self, world: World) -> None:
        variable = EnvVar(name="PDF_KEY", required=True, source="x")
        world.skills.add(PDF, env_vars=[variable])
        world.keys.enter("PDF_KEY", PDF, "a-secret-value", world.clock())
        world.agents.is_frozen = True
        world.inside.outputs["agent.log"] = "started with a-secret-value"

        launch = await world.launch(PDF)

        assert notices(launch) == ["The agent's log ends:\nstarted with [hidden]"]

    async def test_a_log_that_cannot_be_read_is_left_out(self, world: World) -> None:
        world.skills.add(PDF)
        world.agents.is_frozen = True
        world.inside.faults.append(("output", SandboxGoneError("gone")))

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.FAILED
        assert notices(launch) == []
