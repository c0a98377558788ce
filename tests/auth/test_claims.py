"""What claims may be: dates in every form, and whatever else somebody signs."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from girandola.auth.claims import InvalidToken, TokenExpired
from girandola.options import TokenOptions
from tests.auth.test_jwt import connection, subscription, why_invalid
from tests.auth.tokens import NOW, SECRET, token


@pytest.mark.parametrize(
    ("text", "expire_at"),
    [
        (str(NOW + 60), NOW + 60),
        (f"{NOW + 60}.0", NOW + 60),
        ("17e8", None),
        ("1.7e+9", None),
        ("1", None),
        ("-1", None),
    ],
)
def test_a_date_may_be_a_number_in_quotes(text: str, expire_at: int | None) -> None:
    """As Go's decoder takes it, and with it the servers that people come from."""
    if expire_at is None:
        with pytest.raises(TokenExpired):
            connection(token({"exp": text}))
    else:
        assert connection(token({"exp": text})).expire_at == expire_at
    assert connection(token({"iat": text})).issued_at == float(text)
    assert connection(token({"nbf": "1"})).user == ""
    with pytest.raises(TokenExpired):
        connection(token({"nbf": str(NOW + 60)}))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "+1", "01", "1_0", "0x10", "1.", ".5", "1e", "-"),
        *("nan", "inf", "tomorrow", "٣", "1\n", "9" * 400, "1e400"),
    ],
)
def test_no_other_text_is_a_date(name: str, text: str) -> None:
    why_invalid(token({"exp": NOW - 1} | {name: text}))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "expire_at"])
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "9" * 5000, "1e400", "NaN"])
def test_a_number_that_is_no_date_makes_a_token_invalid(name: str, number: str) -> None:
    """However rightly it is signed, and before it is expired."""
    why_invalid(token(b'{"exp":1,"%b":%b}' % (name.encode(), number.encode())))


_CLAIMS = [
    *("sub", "exp", "nbf", "iat", "jti", "aud", "iss", "info", "b64info", "data", "b64data"),
    *("channels", "subs", "meta", "expire_at", "eto", "channel", "client", "override"),
]
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**15, -(10**400), 10**400, 2**63, 2**64, NOW, "1e999", "9" * 400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["YQ==", "x", "42", "\ud800", "\x00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "presence", "override", "info", "b64info", "x", ""]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(_CLAIMS), _JSON, max_size=6), st.sampled_from(["", "iss"]))
def test_whatever_is_claimed_it_is_a_token_or_none(claims: dict[str, Any], user: str) -> None:
    """Never another exception, which a client would be told as an error of ours."""
    options = TokenOptions(hmac_secret_key=SECRET, user_id_claim=user)
    for read in (connection, subscription):
        with contextlib.suppress(InvalidToken, TokenExpired):
            read(token(claims), options)
