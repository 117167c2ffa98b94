"""Wrapping every data key with the current master key."""

from keys.ports import DataKeys, MasterKey

_BATCH = 200


async def rotate(data_keys: DataKeys, master: MasterKey) -> int:
    """Wrap anew what another master key wrapped; how many. Safe to run again and beside the
    service.

    Raises:
        SealBrokenError: a key was wrapped by a master key that is not configured.
    """
    done = 0
    while found := await data_keys.wrapped_otherwise(master.id, limit=_BATCH):
        for old in found:
            data_key = await master.unwrap(old)
            fresh = await master.wrap(data_key, owner_id=old.owner_id)
            done += await data_keys.replace(fresh, expected_master_id=old.master_id)
    return done
