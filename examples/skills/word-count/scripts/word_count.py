#!/usr/bin/env python3
"""Count the words, sentences and characters of a text; name its most frequent words."""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="?", help="the text to count")
    source.add_argument("--file", type=Path, help="read the text from this file")
    parser.add_argument("--top", type=int, default=5, help="how many frequent words to name")
    return parser.parse_args()


def report(text: str, top: int) -> str:
    words = WORD.findall(text)
    sentences = max(len(SENTENCE_END.findall(text)), 1)
    frequent = Counter(word.lower() for word in words).most_common(top)
    lines = [
        f"words: {len(words)}",
        f"sentences: {sentences}",
        f"characters: {len(text)}",
        f"words per sentence: {len(words) / sentences:.1f}",
        "most frequent: " + ", ".join(f"{word} ({count})" for word, count in frequent),
    ]
    return "\n".join(lines)


def main() -> int:
    arguments = parse_arguments()
    try:
        text = arguments.file.read_text(encoding="utf-8") if arguments.file else arguments.text
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read {arguments.file}: {error}", file=sys.stderr)
        return 1
    if not WORD.search(text):
        print("there is no word in this text", file=sys.stderr)
        return 2
    print(report(text, arguments.top))
    return 0


if __name__ == "__main__":
    sys.exit(main())
