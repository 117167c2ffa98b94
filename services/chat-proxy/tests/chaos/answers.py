"""What the agent says in one turn, derived from a number alone: whoever has it knows the whole
answer without being told.

Every piece of text carries a mark of its own, so that a lost, a doubled and a misplaced one can be
told apart.
"""

import random
import re
from dataclasses import dataclass

_PROMPT = re.compile(r"\[\[answer (\d+) (\d+) (\d+)\]\]")
_MARK = re.compile(r"<(\d+)>")
_SCRAPS = ("ä", "€", "😀", '"', "\\", "\n", "\n\n", "* item", "{}", "&lt;", "\t", "日本")


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Used:
    """A tool; a `dangerous` one waits for an approval."""

    call_id: str
    command: str
    dangerous: bool


Step = Said | Thought | Used


@dataclass(frozen=True)
class Answer:
    """`every_s` seconds lie between two steps."""

    number: int
    pieces: int
    every_s: float

    @property
    def prompt(self) -> str:
        return f"[[answer {self.number} {self.pieces} {int(self.every_s * 1000)}]]"

    @property
    def has_approval(self) -> bool:
        return self.number % 5 == 0

    @property
    def choice(self) -> str:
        """What the person answers."""
        return "deny" if self.number % 15 == 0 else "once"

    def steps(self) -> list[Step]:
        chance = random.Random(self.number)
        steps: list[Step] = [Thought(f"thinking of {self.number}")]
        tools = {self.pieces // 2} if self.has_approval or self.number % 3 == 0 else set()
        if self.number % 6 == 0:
            tools |= {self.pieces // 4}
        fresh = False
        for mark in range(self.pieces):
            if mark in tools:
                dangerous = self.has_approval and mark == self.pieces // 2
                command = f"rm -rf {self.number}" if dangerous else f"ls {self.number}"
                steps.append(Used(f"call_{self.number}_{mark}", command, dangerous))
                fresh = True
            text = _piece(mark, chance)
            # After a tool the agent begins a new paragraph.
            steps.append(Said(f"\n\n{text.lstrip()}" if fresh else text))
            fresh = False
        return steps

    @property
    def text(self) -> str:
        return "".join(one.text for one in self.steps() if isinstance(one, Said)).strip()


def answer_of(prompt: str) -> Answer:
    """The answer that a prompt asks for."""
    found = _PROMPT.search(prompt)
    assert found is not None, prompt
    return Answer(int(found[1]), int(found[2]), int(found[3]) / 1000)


def marks(text: str) -> list[int]:
    return [int(mark) for mark in _MARK.findall(text)]


def _piece(mark: int, chance: random.Random) -> str:
    words = " ".join(chance.choice(_SCRAPS) for _ in range(chance.randint(0, 6)))
    return f"<{mark}> word{chance.randint(0, 9999)} {words} "
