"""Putting, listing, deleting and revealing secrets."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from common.errors import ConflictError, ErrorCode, InvalidError, NotFoundError
from keys.errors import SealBrokenError
from keys.model.secret import SecretKey

if TYPE_CHECKING:
    from conftest import World

VALUE = "sk-or-v1-0123456789abcdef"


def platform(owner: str, name: str = "OPENROUTER_API_KEY") -> SecretKey:
    return SecretKey(owner, name)


class TestPut:
    async def test_it_is_kept_sealed_with_what_may_be_shown(self, world: "World") -> None:
        key = platform(await world.owner())

        secret = await world.secrets.put(key, VALUE, digest=None)

        assert (secret.version, secret.last_four) == (1, "cdef")
        assert secret.sealed is not None
        assert VALUE.encode() not in secret.sealed.ciphertext
        assert [event.subject for event in world.secret_store.emitted] == ["evt.secret.put.v1"]
        assert VALUE not in str(world.secret_store.emitted)

    async def test_putting_again_is_the_next_version(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, VALUE, digest=None)

        await world.secrets.put(key, VALUE + "2", digest=None)

        assert await world.secrets.reveal(key, purpose="relay") == (VALUE + "2", 2)

    async def test_versions_go_on_rising_after_a_deletion(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, VALUE, digest=None)
        await world.secrets.delete(key)

        assert (await world.secrets.put(key, VALUE, digest=None)).version == 3

    async def test_a_short_value_shows_nothing(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "PIN", "a/b/c")

        assert (await world.secrets.put(key, "12345678", digest=None)).last_four == ""

    async def test_a_pasted_key_loses_the_space_around_it(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, f"  {VALUE}\n", digest=None)

        assert await world.secrets.reveal(key, purpose="relay") == (VALUE, 1)

    async def test_a_variable_keeps_every_character(self, world: "World") -> None:
        key, value = SecretKey(await world.owner(), "TEXT", "a/b/c"), " 'a'\n\"b\" $X ü "
        await world.secrets.put(key, value, digest="sha256:1")

        assert (await world.secrets.reveal(key, purpose="skill_variable"))[0] == value

    @pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "schlüssel", "x\0y"])
    async def test_what_no_header_can_carry_is_no_key(self, world: "World", value: str) -> None:
        with pytest.raises(InvalidError) as error:
            await world.secrets.put(platform(await world.owner()), value, digest=None)

        assert not value.strip() or value not in error.value.detail

    async def test_a_zero_byte_is_refused(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "A", "a/b/c")

        with pytest.raises(InvalidError):
            await world.secrets.put(key, "x\0y", digest=None)

    async def test_an_endless_value_is_refused(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "A", "a/b/c")

        with pytest.raises(InvalidError):
            await world.secrets.put(key, "x" * 65_537, digest=None)

    @pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "BASH_ENV", "HERMES_HOME"])
    async def test_a_name_that_changes_the_agent_is_refused(
        self, world: "World", name: str
    ) -> None:
        with pytest.raises(InvalidError) as error:
            await world.secrets.put(
                SecretKey(await world.owner(), name, "a/b/c"), "x", digest=None
            )

        assert error.value.code is ErrorCode.VARIABLE_REFUSED

    async def test_a_variable_of_no_skill_is_refused(self, world: "World") -> None:
        with pytest.raises(InvalidError, match="name the skill"):
            await world.secrets.put(platform(await world.owner(), "NOTION"), VALUE, digest=None)

    async def test_the_platforms_key_and_a_skills_own_are_told_apart(self, world: "World") -> None:
        owner = await world.owner()
        own = SecretKey(owner, "OPENAI_API_KEY", "a/b/c")
        await world.secrets.put(platform(owner, "OPENAI_API_KEY"), "of-the-agent", digest=None)
        await world.secrets.put(own, "of-the-skill", digest=None)

        assert (await world.secrets.reveal(own, purpose="skill_variable"))[0] == "of-the-skill"
        agents = await world.secrets.reveal(platform(owner, "OPENAI_API_KEY"), purpose="relay")
        assert agents[0] == "of-the-agent"

    async def test_an_unknown_owner_is_refused(self, world: "World", stranger: str) -> None:
        with pytest.raises(NotFoundError):
            await world.secrets.put(platform(stranger), VALUE, digest=None)

    async def test_losing_a_race_tries_the_version_after(self, world: "World") -> None:
        world.secret_store.lose = 3
        key = platform(await world.owner())

        await world.secrets.put(key, VALUE, digest=None)

        assert (await world.secrets.reveal(key, purpose="relay"))[0] == VALUE

    async def test_losing_for_ever_is_a_conflict(self, world: "World") -> None:
        world.secret_store.lose = 1000

        with pytest.raises(ConflictError):
            await world.secrets.put(platform(await world.owner()), VALUE, digest=None)


class TestReveal:
    async def test_it_is_audited_with_its_purpose(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, VALUE, digest=None)

        await world.secrets.reveal(key, purpose="relay")

        line = world.audit.lines[0]
        assert (line.key, line.version, line.purpose) == (key, 1, "relay")
        assert [event.subject for event in world.audit.emitted] == ["evt.secret.revealed.v1"]
        assert VALUE not in str(world.audit)

    async def test_without_an_audit_nothing_is_given_out(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, VALUE, digest=None)
        world.audit.is_full = True

        with pytest.raises(ConnectionError):
            await world.secrets.reveal(key, purpose="relay")

    async def test_what_is_not_set_is_not_found(self, world: "World") -> None:
        key = platform(await world.owner())

        with pytest.raises(NotFoundError) as error:
            await world.secrets.reveal(key, purpose="relay")

        assert error.value.code is ErrorCode.SECRET_NOT_FOUND
        assert world.audit.lines == []

    async def test_a_deleted_one_is_not_found(self, world: "World") -> None:
        key = platform(await world.owner())
        await world.secrets.put(key, VALUE, digest=None)
        await world.secrets.delete(key)
        await world.secrets.delete(key)

        with pytest.raises(NotFoundError):
            await world.secrets.reveal(key, purpose="relay")
        assert [e.subject for e in world.secret_store.emitted][1:] == ["evt.secret.deleted.v1"]

    async def test_another_owner_gets_nothing(self, world: "World") -> None:
        await world.secrets.put(platform(await world.owner()), VALUE, digest=None)

        with pytest.raises(NotFoundError):
            await world.secrets.reveal(platform(await world.owner("bob")), purpose="relay")

    @pytest.mark.parametrize(("skill", "purpose"), [("a/b/c", "relay"), (None, "skill_variable")])
    async def test_a_purpose_reaches_only_its_own_kind(
        self, world: "World", skill: str | None, purpose: str
    ) -> None:
        key = SecretKey(await world.owner(), "OPENAI_API_KEY", skill)
        await world.secrets.put(key, VALUE, digest=None)

        with pytest.raises(InvalidError):
            await world.secrets.reveal(key, purpose=purpose)

    async def test_a_ciphertext_moved_to_another_owner_does_not_open(self, world: "World") -> None:
        alice, bob = platform(await world.owner()), platform(await world.owner("bob"))
        await world.secrets.put(alice, VALUE, digest=None)
        await world.secrets.put(bob, "of-bob-0123456789", digest=None)
        world.tamper(bob, world.secret_store.secrets[alice].sealed)

        with pytest.raises(SealBrokenError):
            await world.secrets.reveal(bob, purpose="relay")

    async def test_an_older_ciphertext_put_back_does_not_open(self, world: "World") -> None:
        key = platform(await world.owner())
        old = await world.secrets.put(key, VALUE, digest=None)
        await world.secrets.put(key, VALUE + "2", digest=None)
        world.tamper(key, old.sealed)

        with pytest.raises(SealBrokenError):
            await world.secrets.reveal(key, purpose="relay")

    async def test_a_ciphertext_of_another_digest_does_not_open(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "A_KEY", "a/b/c")
        stored = await world.secrets.put(key, VALUE, digest="sha256:1")
        world.secret_store.secrets[key] = replace(stored, digest="sha256:2")

        with pytest.raises(SealBrokenError):
            await world.secrets.reveal(key, purpose="skill_variable")


class TestList:
    async def test_it_holds_what_is_set_and_only_the_owners(self, world: "World") -> None:
        alice, bob = await world.owner(), await world.owner("bob")
        await world.secrets.put(platform(alice), VALUE, digest=None)
        await world.secrets.put(platform(alice, "OPENAI_API_KEY"), VALUE, digest=None)
        await world.secrets.put(platform(bob), VALUE, digest=None)
        await world.secrets.delete(platform(alice, "OPENAI_API_KEY"))

        listed = await world.secrets.list(alice)

        assert [secret.key for secret in listed] == [platform(alice)]
