"""The filter's verdicts, by running its program the way the kernel does."""

import struct

import pytest
from local_platform.daytona import seccomp
from local_platform.daytona.seccomp import MACHINES, Machine, program

ALLOWED = "allowed"
X86, ARM = MACHINES["x86_64"], MACHINES["aarch64"]


def verdict(machine: Machine, number: int, argument: int = 0, audit: int | None = None) -> str:
    """What the kernel's interpreter of this small language would answer."""
    data = struct.pack("=iIQQ", number, machine.audit if audit is None else audit, 0, argument)
    steps = list(struct.iter_unpack("=HBBI", program(machine)))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == seccomp.RETURN:
            return ALLOWED if value == seccomp.ALLOW else f"errno {value & 0xFFFF}"
        else:
            is_true = {
                seccomp.EQUAL: accumulator == value,
                seccomp.AT_LEAST: accumulator >= value,
                seccomp.ANY_BIT: bool(accumulator & value),
            }[code]
            at += if_true if is_true else if_false


@pytest.mark.parametrize("machine", [X86, ARM])
class TestVerdicts:
    def test_every_denied_call_is_refused(self, machine: Machine) -> None:
        for name, number in machine.denied.items():
            assert verdict(machine, number) == "errno 1", name

    def test_ordinary_calls_pass(self, machine: Machine) -> None:
        special = {*machine.denied.values(), machine.clone3, machine.socket}
        ordinary = [number for number in range(450) if number not in special]

        assert {verdict(machine, number) for number in ordinary} == {ALLOWED}

    def test_a_new_process_is_allowed_and_a_new_user_namespace_not(self, machine: Machine) -> None:
        assert verdict(machine, machine.clone, 0x01200011) == ALLOWED
        assert verdict(machine, machine.clone, 0x10000011) == "errno 1"
        assert verdict(machine, machine.unshare, 0x10000000) == "errno 1"
        assert verdict(machine, machine.clone3) == "errno 38"

    @pytest.mark.parametrize(
        ("family", "answer"),
        [(1, ALLOWED), (2, ALLOWED), (10, ALLOWED), (16, ALLOWED)]
        + [(family, "errno 97") for family in (0, 3, 9, 17, 31, 38, 40, 44)],
    )
    def test_only_ordinary_socket_families(
        self, machine: Machine, family: int, answer: str
    ) -> None:
        assert verdict(machine, machine.socket, family) == answer

    def test_calls_of_another_architecture_are_refused(self, machine: Machine) -> None:
        assert verdict(machine, 1, audit=0x40000003) == "errno 38"


def test_the_x32_numbering_is_refused() -> None:
    assert verdict(X86, 0x40000000 + 1) == "errno 38"
