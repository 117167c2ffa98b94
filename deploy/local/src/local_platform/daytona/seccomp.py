"""A system call filter: fewer doors into the kernel for what runs in a sandbox.

No new user namespaces (they give back rights over mounts and networks), none of the calls that
only an administrator or an attacker needs, and only the socket families that a program in a
private network can use; a machine's VSOCK, for one, is not private to a network namespace.

The filter is a BPF program in the kernel's own form, eight bytes an instruction. `clone3` must
look absent, so that C libraries fall back to `clone`, whose flags a filter can see.
"""

import platform
import struct
from dataclasses import dataclass

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
NEW_USER_NAMESPACE = 0x10000000
X32_CALLS = 0x40000000
SOCKET_FAMILIES = {"unix": 1, "inet": 2, "inet6": 10, "netlink": 16}


@dataclass(frozen=True)
class Machine:
    audit: int
    clone: int
    unshare: int
    clone3: int
    socket: int
    denied: dict[str, int]
    has_x32: bool = False


# The same numbers on every machine since system calls are numbered alike.
SHARED = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
}


def numbered(text: str) -> dict[str, int]:
    """Read `name=number`, separated by spaces."""
    pairs = (item.split("=") for item in text.split())
    return SHARED | {name: int(number) for name, number in pairs}


MACHINES = {
    "x86_64": Machine(
        audit=0xC000003E,
        clone=56,
        unshare=272,
        clone3=435,
        socket=41,
        has_x32=True,
        denied=numbered("""
            mount=165 umount2=166 pivot_root=155 chroot=161 setns=308 acct=163 swapon=167
            swapoff=168 reboot=169 init_module=175 delete_module=176 finit_module=313
            kexec_load=246 kexec_file_load=320 bpf=321 perf_event_open=298 userfaultfd=323
            add_key=248 request_key=249 keyctl=250 open_by_handle_at=304 kcmp=312 iopl=172
            ioperm=173 quotactl=179 lookup_dcookie=212
        """),
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        clone=220,
        unshare=97,
        clone3=435,
        socket=198,
        denied=numbered("""
            mount=40 umount2=39 pivot_root=41 chroot=51 setns=268 acct=89 swapon=224
            swapoff=225 reboot=142 init_module=105 delete_module=106 finit_module=273
            kexec_load=104 kexec_file_load=294 bpf=280 perf_event_open=241 userfaultfd=282
            add_key=217 request_key=218 keyctl=219 open_by_handle_at=265 kcmp=272 quotactl=60
            lookup_dcookie=18
        """),
    ),
}


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def refuse(error: int) -> bytes:
    return step(RETURN, ERRNO | error)


def when(number: int, then: list[bytes]) -> list[bytes]:
    """`then` for one call; it must end in a return."""
    return [step(EQUAL, number, 0, len(then)), *then]


def without_user_namespace() -> list[bytes]:
    return [
        step(LOAD, FIRST_ARGUMENT),
        step(ANY_BIT, NEW_USER_NAMESPACE, 0, 1),
        refuse(EPERM),
        step(RETURN, ALLOW),
    ]


def of_known_family() -> list[bytes]:
    families = list(SOCKET_FAMILIES.values())
    tests = [step(EQUAL, family, len(families) - at, 0) for at, family in enumerate(families)]
    return [step(LOAD, FIRST_ARGUMENT), *tests, refuse(EAFNOSUPPORT), step(RETURN, ALLOW)]


def program(machine: Machine) -> bytes:
    steps = [
        step(LOAD, ARCHITECTURE),
        step(EQUAL, machine.audit, 1, 0),
        refuse(ENOSYS),
        step(LOAD, NUMBER),
    ]
    if machine.has_x32:
        steps += [step(AT_LEAST, X32_CALLS, 0, 1), refuse(ENOSYS)]
    steps += when(machine.clone3, [refuse(ENOSYS)])
    steps += when(machine.clone, without_user_namespace())
    steps += when(machine.unshare, without_user_namespace())
    steps += when(machine.socket, of_known_family())
    for number in sorted(machine.denied.values()):
        steps += when(number, [refuse(EPERM)])
    return b"".join([*steps, step(RETURN, ALLOW)])


def for_this_machine() -> bytes | None:
    """None on a machine whose call numbers are not known here."""
    found = MACHINES.get(platform.machine())
    return program(found) if found is not None else None
