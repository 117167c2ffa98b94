"""A sealed value opens under its key, in its row, unaltered, and nowhere else."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keys.adapters.master_key import LocalMasterKey
from keys.errors import SealBrokenError
from keys.model.sealing import Sealed, WrappedKey, bound_to, new_key, seal, unseal
from keys.model.secret import SecretKey, associated

KEY = new_key()
PARTS = st.lists(st.one_of(st.text(max_size=20), st.integers()), max_size=6)


class TestSeal:
    @given(st.binary(max_size=2000), st.binary(max_size=100))
    def test_what_is_sealed_opens(self, plaintext: bytes, bound: bytes) -> None:
        assert unseal(KEY, seal(KEY, plaintext, bound), bound) == plaintext

    @given(st.binary(min_size=8, max_size=200))
    def test_the_same_value_never_looks_the_same(self, plaintext: bytes) -> None:
        first, second = seal(KEY, plaintext, b""), seal(KEY, plaintext, b"")

        assert first != second
        assert plaintext not in first.ciphertext

    @given(st.binary(max_size=100), st.data())
    def test_one_altered_bit_breaks_it(self, plaintext: bytes, data: st.DataObject) -> None:
        sealed = seal(KEY, plaintext, b"row")
        place = data.draw(st.integers(0, len(sealed.ciphertext) * 8 - 1))
        altered = bytearray(sealed.ciphertext)
        altered[place // 8] ^= 1 << place % 8

        with pytest.raises(SealBrokenError):
            unseal(KEY, Sealed(sealed.nonce, bytes(altered)), b"row")

    def test_another_key_does_not_open_it(self) -> None:
        with pytest.raises(SealBrokenError):
            unseal(new_key(), seal(KEY, b"value", b""), b"")

    @pytest.mark.parametrize("nonce", [b"", b"short", bytes(12)])
    def test_another_nonce_does_not_open_it(self, nonce: bytes) -> None:
        sealed = seal(KEY, b"value", b"")

        with pytest.raises(SealBrokenError):
            unseal(KEY, Sealed(nonce, sealed.ciphertext), b"")


class TestBoundTo:
    @given(PARTS, PARTS)
    def test_different_parts_never_read_the_same(
        self, first: list[str | int], second: list[str | int]
    ) -> None:
        assert (bound_to(*first) == bound_to(*second)) == (first == second)

    @pytest.mark.parametrize(
        "other",
        [
            associated(SecretKey("own_b", "A_KEY", "x/y"), version=1, digest="d"),
            associated(SecretKey("own_a", "B_KEY", "x/y"), version=1, digest="d"),
            associated(SecretKey("own_a", "A_KEY", "x/z"), version=1, digest="d"),
            associated(SecretKey("own_a", "A_KEY"), version=1, digest="d"),
            associated(SecretKey("own_a", "A_KEY", "x/y"), version=2, digest="d"),
            associated(SecretKey("own_a", "A_KEY", "x/y"), version=1, digest="e"),
        ],
    )
    def test_a_moved_ciphertext_does_not_open(self, other: bytes) -> None:
        own = associated(SecretKey("own_a", "A_KEY", "x/y"), version=1, digest="d")
        sealed = seal(KEY, b"value", own)

        with pytest.raises(SealBrokenError):
            unseal(KEY, sealed, other)


class TestMasterKey:
    async def test_a_wrapped_key_opens_under_its_master(self) -> None:
        master, data_key = LocalMasterKey(os.urandom(32)), new_key()

        wrapped = await master.wrap(data_key, owner_id="own_a")

        assert await master.unwrap(wrapped) == data_key
        assert data_key not in wrapped.sealed.ciphertext

    async def test_a_wrong_master_does_not_open_it(self) -> None:
        wrapped = await LocalMasterKey(os.urandom(32)).wrap(new_key(), owner_id="own_a")
        other = LocalMasterKey(os.urandom(32))

        with pytest.raises(SealBrokenError):
            await other.unwrap(wrapped)
        with pytest.raises(SealBrokenError):
            await other.unwrap(WrappedKey("own_a", other.id, wrapped.sealed))

    async def test_a_wrapped_key_moved_to_another_owner_does_not_open(self) -> None:
        master = LocalMasterKey(os.urandom(32))
        wrapped = await master.wrap(new_key(), owner_id="own_a")

        with pytest.raises(SealBrokenError):
            await master.unwrap(WrappedKey("own_b", wrapped.master_id, wrapped.sealed))

    async def test_a_previous_master_opens_and_never_wraps(self) -> None:
        old, new, data_key = os.urandom(32), os.urandom(32), new_key()
        wrapped = await LocalMasterKey(old).wrap(data_key, owner_id="own_a")
        rotated = LocalMasterKey(new, [old])

        assert await rotated.unwrap(wrapped) == data_key
        assert (await rotated.wrap(data_key, owner_id="own_a")).master_id == rotated.id
        assert rotated.id == LocalMasterKey(new).id

    def test_its_id_tells_nothing_of_it(self) -> None:
        key = os.urandom(32)

        assert LocalMasterKey(key).id not in key.hex()
