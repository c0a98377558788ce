"""What a channel name means: modern.md section 8.4 and classic.md section 3.2."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.channels import Channels
from girandola.errors import UNKNOWN_CHANNEL, Reject
from girandola.options import ChannelOptions, ChannelSection, Namespace
from tests.scenarios.modern_world import channels_of

NAMES = st.lists(st.sampled_from(["news", "a", ".", ":", "#", "$", "é"]), max_size=5).map("".join)


def channels(**section: Any) -> Channels:
    return channels_of({"": {}, "news": {"presence": True}, "a.b-c_1": {}}, **section)


# ── namespaces ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "namespace"),
    [
        ("news", ""),
        ("news:x", "news"),
        ("news:", "news"),
        ("news:x:y", "news"),
        ("$news:x", "news"),
        ("$$news:x", "$news"),
        (":x", ""),
        ("$:x", ""),
        ("x#1:2", "x#1"),
        ("", ""),
    ],
)
def test_the_namespace_stands_before_the_first_boundary(channel: str, namespace: str) -> None:
    """The private prefix is no part of it."""
    assert channels().namespace(channel) == namespace


def test_boundaries_are_configurable() -> None:
    names = channels(namespace_boundary="::", private_prefix="private-")
    assert names.namespace("private-news::x") == "news"
    assert names.namespace("news:x") == ""
    assert names.is_private("private-x")
    assert not names.is_private("$x")
    assert channels(private_prefix="p:").namespace("p:news:x") == "news"


def test_without_a_boundary_there_are_no_namespaces() -> None:
    assert channels(namespace_boundary="").namespace("news:x") == ""


def test_without_a_prefix_no_channel_is_private_and_the_whole_name_is_looked_at() -> None:
    names = channels(private_prefix="")
    assert names.namespace("$news:x") == "$news"
    assert not names.is_private("news")
    assert not names.is_private("$news")


def test_options_are_those_of_the_namespace() -> None:
    assert channels().options("news:x").presence
    assert channels().options("$news:x").presence
    assert not channels().options("news").presence


@pytest.mark.parametrize("channel", ["", "unknown:x", "$unknown:x", "New:x"])
def test_a_namespace_that_is_not_configured_is_unknown(channel: str) -> None:
    with pytest.raises(Reject) as refusal:
        channels().options(channel)
    assert refusal.value.error == UNKNOWN_CHANNEL
    assert repr(channel) in refusal.value.detail


def test_a_namespace_inherits_what_it_does_not_say() -> None:
    """``history_meta_ttl`` and ``publication_data_format`` of the whole section."""
    names = Channels(
        ChannelSection(
            without_namespace=ChannelOptions(),
            namespaces=(
                Namespace(name="own", history_meta_ttl=5.0, publication_data_format="binary"),
                Namespace(name="heir"),
            ),
            history_meta_ttl=7.0,
            publication_data_format="json",
        )
    )
    told = {
        channel: (options.history_meta_ttl, options.publication_data_format)
        for channel in ("own:x", "heir:x", "x")
        for options in [names.options(channel)]
    }
    assert told == {"own:x": (5.0, "binary"), "heir:x": (7.0, "json"), "x": (7.0, "json")}


@given(NAMES)
def test_every_name_has_options_or_is_refused(channel: str) -> None:
    names = channels()
    if channel and names.namespace(channel) in ("", "news", "a.b-c_1"):
        assert isinstance(names.options(channel), ChannelOptions)
    else:
        with pytest.raises(Reject):
            names.options(channel)


# ── names ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "too_long"),
    [("a" * 255, False), ("a" * 256, True), ("é" * 127, False), ("é" * 128, True), ("", False)],
)
def test_length_is_counted_in_bytes(channel: str, too_long: bool) -> None:
    assert channels().is_too_long(channel) is too_long


@given(st.text(max_size=30), st.integers(1, 40))
def test_length_is_that_of_utf8(channel: str, limit: int) -> None:
    too_long = len(channel.encode("utf-8", "surrogatepass")) > limit
    assert channels(max_length=limit).is_too_long(channel) is too_long


@pytest.mark.parametrize(
    ("channel", "good"),
    [
        ("plain", True),
        ("naïve", False),
        ("digits:12", True),
        ("digits:x1y", True),
        ("digits:x", False),
        ("$digits:1", True),
        ("digits1:x", True),
        ("digits:é1", True),
        ("exact:ab", True),
        ("exact:abc", False),
        ("exact:a:", False),
    ],
)
def test_a_regex_is_searched_in_what_follows_the_namespace(channel: str, good: bool) -> None:
    """Without one, names are ASCII."""
    names = channels_of(
        {"digits": {"channel_regex": "[0-9]"}, "exact": {"channel_regex": "^[a-z]{2}$"}}
    )
    assert names.is_well_named(channel) is good


@pytest.mark.parametrize(
    ("regex", "good", "bad"),
    [
        (r"^\d+$", ["12"], ["12\n", "١٢", "1a", ""]),
        (r"^[[:alnum:]]{3,20}$", ["abc123"], ["ab", "ab_c", "été"]),
        (r"^\p{L}+\z", ["Grüße"], ["Grüße1", "Grüße\n"]),
        (r"^(?<room>[a-z]+)$", ["abc"], ["ABC"]),
    ],
)
def test_a_regex_is_in_the_language_of_re2(regex: str, good: list[str], bad: list[str]) -> None:
    names = channels_of({"chat": {"channel_regex": regex}})
    assert [name for name in [*good, *bad] if names.is_well_named(f"chat:{name}")] == good


def test_outside_of_namespaces_a_regex_sees_the_whole_name() -> None:
    """With its private prefix."""
    names = channels_of({"": {"channel_regex": r"^\$?[a-z]+$"}})
    assert names.is_well_named("$abc")
    assert names.is_well_named("abc")
    assert not names.is_well_named("abc1")


# ── users and clients ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "user", "allowed"),
    [
        ("open", "42", True),
        ("open", "", True),
        ("room#42", "42", True),
        ("room#42", "4", False),
        ("room#7,42", "42", True),
        ("room#7,42", "7,42", False),
        ("room#42#7", "42", False),
        ("room#42#7", "7", True),
        ("room#", "", True),
        ("room#", "42", False),
        ("room#42,", "42", True),
        ("room#42,", "", False),
        ("room#,42", "", False),
        ("room#42,,7", "", False),
        ("room#,", "", False),
        ("#42", "42", True),
    ],
)
def test_users_are_listed_after_the_last_boundary(channel: str, user: str, allowed: bool) -> None:
    assert channels().allows_user(channel, user) is allowed
    assert channels().is_user_limited(channel) is ("#" in channel)


@given(st.lists(st.sampled_from(["", "42", "7"]), min_size=2, max_size=5))
def test_an_empty_entry_of_a_list_is_nobodys(users: list[str]) -> None:
    assert not channels().allows_user("room#" + ",".join(users), "")


def test_user_boundaries_are_configurable() -> None:
    names = channels(user_boundary="@", user_separator=";")
    assert names.allows_user("room@7;42", "42")
    assert not names.allows_user("room@7,42", "42")
    assert names.allows_user("room#7", "42")
    assert channels(user_boundary="").allows_user("room#7", "42")
    assert channels(user_separator="").allows_user("room#7,42", "7,42")


@given(st.lists(st.text("abc1", min_size=1, max_size=5), min_size=1, max_size=5), st.text("abc1"))
def test_who_is_listed_is_allowed_and_nobody_else(users: list[str], other: str) -> None:
    channel = "room#" + ",".join(users)
    assert all(channels().allows_user(channel, user) for user in users)
    assert channels().allows_user(channel, other) is (other in users)


def test_a_name_may_be_for_one_client() -> None:
    """Where a client boundary is configured, as in 2018; off today."""
    names = channels(client_boundary="&")
    assert names.allows_client("room&c1", "c1")
    assert not names.allows_client("room&c1", "c2")
    assert not names.allows_client("room&c1&c2", "c1")
    assert names.allows_client("room", "c2")
    assert channels().allows_client("room&c1", "c2")


@pytest.mark.parametrize(("namespace", "channel"), [("", "#42"), ("news", "news:#42")])
def test_a_personal_channel_is_limited_to_its_user(namespace: str, channel: str) -> None:
    names = channels()
    assert names.personal("42", namespace) == channel
    assert names.namespace(channel) == namespace
    assert names.allows_user(channel, "42")
    assert not names.allows_user(channel, "43")
