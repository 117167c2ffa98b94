"""A skill's files as one archive: the same bytes for the same files, whoever packs them."""

import io
import tarfile
from collections.abc import Iterable

Packed = tuple[str, int, bytes]


def pack(files: Iterable[Packed]) -> bytes:
    """An uncompressed tar of `(path, mode, content)`, sorted, without owners and times."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, mode, content in sorted(files, key=lambda file: file[0].encode()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack(bundle: bytes) -> list[Packed]:
    """What was packed, in its order."""
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as archive:
        return [
            (member.name, member.mode, (archive.extractfile(member) or io.BytesIO()).read())
            for member in archive
        ]


def read_one(bundle: bytes, path: str) -> tuple[int, bytes] | None:
    """Mode and content of one file."""
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as archive:
        try:
            member = archive.getmember(path)
        except KeyError:
            return None
        file = archive.extractfile(member)
        return None if file is None else (member.mode, file.read())
