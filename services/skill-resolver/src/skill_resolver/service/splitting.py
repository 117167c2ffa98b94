"""Where a branch ends and a path begins: `tree/a/b/c/d` can be split in four places."""

from dataclasses import replace

from skill_resolver.errors import RepositoryNotFoundError, SkillNotFoundError
from skill_resolver.model.reference import SkillRef
from skill_resolver.service.snapshots import Snapshots


async def split_tail(snapshots: Snapshots, ref: SkillRef) -> SkillRef:
    """The reference with its branch and path told apart.

    A first segment that is itself a branch, tag or commit decides: git allows no `main/x` beside
    `main`. Only when it is none are the names that begin with it asked for; the longest one whose
    path exists is meant.
    """
    try:
        await snapshots.pin(ref.repository, _unless_default(ref.tail[0]))
    except RepositoryNotFoundError:
        return await _by_names(snapshots, ref)
    return replace(ref, ref=ref.tail[0], path="/".join(ref.tail[1:]), tail=())


async def _by_names(snapshots: Snapshots, ref: SkillRef) -> SkillRef:
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


def _unless_default(ref: str) -> str:
    return "" if ref == "HEAD" else ref
