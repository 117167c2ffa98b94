"""Where in a text any of some hundred words stands, found in one pass."""

from collections.abc import Iterable, Mapping, Sequence

from ahocorasick_rs import AhoCorasick


class Needles:
    """Lower-case words to look for; what is looked for later must be among them."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(set(words))
        self._automaton = AhoCorasick(self._words)

    def places(self, lowered: str) -> Mapping[str, Sequence[int]]:
        """The offsets of each word that occurs, in order."""
        found: dict[str, list[int]] = {}
        for word, start, _ in self._automaton.find_matches_as_indexes(lowered, overlapping=True):
            found.setdefault(self._words[word], []).append(start)
        return found
