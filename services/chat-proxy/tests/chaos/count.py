"""What a run counts: every number and every mark once and in order, every turn ended, every
dangerous command run at most once and only where its journal says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.agent import Agent
from chaos.answers import Answer, marks
from chaos.person import Person
from chaos.relays import RelayCount
from chaos.viewer import Seen, shown


@dataclass
class FloodCount:
    """`grown_mib` is by how much each program grew at most, `kept` the characters of the flood
    that stand in its journal.
    """

    said: int = 0
    kept: int = 0
    stalled_given_up: int = 0
    grown_mib: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class Count:
    """`cases` are turns; `relay` is counted apart, `facts` are no failures."""

    cases: int = 0
    viewers: int = 0
    connections: int = 0
    entries: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    left_over: int = 0
    without_end: int = 0
    relay: RelayCount | None = None
    flood: FloodCount | None = None
    facts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        bad = self.lost + self.doubled + self.out_of_order + self.left_over + self.without_end
        return bad == 0 and not self.problems and not (self.relay and self.relay.wrong)

    def note(self, fact: str) -> None:
        self.facts[fact] = self.facts.get(fact, 0) + 1

    def viewer(self, seen: Seen, name: str) -> None:
        """The numbers that one viewer got."""
        self.viewers += 1
        self.connections += seen.connections
        self.entries += len(seen.entries)
        self.lost += seen.lost
        self.doubled += seen.doubled
        self.out_of_order += seen.out_of_order
        for error in seen.errors:
            self.note(f"viewer: {error}")
        if seen.lost or seen.doubled or seen.out_of_order:
            self.problems.append(
                f"{name}: {seen.lost} lost, {seen.doubled} doubled, {seen.out_of_order} disordered"
            )

    def turn(self, seen: Seen, turn_id: str, answer: Answer, name: str) -> None:
        """The answer as one viewer saw it."""
        entries = seen.of_turn(turn_id)
        if not seen.ended(turn_id):
            self.without_end += 1
            last = entries[-1] if entries else None
            self.problems.append(f"{name}: no end at {seen.last}, last {last}")
            return
        ended = entries[-1]
        if ended["state"] != "completed":
            self.problems.append(f"{name}: {ended['state']} {ended['error']}")
        told, sent = shown(entries), answer.text
        if any(entry.get("code") == "reattached" for entry in entries) and told != sent:
            # The agent's record keeps no white space around the text of a step.
            told, sent = (" ".join(text.split()) for text in (told, sent))
            self.note("put back without white space")
        self.text(told, sent, name)

    def text(self, told: str, sent: str, name: str) -> None:
        if told == sent:
            return
        got, wanted = marks(told), marks(sent)
        often = Counter(got)
        self.lost += sum(mark not in often for mark in wanted) or 1
        self.doubled += sum(times - 1 for times in often.values())
        self.out_of_order += sum(a > b for a, b in pairwise(got))
        at = next((n for n, (a, b) in enumerate(zip(told, sent, strict=False)) if a != b), 0)
        around = slice(max(at - 40, 0), at + 80)
        self.problems.append(f"{name}: told {told[around]!r}, sent {sent[around]!r}; {got}")

    def facts_of(self, seen: Seen, turn_id: str) -> None:
        for entry in seen.of_turn(turn_id):
            if entry["type"] == "notice":
                self.note(f"notice: {entry['code']}")
            elif entry["type"] == "text.replaced":
                self.note("text.replaced")
            elif entry["type"] == "tool.completed" and entry["recovered"]:
                self.note("cards recovered")

    def approvals(
        self, entries: Sequence[dict[str, Any]], answer: Answer, agent: Agent, person: Person
    ) -> None:
        """That the journal tells what the agent did."""
        name = f"answer {answer.number}"
        if agent.prompts[answer.prompt] != 1:
            self.doubled += max(agent.prompts[answer.prompt] - 1, 0)
            self.problems.append(f"{name}: prompted {agent.prompts[answer.prompt]} times")
        if not answer.has_approval:
            return
        asked = [one["approval_id"] for one in entries if one["type"] == "approval.requested"]
        resolved = [one for one in entries if one["type"] == "approval.resolved"]
        ran = agent.ran[f"rm -rf {answer.number}"]
        states = [one["state"] for one in resolved]
        for state in states:
            self.note(f"approval: {state}")
        self.doubled += max(ran - 1, 0)
        allowed = [one for one in resolved if one["choice"] == "once"]
        fits = {
            "delivered": ran == len(allowed),
            "unknown": ran <= len(allowed),
        }.get(states[0] if states else "", ran == 0)
        # Asked while nobody listened, it is refused without being shown.
        once = len(asked) == len(resolved) <= 1 and all(person.taken[one] <= 1 for one in asked)
        if not (fits and once):
            self.problems.append(
                f"{name}: asked {asked}, resolved {states}, ran {ran} times, "
                f"taken {[person.taken[one] for one in asked]}"
            )
