"""Who may subscribe to what, with every client library: private channels, and refusals."""

import uuid

import pytest

from tests.sdk.peer import Peer, PeerError
from tests.sdk.server import Api, Link, Server

# ── private channels ─────────────────────────────────────────────────────────────────────────


async def test_a_private_channel_opens_to_whom_the_backend_lets_in(
    peer: Peer, server: Server, api: Api, channel: str, user: str
) -> None:
    """For a channel that starts with $ the library asks the backend, and is let in."""
    private = f"${channel}"
    await peer.connected("alice", server.url, user=user)
    await peer.subscribed("alice", private)
    await api("publish", channel=private, data="secret")
    await peer.data_until("secret", "alice", private)
    assert len(peer.all("asked_subscription", "alice", channel=private)) == 1


async def test_a_private_channel_stays_closed_where_the_backend_refuses(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """A user whom the backend refuses is not subscribed."""
    private = f"${channel}"
    await peer.connected("bob", server.url, user=user, denied=[private])
    await peer.subscribe("bob", private)
    await peer.wait("unsubscribed" if peer.modern else "subscription_error", "bob")
    assert not peer.all("subscribed", "bob")


async def test_a_private_channel_stays_closed_to_forged_tokens(
    peer: Peer, server: Server, channel: str, user: str
) -> None:
    """The server refuses subscription tokens and signs that are not of its key."""
    private = f"${channel}"
    await peer.connected("mallory", server.url, user=user, forged=True)
    await peer.subscribe("mallory", private)
    await expect_refusal(peer, "mallory", private, 103, "permission denied")


async def test_a_private_channel_is_recovered_with_a_new_permission(
    peer: Peer, link: Link, api: Api, channel: str, user: str
) -> None:
    """After a cut the private channel is subscribed again, and nothing is missed."""
    private = f"${channel}"
    await peer.connected("alice", link.url, user=user)
    await peer.subscribed("alice", private)
    await api("publish", channel=private, data=1)
    await peer.data_until(1, "alice", private)
    link.cut()
    await peer.lost("alice")
    await api.publish_all(private, [2, 3])
    link.restore()
    assert await peer.data_until(3, "alice", private) == [1, 2, 3]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────


async def expect_refusal(peer: Peer, client: str, channel: str, code: int, reason: str) -> None:
    """Wait until the subscription is refused, in the words of the library's generation."""
    if peer.modern:
        entry = (await peer.wait("unsubscribed", client, channel=channel))[0]
        assert (entry["code"], entry["reason"]) == (code, reason)
    else:
        entry = (await peer.wait("subscription_error", client, channel=channel))[0]
        assert (entry["message"], entry["advice"]) == (reason, "fix")
    assert not peer.all("subscribed", client, channel=channel)


@pytest.mark.parametrize(
    ("channel", "code", "modern_reason", "classic_reason"),
    [
        ("nowhere:1", 102, "unknown channel", "namespace not found"),
        ("room:few#41,43", 103, "permission denied", "permission denied"),
    ],
)
async def test_a_refused_subscription_says_why(
    peer: Peer,
    server: Server,
    channel: str,
    code: int,
    modern_reason: str,
    classic_reason: str,
) -> None:
    """Unknown namespaces and channels of other users are refused, each in its words."""
    await peer.connected("alice", server.url, user="42")
    await peer.subscribe("alice", channel)
    reason = modern_reason if peer.modern else classic_reason
    await expect_refusal(peer, "alice", channel, code, reason)


async def test_a_channel_of_named_users_opens_to_them(peer: Peer, server: Server) -> None:
    """A user whose id stands after the # needs no other permission."""
    await peer.connected("alice", server.url, user="42")
    await peer.subscribed("alice", f"room:{uuid.uuid4().hex}#41,42")


async def test_what_a_channel_does_not_offer_is_refused(peer: Peer, server: Server) -> None:
    """Publishing, presence and history are refused where the namespace does not have them."""
    channel = f"quiet:{uuid.uuid4().hex}"
    await peer.connected("alice", server.url, user="42")
    await peer.subscribed("alice", channel)
    with pytest.raises(PeerError) as refused:
        await peer.publish("alice", channel, "x")
    assert refused.value.message == "permission denied"
    for ask in (peer.presence, peer.history):
        with pytest.raises(PeerError) as unavailable:
            await ask("alice", channel)
        assert unavailable.value.message == "not available"
        assert unavailable.value.code == (108 if peer.modern else 0)
