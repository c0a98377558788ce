"""Who may do what before and after, as ``compared`` has it from the policy."""

from typing import Any

import pytest

from girandola.app.explain import Row, compared
from girandola.config.schema import Config
from girandola.options import (
    ChannelOptions,
    ChannelSection,
    ClassicOptions,
    ClientSection,
    LegacyOptions,
    Namespace,
    SubscriptionTokenOptions,
    TokenOptions,
)
from tests.auth.tokens import public_pem

KEY = ClientSection(token=TokenOptions(hmac_secret_key="k"))


def config(client: ClientSection = KEY, **options: Any) -> Config:
    channel = ChannelSection(without_namespace=ChannelOptions(**options))
    return Config(client=client, channel=channel)


def answers(config: Config, user: str, channel: str) -> dict[str, int]:
    """Return the code of every answer by one configuration."""
    rows = compared(config, config, user, channel)
    assert not any(row.differs for row in rows)
    return {row.what: row.before.code for row in rows}


def differing(rows: list[Row]) -> list[str]:
    return [row.what for row in rows if row.differs]


def test_a_closed_server_lets_in_whoever_has_tokens_and_nobody_else() -> None:
    assert answers(config(), "42", "news") == {
        "connect without a token": 3501,
        "connect with a token": 0,
        "subscribe without a token": 103,
        "subscribe with a token": 0,
        "publish without subscribing": 103,
        "publish as a subscriber": 103,
        "presence without subscribing": 108,
        "presence as a subscriber": 108,
        "history without subscribing": 108,
        "history as a subscriber": 108,
    }


def test_subscribers_may_do_what_strangers_may_not() -> None:
    found = answers(
        config(
            allow_subscribe_for_client=True,
            allow_publish_for_subscriber=True,
            presence=True,
            allow_presence_for_subscriber=True,
            history_size=1,
            history_ttl=1.0,
            allow_history_for_subscriber=True,
        ),
        "42",
        "news",
    )
    for what in ("publish", "presence", "history"):
        assert found[f"{what} without subscribing"] == 103
        assert found[f"{what} as a subscriber"] == 0
    assert found["subscribe without a token"] == 0


def test_an_anonymous_user_is_asked_about_as_one() -> None:
    options = config(allow_subscribe_for_client=True)
    assert answers(options, "", "news")["subscribe without a token"] == 103
    assert answers(options, "42", "news")["subscribe without a token"] == 0


def test_a_namespace_that_is_missing_is_unknown() -> None:
    assert answers(config(), "42", "no:x")["subscribe without a token"] == 102


def test_a_name_that_is_too_long_is_refused_with_and_without_a_token() -> None:
    found = answers(config(allow_subscribe_for_client=True), "42", "x" * 256)
    assert found["subscribe without a token"] == 107
    assert found["subscribe with a token"] == 107


@pytest.mark.parametrize(
    "options",
    [
        TokenOptions(hmac_secret_key="k", issuer="me", audience="you"),
        TokenOptions(hmac_secret_key="k", user_id_claim="uid"),
        TokenOptions(rsa_public_key=public_pem("RS256")),
        TokenOptions(jwks_public_endpoint="https://127.0.0.1:1/keys"),
    ],
    ids=["issuer", "claim", "rsa", "jwks"],
)
def test_tokens_are_good_whatever_keys_and_claims_a_server_wants(options: TokenOptions) -> None:
    found = answers(config(ClientSection(token=options)), "42", "news")
    assert found["connect with a token"] == 0
    assert found["subscribe with a token"] == 0


def test_no_token_is_good_where_there_is_no_key() -> None:
    found = answers(config(ClientSection()), "42", "news")
    assert found["connect with a token"] == 3500
    assert found["subscribe with a token"] == 103


def test_subscription_tokens_with_options_of_their_own_need_a_key_of_their_own() -> None:
    apart = SubscriptionTokenOptions(enabled=True)
    client = ClientSection(token=KEY.token, subscription_token=apart)
    assert answers(config(client), "42", "news")["subscribe with a token"] == 103


def test_subscription_tokens_of_their_own_say_the_user_as_their_options_want() -> None:
    apart = SubscriptionTokenOptions(enabled=True, hmac_secret_key="q", user_id_claim="uid")
    client = ClientSection(token=KEY.token, subscription_token=apart)
    assert answers(config(client), "42", "news")["subscribe with a token"] == 0


def test_subscription_tokens_name_the_connection() -> None:
    options = Config(client=KEY, legacy=LegacyOptions(subscription_token_owner="client"))
    assert answers(options, "42", "news")["subscribe with a token"] == 0


def test_the_header_that_names_users_is_asked_about_where_there_is_one() -> None:
    found = answers(config(ClientSection(user_id_http_header="X-User")), "42", "news")
    assert found["connect with user_id_http_header"] == 0


def test_credentials_of_2018_are_asked_about_where_they_can_be_good() -> None:
    options = Config(
        classic=ClassicOptions(secret="s"),
        channel=ChannelSection(without_namespace=ChannelOptions(allow_subscribe_for_client=True)),
    )
    found = answers(options, "42", "$news")
    assert found["2018: connect with a token"] == 0
    assert found["2018: subscribe with a sign"] == 0
    assert found["2018: subscribe without a sign"] == 103
    assert answers(options, "42", "news")["2018: subscribe without a sign"] == 0


def test_what_becomes_open_differs_and_nothing_else() -> None:
    rows = compared(config(), config(allow_subscribe_for_client=True), "42", "news")
    assert differing(rows) == ["subscribe without a token"]


def test_what_is_granted_otherwise_differs_too() -> None:
    rows = compared(
        config(allow_subscribe_for_client=True),
        config(allow_subscribe_for_client=True, force_recovery=True),
        "42",
        "news",
    )
    assert differing(rows) == ["subscribe without a token", "subscribe with a token"]


def test_rules_of_older_generations_are_asked_too() -> None:
    strict = Config(client=KEY, legacy=LegacyOptions(tokens_on_private_channels_only=True))
    assert differing(compared(config(), strict, "42", "news")) == ["subscribe with a token"]


def test_namespaces_have_answers_of_their_own() -> None:
    open_ = Namespace(name="open", allow_subscribe_for_client=True)
    options = Config(client=KEY, channel=ChannelSection(namespaces=(open_,)))
    assert answers(options, "42", "open:x")["subscribe without a token"] == 0
    assert answers(options, "42", "x")["subscribe without a token"] == 103
