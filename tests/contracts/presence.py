"""What every presence store promises: a suite that each implementation runs.

A test file makes a subclass of ``PresenceContract`` named ``Test…`` and a fixture ``presence``.
"""

from girandola.core.ports import Entry, PresenceStore
from girandola.model import ClientInfo, PresenceStats

ANNA = ClientInfo("42", "c1", b'{"n":"Anna"}', b'{"m":1}')
ANNA_AGAIN = ClientInfo("42", "c2")
NOBODY = ClientInfo("", "c3")
NOBODY_ELSE = ClientInfo("", "c4")


class PresenceContract:
    """The suite. Each test has a store that is empty."""

    async def test_an_empty_channel_has_no_members(self, presence: PresenceStore) -> None:
        assert await presence.members("a") == {}
        assert await presence.stats("a") == PresenceStats(0, 0)

    async def test_members_are_listed_by_client(self, presence: PresenceStore) -> None:
        await presence.put([Entry("a", ANNA)])
        await presence.put([Entry("a", NOBODY)])
        await presence.put([Entry("b", ANNA_AGAIN)])
        assert await presence.members("a") == {"c1": ANNA, "c3": NOBODY}
        assert await presence.members("b") == {"c2": ANNA_AGAIN}

    async def test_adding_again_replaces(self, presence: PresenceStore) -> None:
        renamed = ClientInfo("42", "c1", b'{"n":"Anne"}')
        await presence.put([Entry("a", ANNA)])
        await presence.put([Entry("a", renamed)])
        assert await presence.members("a") == {"c1": renamed}
        assert await presence.stats("a") == PresenceStats(1, 1)

    async def test_removed_members_are_gone(self, presence: PresenceStore) -> None:
        await presence.put([Entry("a", ANNA)])
        await presence.put([Entry("a", ANNA_AGAIN)])
        await presence.remove([Entry("a", ANNA)])
        assert await presence.members("a") == {"c2": ANNA_AGAIN}
        await presence.remove([Entry("a", ANNA_AGAIN)])
        assert await presence.members("a") == {}

    async def test_removing_who_is_not_there_is_harmless(self, presence: PresenceStore) -> None:
        await presence.remove([Entry("a", ANNA)])
        await presence.put([Entry("a", ANNA_AGAIN)])
        await presence.remove([Entry("a", ANNA)])
        assert await presence.members("a") == {"c2": ANNA_AGAIN}

    async def test_users_are_counted_once_and_the_nameless_as_one(
        self, presence: PresenceStore
    ) -> None:
        await presence.put([Entry("a", info) for info in (ANNA, ANNA_AGAIN, NOBODY, NOBODY_ELSE)])
        assert await presence.stats("a") == PresenceStats(num_clients=4, num_users=2)

    async def test_the_members_returned_are_a_copy(self, presence: PresenceStore) -> None:
        await presence.put([Entry("a", ANNA)])
        (await presence.members("a")).clear()
        assert await presence.members("a") == {"c1": ANNA}
