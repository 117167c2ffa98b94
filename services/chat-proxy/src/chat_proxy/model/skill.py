"""The session's skill in the words of the agent: its text in the first prompt, and whether another
skill was loaded.
"""

import json
import re
from typing import Any

from common.contracts.sandbox import LaunchSkill

from chat_proxy.model.session import ChatSession

_INVOKED = (
    '[IMPORTANT: The user has invoked the "{name}" skill, indicating they want you to follow its '
    "instructions. The full skill content is loaded below.]"
)
_DIRECTORY = (
    "[Skill directory: {directory}]\n"
    "Resolve any relative paths in this skill (e.g. `scripts/foo.js`, `templates/config.yaml`) "
    "against that directory, then run them with the terminal tool using the absolute path."
)
_INSTRUCTED = "The user's client gives these instructions for the conversation: {instructions}"
_ALONGSIDE = (
    "The user has provided the following instruction alongside the skill invocation: {text}"
)
_READS_SKILLS = "skill_view"


def first_prompt(session: ChatSession, content: str, directory: str, text: str) -> str:
    """The user's text with the skill in front of it, in the form in which the agent itself loads a
    skill that a user invokes; a client's own instructions stand in between.
    """
    instructions = session.context.instructions.strip() if session.context else ""
    expanded = content.replace("${HERMES_SKILL_DIR}", directory)
    return "\n\n".join(
        (
            _INVOKED.format(name=session.skill.name),
            expanded.strip(),
            _DIRECTORY.format(directory=directory),
            *([_INSTRUCTED.format(instructions=instructions)] if instructions else []),
            _ALONGSIDE.format(text=text),
        )
    )


def other_skill(
    name: str, arguments: dict[str, Any] | None, skill: LaunchSkill, directory: str
) -> str | None:
    """The other skill that this tool call loads or reads from, by name or directory."""
    if not arguments:
        return None
    if name == _READS_SKILLS:
        asked = str(arguments.get("name", "")).strip().rsplit("/", 1)[-1]
        own = {skill.name, skill.directory, skill.path.rsplit("/", 1)[-1], skill.repo, ""}
        return None if asked in own else asked
    root, _, own_directory = directory.rstrip("/").rpartition("/")
    if not root:
        return None
    for match in re.finditer(rf"{re.escape(root)}/([\w.-]+)", json.dumps(arguments)):
        if match.group(1) != own_directory:
            return match.group(1)
    return None
