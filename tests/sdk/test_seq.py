"""The libraries of the v2 servers from before offsets: npm centrifuge 2.4.0.

They count publications by ``seq`` and ``gen``, do not name themselves when they connect, hand out
neither offsets nor who published, and turn every list of recovered publications round. Where they
behave like the other libraries their scenarios run once more.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk import test_clients, test_modern, test_permissions, test_v1
from tests.sdk.peer import Peer
from tests.sdk.peers import SEQ_PEERS, each
from tests.sdk.server import Api, Link, Server


@pytest.fixture(params=each(SEQ_PEERS))
def peer(request: pytest.FixtureRequest, make_peer: Callable[[str], Peer]) -> Peer:
    """The library in each of its encodings."""
    return make_peer(request.param)


@pytest.fixture
def modern_peer(peer: Peer) -> Peer:
    """The same, for scenarios that clients of 2018 do not know."""
    return peer


# ── what all libraries can do ────────────────────────────────────────────────────────────────

test_a_client_gets_an_id = test_clients.test_a_client_gets_an_id
test_a_message_of_the_application = test_clients.test_a_message_of_the_application_has_no_publisher
test_many_messages_arrive_in_order = test_clients.test_many_messages_arrive_in_order
test_a_large_message_is_carried_both_ways = test_clients.test_a_large_message_is_carried_both_ways
test_presence_names_who_is_subscribed = test_clients.test_presence_names_who_is_subscribed
test_history_holds_what_was_published = test_clients.test_history_holds_what_was_published
test_subscribers_see_others_come_and_go = test_clients.test_subscribers_see_others_come_and_go
test_whoever_left_hears_nothing_more = test_clients.test_whoever_left_hears_nothing_more
test_what_was_missed_arrives_once = test_clients.test_what_was_missed_arrives_once_and_in_order
test_coming_back_to_a_quiet_channel = (
    test_clients.test_coming_back_to_a_quiet_channel_repeats_nothing
)
test_a_client_learns_that_too_much_was_missed = (
    test_clients.test_a_client_learns_that_too_much_was_missed
)
test_clients_outlive_a_restart_of_the_server = (
    test_clients.test_clients_outlive_a_restart_of_the_server
)
test_an_expired_token_is_replaced = test_clients.test_an_expired_token_is_replaced
test_a_private_channel_opens = (
    test_permissions.test_a_private_channel_opens_to_whom_the_backend_lets_in
)
test_a_private_channel_stays_closed = (
    test_permissions.test_a_private_channel_stays_closed_where_the_backend_refuses
)
test_a_private_channel_is_recovered = (
    test_permissions.test_a_private_channel_is_recovered_with_a_new_permission
)
test_the_application_unsubscribes_a_user = test_clients.test_the_application_unsubscribes_a_user
test_joins_in_a_server_side_subscription_are_told = (
    test_modern.test_joins_in_a_server_side_subscription_are_told
)
test_a_server_side_subscription_recovers = (
    test_modern.test_a_server_side_subscription_recovers_what_was_missed
)
test_an_unsubscribed_connection_may_not_publish = (
    test_modern.test_an_unsubscribed_connection_may_not_publish
)
test_a_forged_token_ends_the_client = test_v1.test_a_forged_token_ends_the_client
test_the_application_disconnects_a_user = test_v1.test_the_application_disconnects_a_user


# ── lists turned round ───────────────────────────────────────────────────────────────────────


async def test_what_was_missed_since_the_beginning_arrives_once_and_in_order(
    peer: Peer, link: Link, api: Api, channel: str, user: str
) -> None:
    """Subscribed while the channel was empty: what came meanwhile is in order, and not repeated."""
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", channel)
    link.cut()
    await peer.lost("alice")
    await api.publish_all(channel, [1, 2, 3, 4])
    link.restore()
    await peer.wait("publication", "alice", channel=channel, count=4)
    assert peer.data("alice", channel) == [1, 2, 3, 4]

    link.cut()
    await peer.lost("alice", times=2)
    link.restore()
    await peer.wait("subscribed", "alice", channel=channel, count=3)
    await api("publish", channel=channel, data=5)
    assert await peer.data_until(5, "alice", channel) == [1, 2, 3, 4, 5]


async def test_it_meets_todays_generation_in_a_channel(
    peer: Peer, make_peer: Callable[[str], Peer], server: Server, channel: str
) -> None:
    """What it publishes reaches clients of today, and the other way round."""
    both: dict[str, Peer] = {"seq": peer, "today": make_peer("centrifuge-js-5.8")}
    for user, library in both.items():
        await library.connected("client", server.url, user=user)
        await library.subscribed("client", channel)
    expected: list[dict[str, Any]] = []
    for user, library in both.items():
        await library.publish("client", channel, {"from": user})
        expected.append({"from": user})
        for listener in both.values():
            assert await listener.data_until({"from": user}, "client", channel) == expected
