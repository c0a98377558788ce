"""Requests in JSON with names in any case, and how many entries they may have."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, field

from girandola.protocol.json_requests import Reader, Request, TooMany
from girandola.protocol.raw_json import Unreadable
from tests.protocol.strategies import PAYLOADS, TEXT


class Place(Request):
    offset: int | None = None
    nodes: list["Place | None"] | None = None


class Asking(Request):
    channel: str = ""
    data: Raw = Raw()
    since: Place | None = None
    tags: dict[str, str] = field(default_factory=dict)
    subs: dict[str, Place | None] = field(default_factory=dict)
    many: list[str] = field(default_factory=list)


READER: Reader[Asking] = Reader(Asking)
WITHOUT_NULLS: Reader[Asking] = Reader(Asking, nulls_are_absent=True)


def in_any_case(name: str, seed: int) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice((letter.lower(), letter.upper())) for letter in name)


@given(st.integers(), TEXT, PAYLOADS, st.integers(0, 9), st.dictionaries(TEXT, TEXT))
def test_names_count_in_any_case_and_payloads_and_keys_stay_as_they_are(
    seed: int, channel: str, data: bytes, offset: int, tags: dict[str, str]
) -> None:
    names = [in_any_case(name, seed) for name in ("channel", "data", "since", "offset", "tags")]
    a_channel, a_data, a_since, an_offset, a_tags = names
    text = msgspec.json.encode(
        {a_channel: channel, a_data: Raw(data), a_since: {an_offset: offset}, a_tags: tags}
    )
    assert READER.read(text) == Asking(channel, Raw(data), Place(offset), tags)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('{"channel":"a","Channel":"b"}', Asking("b")),
        ('{"CHANNEL":"b","channel":"a"}', Asking("a")),
        ('{"other":{"channel":"x"},"channel":"a"}', Asking("a")),
        ('{"channel":"a","since":{"other":1,"offset":2}}', Asking("a", since=Place(2))),
        (
            '{"since":{"Nodes":[null,{"OFFSET":1}]}}',
            Asking(since=Place(nodes=[None, Place(1)])),
        ),
        ('{"subs":{"A":{"Offset":1},"a":null}}', Asking(subs={"A": Place(1), "a": None})),
        ('{"Tags":{"A":"1","a":"2"}}', Asking(tags={"A": "1", "a": "2"})),
        ('{"Data":{"Channel":null}}', Asking(data=Raw(b'{"Channel":null}'))),
        (' \n{ "Channel" : "a" }\t', Asking("a")),
        (r'{"\u0043hannel":"a"}', Asking("a")),
    ],
)
def test_of_several_spellings_the_last_one_counts_and_unknown_names_do_not(
    text: str, meaning: Asking
) -> None:
    assert READER.read(text.encode()) == meaning


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"Channel":1}', "Expected `str`, got `int`"),
        ('{"Since":[]}', "Expected `object"),
        ('{"Many":{}}', "Expected `array"),
        ('{"Subs":[]}', "Expected `object"),
        ('{"Channel":', "truncated"),
        ('{"Channel":"a"} x', "trailing"),
        ("[]", "Expected `object`"),
        ("null", "Expected `object`"),
        ('{"Data":' + "[" * 257 + "]" * 257 + "}", "256"),
        ('{"since":' + '{"Nodes":[' * 400 + "]}" * 400 + "}", "256"),
        ('{"Channel":"\xff"}', "UTF-8"),
        ("{" + ",".join(f'"a{number}":0' for number in range(10_001)) + "}", "10000 names"),
    ],
    ids=lambda text: text[:14],
)
def test_what_is_wrong_in_another_case_is_as_wrong(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        READER.read(text.encode("latin-1"))


def test_null_is_absent_where_that_was_said_but_for_data() -> None:
    text = b'{"channel":null,"since":null,"data":null,"tags":null,"many":["a"]}'
    assert WITHOUT_NULLS.read(text) == Asking(data=Raw(b"null"), many=["a"])
    assert WITHOUT_NULLS.read(b" null ") == Asking()
    with pytest.raises(Unreadable, match="null"):
        READER.read(text)


def test_a_struct_that_would_not_notice_another_case_is_refused() -> None:
    class Silent(msgspec.Struct):
        a: int = 0

    with pytest.raises(TypeError, match="Silent"):
        Reader(list[Silent])


@pytest.mark.parametrize("name", ["many", "tags", "subs", "MANY", "Tags"])
def test_more_entries_than_allowed_are_told_by_the_name_of_their_list(name: str) -> None:
    entries = {
        "many": lambda count: "[" + ",".join(['"a"'] * count) + "]",
        "tags": lambda count: "{" + ",".join(f'"{n}":""' for n in range(count)) + "}",
        "subs": lambda count: "{" + ",".join(f'"{n}":{{}}' for n in range(count)) + "}",
    }[name.lower()]
    assert READER.read(f'{{"{name}":{entries(9)},"data":[1,2]}}'.encode(), most=9)
    with pytest.raises(TooMany, match=f"more than 9 {name.lower()}"):
        READER.read(f'{{"{name}":{entries(11)}}}'.encode(), most=9)


def test_one_entry_more_than_allowed_is_too_many() -> None:
    assert READER.read(b'{"many":["a","b","c"]}', most=3)
    with pytest.raises(TooMany):
        READER.read(b'{"many":["a","b","c","d"]}', most=3)


@pytest.mark.parametrize("most", [9, 20_000])
def test_a_payload_may_have_any_number_of_entries(most: int) -> None:
    data = b"[" + b"{}," * 30_000 + b'"]"]'
    read = READER.read(b'{"channel":"a","data":%b,"many":["b"]}' % data, most=most)
    assert read == Asking("a", Raw(data), many=["b"])


def test_a_flood_of_names_that_nobody_knows_is_refused_before_it_is_kept() -> None:
    names = b",".join(b'"%d":0' % number for number in range(30_000))
    with pytest.raises(Unreadable, match="10000 names"):
        READER.read(b"{%b, this is no JSON" % names, most=20_000)
