"""Payloads: what is JSON, and how it is embedded."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.protocol import raw_json
from tests.protocol.strategies import PAYLOADS

ANY = msgspec.json.Decoder()
NOT_JSON = [
    b"",
    b" ",
    b"{",
    b"{} {}",
    b"[1,]",
    b"01",
    b"nul",
    b"NaN",
    b"'a'",
    b'"a\nb"',
    b'"\\x"',
    b'"\xff"',
    b'{"\xed\xa0\x80":1}',
    b"\xef\xbb\xbf1",
    b"[" * 257 + b"]" * 257,
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("data", NOT_JSON, ids=lambda data: repr(data[:20]))
def test_what_is_not_one_json_value_in_utf8_is_not_called_json_and_embedded_as_null(
    data: bytes,
) -> None:
    assert not raw_json.is_json(data)
    assert raw_json.embed(data) == b"null"
    assert raw_json.verbatim(data) == b"null"


@given(PAYLOADS)
def test_json_is_embedded_without_its_newlines_and_means_the_same(payload: bytes) -> None:
    assert raw_json.is_json(payload)
    embedded = raw_json.embed(payload)
    assert b"\n" not in embedded
    assert json.loads(embedded) == json.loads(payload)
    assert raw_json.verbatim(payload) == payload


def test_a_payload_without_newlines_is_embedded_as_the_very_same_bytes() -> None:
    payload = b'{ "a" :\t1.0, "b":"\\u00e9\\/" }'
    assert raw_json.embed(payload) is payload


def test_nesting_is_counted_in_levels_not_in_brackets() -> None:
    assert raw_json.is_json(b"[" * 256 + b"]" * 256)
    assert raw_json.is_json(b"[" + b",".join([b"[{}]"] * 1000) + b"]")
    assert raw_json.is_json(b'["' + b"[" * 1000 + b'\\"]"]')
    assert not raw_json.is_json(b"[" + b'{"]":' * 256 + b"1" + b"}" * 256 + b"]")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\uDE00"', "\ufffd"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d\ud83d\ude00\ude00"', "\ufffd😀\ufffd"),
        (rb'"\\ud83d \ud83d\n"', "\\ud83d \ufffd\n"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_a_surrogate_pair_is_read_as_a_replacement_character(text: bytes, value: str) -> None:
    assert raw_json.read(ANY, text) == value


@pytest.mark.parametrize("text", [rb'"\ud8"}', rb'"\ud83', rb'"\ud83d', rb"\ud83d", rb'"\ud83d\x"'])
def test_broken_text_is_not_made_whole_by_looking_for_surrogates(text: bytes) -> None:
    with pytest.raises(raw_json.Unreadable):
        raw_json.read(ANY, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":', "truncated"),
        (b"[" * 300 + b"]" * 300, "256"),
        (b"[" * 100_000, "256"),
    ],
)
def test_what_cannot_be_read_says_why(text: bytes, words: str) -> None:
    with pytest.raises(raw_json.Unreadable, match=words):
        raw_json.read(msgspec.json.Decoder(msgspec.Raw), text)


def test_a_wrong_type_is_named_with_its_place() -> None:
    with pytest.raises(raw_json.Unreadable, match=r"Expected `int`, got `str` - at `\$\[...\]`"):
        raw_json.read(msgspec.json.Decoder(dict[str, int]), b'{"a":"x"}')


@given(st.text())
def test_any_text_becomes_a_json_string(text: str) -> None:
    expected = text.encode("utf-8", "replace").decode()
    assert json.loads(raw_json.string(text)) == expected


def test_a_lone_surrogate_of_python_becomes_a_question_mark() -> None:
    assert raw_json.string("a\ud83d") == b'"a?"'


TEXTS = st.text('ab"\\[]{}\n,:é', max_size=8)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.integers(240, 256), st.booleans())
def test_depth_is_counted_outside_of_strings_only(value: object, more: int, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    wrapped = ("[" * more + text + "]" * more).encode()
    assert raw_json.is_deep(wrapped) is (depth_of(value) + more > raw_json.MAX_DEPTH)
