"""The skill that came with a message, and what its own text asks for."""

import re
import shlex
from dataclasses import dataclass

INVOKED = re.compile(r'\[IMPORTANT: The user has invoked the "(?P<name>[^"\n]+)" skill[^\]]*\]')
DIRECTORY = re.compile(r"^\[Skill directory: (?P<directory>[^\]\n]+)\]", re.M)
INSTRUCTION = "The user has provided the following instruction alongside the skill invocation:"
NOTE = "\n\n[Runtime note:"

FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?\n?", re.S | re.M)
REFERENCE = re.compile(r"\breferences/[\w./-]*\w")
COMMAND = re.compile(
    r"(?P<run>(?:python3?|bash|sh|node)[ \t]+[^\s`]*\bscripts/[\w./-]+\"?)(?P<arguments>[^`\n]*)"
)
PLACEHOLDER = re.compile(r"([\"']?)<([^<>\n]+)>\1")
OPTIONAL = re.compile(r"\[[^\]\n]*\]")
WORDS = {"text", "words", "prompt", "message", "question", "query", "input", "request", "topic"}
VARIABLES = re.compile(
    r"^required_environment_variables:[^\n]*\n(?P<block>(?:[ \t-][^\n]*\n?)*)", re.M
)
VARIABLE = re.compile(
    r"(?:name:|env_var:|-)[ \t]*[\"']?(?P<name>[A-Z_][A-Z0-9_]*)[\"']?[ \t]*$", re.M
)
QUOTE = re.compile(r"^[ \t]*>[ \t]?(?P<line>.+)$", re.M)


@dataclass(frozen=True)
class Skill:
    """`text` is SKILL.md as the agent loaded it, `instruction` what the user said with it."""

    name: str
    text: str
    directory: str
    instruction: str

    @property
    def body(self) -> str:
        return FRONT_MATTER.sub("", self.text).strip()

    @property
    def own_words(self) -> str:
        """What the skill wants to be heard: its first quoted lines, or its first paragraph."""
        quoted = QUOTE.search(self.body)
        if quoted:
            return quoted["line"].strip()
        parts = (part.strip() for part in re.split(r"\n[ \t]*\n", self.body))
        return next((part for part in parts if part and not part.startswith(("#", "```"))), "")

    @property
    def reference(self) -> str | None:
        found = REFERENCE.search(self.body)
        return found[0] if found else None

    @property
    def variables(self) -> list[str]:
        front_matter = FRONT_MATTER.match(self.text)
        block = VARIABLES.search(front_matter["yaml"]) if front_matter else None
        return [found["name"] for found in VARIABLE.finditer(block["block"])] if block else []

    def command(self, words: str) -> str | None:
        """The first command line on a script of the skill, about `words`.

        A placeholder such as `<text>` becomes the words; where another value would have to be
        invented the script is asked for its help instead.
        """
        found = COMMAND.search(self.body)
        if not found:
            return None
        arguments = OPTIONAL.sub("", found["arguments"]).rstrip(" \t\\")
        names = [name.strip().lower() for _, name in PLACEHOLDER.findall(arguments)]
        if not all(name in WORDS for name in names):
            return f"{found['run']} --help"
        return found["run"] + PLACEHOLDER.sub(lambda _: shlex.quote(words), arguments)

    @property
    def asks_for_words(self) -> bool:
        """Whether its command would say something else about other words."""
        return self.command("a") != self.command("b")


def read_skill(message: str) -> Skill | None:
    """The skill in a user message of the form in which the agent loads one, or None."""
    invoked = INVOKED.search(message)
    if not invoked:
        return None
    loaded, _, instruction = message[invoked.end() :].partition(INSTRUCTION)
    directory = DIRECTORY.search(loaded)
    return Skill(
        name=invoked["name"],
        text=(loaded[: directory.start()] if directory else loaded).strip() + "\n",
        directory=directory["directory"].strip() if directory else "",
        instruction=instruction.partition(NOTE)[0].strip(),
    )
