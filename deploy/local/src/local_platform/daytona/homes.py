"""The folders of sandboxes and volumes on this machine's disk."""

import os
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path

from local_platform.daytona.bubblewrap import HOME
from local_platform.daytona.settings import Forward

PROFILE = 'export PATH="$HOME/.local/bin:$PATH"\n'
# Version 2; then (tag, permissions, id) of owner, group and others: everybody reads and writes.
SHARED_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, 7, 0xFFFFFFFF) for tag in (0x01, 0x04, 0x20)
)


class Homes:
    def __init__(self, data_dir: Path) -> None:
        self._sandboxes = data_dir / "sandboxes"
        self._volumes = data_dir / "volumes"
        self.linked = data_dir / "home"

    def home(self, sandbox_id: str) -> Path:
        return self._sandboxes / sandbox_id / "home"

    def etc(self, sandbox_id: str) -> Path:
        return self._sandboxes / sandbox_id / "etc"

    def create(self, sandbox_id: str, user_id: int) -> None:
        home = self.home(sandbox_id)
        home.mkdir(parents=True, mode=0o755)
        (home / ".profile").write_text(PROFILE)
        if os.geteuid() == 0:
            for path in (home, home / ".profile"):
                os.chown(path, user_id, user_id)

    def write_etc(self, sandbox_id: str, user_id: int, forwards: Iterable[Forward]) -> Path:
        """The few files of `/etc` that are the sandbox's own."""
        folder = self.etc(sandbox_id)
        folder.mkdir(parents=True, exist_ok=True)
        names = " ".join(sorted({forward.name for forward in forwards}))
        own = {
            "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"daytona:x:{user_id}:{user_id}:daytona:/home/daytona:/bin/bash\n"
            f"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
            "group": f"root:x:0:\ndaytona:x:{user_id}:\nnogroup:x:65534:\n",
            "hosts": f"127.0.0.1 localhost {names}\n::1 localhost\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
            "resolv.conf": "",
            "hostname": f"{sandbox_id[:8]}\n",
        }
        for name, content in own.items():
            (folder / name).write_text(content)
            (folder / name).chmod(0o644)
        return folder

    def link(self, sandbox_id: str) -> None:
        """Lead `/home/daytona` here, for a sandbox that has no namespace to have its own one in.

        The link itself is made where this user may; anybody else makes it once by hand.
        """
        self.linked.unlink(missing_ok=True)
        self.linked.symlink_to(self.home(sandbox_id))
        if not HOME.exists() and not HOME.is_symlink() and os.access(HOME.parent, os.W_OK):
            HOME.symlink_to(self.linked)

    def is_linked(self, sandbox_id: str) -> bool:
        return HOME.resolve() == self.home(sandbox_id).resolve()

    def delete(self, sandbox_id: str) -> None:
        folder = self._sandboxes / sandbox_id
        if folder.exists():
            # Renamed first, so that a half-deleted sandbox is never taken for a whole one.
            gone = folder.with_name(f"deleted-{sandbox_id}")
            folder.rename(gone)
            remove_tree(gone)

    def sweep(self, known: set[str]) -> None:
        """Take away folders that no record names."""
        for folder in self._sandboxes.glob("*"):
            if folder.name not in known:
                remove_tree(folder)

    def volume(self, volume_id: str) -> Path:
        return self._volumes / volume_id

    def create_volume(self, volume_id: str) -> None:
        folder = self.volume(volume_id)
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        try:
            os.setxattr(folder, "system.posix_acl_default", SHARED_ACL)
        except OSError:
            # Without access lists other sandboxes read a shared file and cannot change it.
            return

    def delete_volume(self, volume_id: str) -> None:
        folder = self.volume(volume_id)
        if folder.exists():
            remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove what a sandbox left, folders without permissions too; links are not followed."""

    def allow(_: object, path: str, __: object) -> None:
        parent = Path(path).parent
        if not parent.is_symlink():
            parent.chmod(0o700)
        if not Path(path).is_symlink() and Path(path).is_dir():
            Path(path).chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)

    shutil.rmtree(folder, onerror=allow)
