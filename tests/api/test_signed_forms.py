"""What a stranger's form costs, and that it means what urllib says it means."""

import re
import tracemalloc
from collections.abc import Callable
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from girandola.api.signed_forms import MAX_FIELDS, BadRequest, signed_data
from girandola.net.http import Request

URLENCODED = "application/x-www-form-urlencoded"
SIZE = 100_000


def read(body: bytes, content_type: str = URLENCODED, query: str = "") -> tuple[bytes, str]:
    headers = {"content-type": content_type}
    return signed_data(Request("POST", "/api/", query, headers, body=body))


def multipart(body: bytes) -> tuple[bytes, str]:
    return read(body, "multipart/form-data; boundary=b")


@given(st.binary(), st.sampled_from(["", "=", "/_=", "\r\n\t ="]))
def test_whatever_is_percent_encoded_comes_out_again(data: bytes, left_alone: str) -> None:
    text = quote_from_bytes(data, safe=left_alone).replace(" ", "+")
    assert read(f"data={text}&sign=s".encode()) == (data, "s")


@given(st.text("%4aFZ=\r\n \t_", max_size=12))
@example("%\n")
@example("%\r ")
@example("%%41")
@example("a%4")
@settings(max_examples=500, deadline=None)
def test_half_an_escape_is_refused_and_nothing_else(value: str) -> None:
    body = f"data={value}".encode()
    if re.search("%(?![0-9a-fA-F]{2})", value):
        with pytest.raises(BadRequest, match="two hexadecimal digits"):
            read(body)
    else:
        assert read(body)[0] == unquote_to_bytes(value)


def test_the_first_of_a_name_counts_and_no_more_than_a_hundred_fields() -> None:
    assert read(b"data=1&data=2&sign=3&sign=4", query="data=5") == (b"1", "3")
    assert read(b"&" * (MAX_FIELDS - 1) + b"data=1&sign=2") == (b"1", "")


@pytest.mark.parametrize(
    ("read_form", "body"),
    [
        (read, b"sign=a&data=" + b"%41" * (SIZE // 3)),
        (read, b"sign=a&data=" + b"%41a" * (SIZE // 4)),
        (read, b"a=b&" * (SIZE // 4)),
        (multipart, b"--b\r\na: b\r\n\r\n\r\n" * (SIZE // 15)),
        (multipart, b"--b\r\n" + b"content-disposition: a\r\n" * (SIZE // 24)),
        (multipart, b"--b\r\n" + b"content-disposition:;name=" * (SIZE // 26)),
        (multipart, b"\r\n--" * (SIZE // 4)),
    ],
)
def test_a_form_costs_memory_in_proportion_to_its_size(
    read_form: Callable[[bytes], tuple[bytes, str]], body: bytes
) -> None:
    """An object for every escape or field would take dozens of times as much."""
    read_form(body)
    tracemalloc.start()
    try:
        read_form(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(body)


def test_a_field_of_a_multipart_form_with_an_endless_head_is_none() -> None:
    head = b'--b\r\nX: %s\r\nContent-Disposition: form-data; name="data"\r\n\r\nvalue\r\n--b--'
    assert multipart(head % b"x") == (b"value", "")
    assert multipart(head % (b"x" * 5000)) == (b"", "")
