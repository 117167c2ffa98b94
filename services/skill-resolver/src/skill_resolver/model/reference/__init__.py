"""What a user may paste, and what it says.

`parse` reads every accepted form into a `SkillRef` and raises for everything else; it never asks
the network, so what only the repository can tell (where a branch ends and a path begins, whether a
word is a name or a path) is left open.
"""

from skill_resolver.model.reference.parse import parse
from skill_resolver.model.reference.ref import LOCAL_OWNER, SkillRef, render

__all__ = ["LOCAL_OWNER", "SkillRef", "parse", "render"]
