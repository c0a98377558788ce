"""A real browser, over each transport: connect, subscribe, receive, and recover after a cut."""

from tests.browser.visit import Visit, Way
from tests.sdk.server import Api, Link, Server


async def test_a_page_of_another_origin_receives_what_is_published(
    way: Way, visit: Visit, server: Server, api: Api, channel: str
) -> None:
    """In order, also what it publishes itself; and its console shows no error."""
    await visit.connect(way, server.port, channel)
    await visit.wait("subscribed")
    values = ["née", {"nested": [1, None, "𝄞"]}, 3]
    await api.publish_all(channel, values)
    assert await visit.received(3) == values
    if not way.one_way:
        await visit.publish({"from": "the page"})
        assert (await visit.received(4))[3] == {"from": "the page"}
    assert visit.complaints() == []


async def test_a_page_recovers_what_it_missed_while_the_connection_was_cut(
    way: Way, visit: Visit, link: Link, api: Api, channel: str
) -> None:
    """Once, in order, before what is live; and no script of the page fails meanwhile."""
    await visit.connect(way, link.port, channel)
    await visit.wait("subscribed")
    await api.publish_all(channel, [1])
    await visit.received(1)
    assert visit.complaints() == []

    link.cut()
    # First the connection itself, then at least one attempt at another.
    await visit.wait("broken", 2)
    await api.publish_all(channel, [2, 3])
    link.restore()
    again = (await visit.wait("subscribed", 2))[1]
    assert (again["wasRecovering"], again["recovered"]) == (True, True)
    await api.publish_all(channel, [4])
    assert await visit.received(4) == [1, 2, 3, 4]
    assert visit.complaints(cut=True) == []
