"""Where a branch ends and a path begins: `tree/a/b/c/d` can be split in four places."""

from dataclasses import replace

from skill_resolver.errors import SkillNotFoundError
from skill_resolver.model.reference import SkillRef
from skill_resolver.service.snapshots import Snapshots


def shortest(ref: SkillRef) -> SkillRef:
    """The first segment as the branch. If there is such a branch it is nearly always meant: git
    allows no `main/x` beside `main`, though a tag may be called so.
    """
    first = "" if ref.tail[0] == "HEAD" else ref.tail[0]
    return replace(ref, ref=first, path="/".join(ref.tail[1:]), tail=())


async def longer(snapshots: Snapshots, ref: SkillRef) -> SkillRef:
    """The longest branch or tag of several segments whose path exists.

    Raises SkillNotFoundError where there is none.
    """
    names = await snapshots.refs(ref.repository, ref.tail[0])
    splits = [
        (names["/".join(ref.tail[:count])], "/".join(ref.tail[count:]))
        for count in range(len(ref.tail), 1, -1)
        if "/".join(ref.tail[:count]) in names
    ]
    for commit, path in splits:
        snapshot = await snapshots.at(ref.repository, commit)
        if snapshot.tree.resolve(path) is not None:
            return replace(ref, ref=commit, path=path, tail=())
    asked = "/".join(ref.tail)[:200]
    raise SkillNotFoundError(
        f"{ref.repository} has no branch, tag or commit at the start of {asked!r}."
        if not splits
        else f"There is no {splits[0][1][:200]!r} on that branch."
    )
