"""A master key held in memory; a key management service would be a second file like this."""

import hashlib
from collections.abc import Sequence

from keys.errors import SealBrokenError
from keys.model.sealing import WrappedKey, bound_to, seal, unseal

_LABEL = b"tryskills master key id\0"
_ID_DIGITS = 16


class LocalMasterKey:
    """Wraps with `current`; opens what `current` or one of `previous` wrapped."""

    def __init__(self, current: bytes, previous: Sequence[bytes] = ()) -> None:
        self._current = current
        self._by_id = {_id_of(key): key for key in (*previous, current)}

    @property
    def id(self) -> str:
        return _id_of(self._current)

    async def wrap(self, data_key: bytes, *, owner_id: str) -> WrappedKey:
        sealed = seal(self._current, data_key, _associated(owner_id, self.id))
        return WrappedKey(owner_id, self.id, sealed)

    async def unwrap(self, wrapped: WrappedKey) -> bytes:
        key = self._by_id.get(wrapped.master_id)
        if key is None:
            message = "a data key was wrapped by a master key that is not configured"
            raise SealBrokenError(message)
        return unseal(key, wrapped.sealed, _associated(wrapped.owner_id, wrapped.master_id))


def _id_of(key: bytes) -> str:
    return hashlib.sha256(_LABEL + key).hexdigest()[:_ID_DIGITS]


def _associated(owner_id: str, master_id: str) -> bytes:
    return bound_to("data_key", owner_id, master_id)
