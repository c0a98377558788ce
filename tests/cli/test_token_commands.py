"""The token commands, run with real configuration files."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from girandola.auth.jwt import Verifier, sign
from girandola.cli.tokens import COMMANDS
from girandola.options import TokenOptions
from tests.auth.tokens import run
from tests.auth.tokens import token as token_of

KEY = "a key that is long enough to be one"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path, {"client": {"token": {"hmac_secret_key": KEY}}})


def write(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return path


def invoke(config: Path, name: str, *arguments: str) -> Result:
    command = next(command for command in COMMANDS if command.name == name)
    return CliRunner().invoke(command, ["-c", str(config), *arguments])


def token(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split()[-1]


def verifier() -> Verifier:
    return Verifier(TokenOptions(hmac_secret_key=KEY), time=time.time)


def test_gentoken_makes_a_token_for_a_week(config: Path) -> None:
    result = invoke(config, "gentoken", "-u", "42")
    made = run(verifier().connection_token(token(result)))
    assert made.user == "42"
    assert abs(made.expire_at - time.time() - 7 * 24 * 3600) < 60
    assert result.stdout.startswith('JWT (HS256) for user "42", good for 604800 s:\n')


def test_gentoken_can_make_endless_anonymous_tokens_with_info(config: Path) -> None:
    made = token(invoke(config, "gentoken", "-t", "-1", "--info", '{"name":"A"}'))
    read = run(verifier().connection_token(made))
    assert (read.user, read.expire_at, read.info) == ("", 0, b'{"name":"A"}')


def test_quiet_prints_the_token_and_nothing_else(config: Path) -> None:
    result = invoke(config, "gentoken", "-q", "-u", "42")
    assert result.stdout == token(result)


def test_gensubtoken_makes_a_token_for_one_channel(config: Path) -> None:
    made = token(invoke(config, "gensubtoken", "-u", "42", "-s", "$chat:1", "-t", "60"))
    read = run(verifier().subscription_token(made))
    assert (read.user, read.channel) == ("42", "$chat:1")


def test_gensubtoken_uses_the_section_of_subscription_tokens_where_there_is_one(
    tmp_path: Path,
) -> None:
    own = {"enabled": True, "hmac_secret_key": KEY}
    path = write(
        tmp_path, {"client": {"token": {"hmac_secret_key": "other"}, "subscription_token": own}}
    )
    made = token(invoke(path, "gensubtoken", "-s", "a"))
    assert run(verifier().subscription_token(made)).channel == "a"
    assert invoke(path, "checksubtoken", made).exit_code == 0
    assert invoke(path, "checktoken", made).exit_code == 1


def test_what_gentoken_makes_checktoken_accepts(tmp_path: Path) -> None:
    section = {
        "hmac_secret_key": KEY,
        "audience": "me",
        "issuer": "us",
        "user_id_claim": "user_id",
    }
    path = write(tmp_path, {"client": {"token": section}})
    made = token(invoke(path, "gentoken", "-u", "42", "-t", "-1"))
    result = invoke(path, "checktoken", made)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith('valid connection token of user "42", without end\npayload: {')


@pytest.mark.parametrize(
    ("claims", "key", "reason"),
    [
        ({"sub": "42"}, "other", "invalid token: the signature does not fit"),
        ({"sub": 42}, KEY, "invalid token: claims: "),
        ({"sub": "42", "channel": "a"}, KEY, "invalid token: a connection token must not"),
        ({"sub": "42", "exp": 5}, KEY, "expired token: exp has passed"),
    ],
)
def test_checktoken_says_what_is_wrong_and_fails(
    config: Path, claims: dict[str, Any], key: str, reason: str
) -> None:
    result = invoke(config, "checktoken", sign(claims, key))
    assert result.exit_code == 1
    assert f"Error: {reason}" in result.stderr
    assert result.stdout == ""


def test_checksubtoken_says_what_a_token_is_good_for(config: Path) -> None:
    made = sign({"channel": "a", "exp": 4102444800}, KEY)
    result = invoke(config, "checksubtoken", made)
    assert result.stdout.splitlines() == [
        'valid subscription token of an anonymous user and channel "a", '
        "until 2100-01-01T00:00:00+00:00",
        'payload: {"channel":"a","exp":4102444800}',
    ]
    assert invoke(config, "checksubtoken", sign({"sub": "42"}, KEY)).exit_code == 1
    assert invoke(config, "checksubtoken", "nonsense").exit_code == 1


def test_a_key_set_that_cannot_be_reached_leaves_it_open(tmp_path: Path) -> None:
    section = {"jwks_public_endpoint": "http://127.0.0.1:1/keys"}
    path = write(tmp_path, {"client": {"token": section}})
    made = token_of({"sub": "42"}, "ES256", header={"alg": "ES256", "kid": "k"})
    result = invoke(path, "checktoken", made)
    assert result.exit_code == 1
    assert "cannot tell: key set http://127.0.0.1/keys" in result.stderr


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({}, "client.token.hmac_secret_key is not set"),
        (
            {"hmac_secret_key": KEY, "jwks_public_endpoint": "https://x/"},
            "client.token.jwks_public_endpoint is set",
        ),
    ],
)
def test_tokens_that_the_server_would_refuse_are_not_made(
    tmp_path: Path, section: dict[str, str], reason: str
) -> None:
    path = write(tmp_path, {"client": {"token": section}})
    for arguments in (["gentoken"], ["gensubtoken", "-s", "a"]):
        result = invoke(path, *arguments)
        assert result.exit_code == 1
        assert reason in result.stderr


def test_a_bad_configuration_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{")
    for name in ("gentoken", "checktoken"):
        result = invoke(path, name, *(["x"] if name == "checktoken" else []))
        assert result.exit_code == 1
        assert str(path) in result.stderr


def test_a_bad_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, {"client": {"token": {"rsa_public_key": "x"}}})
    result = invoke(path, "checktoken", "x")
    assert result.exit_code == 1
    assert "client.token.rsa_public_key" in result.stderr


def test_info_must_be_json(config: Path) -> None:
    assert invoke(config, "gentoken", "--info", "{").exit_code == 2


# ── 2018 ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def classic(tmp_path: Path) -> Path:
    return write(tmp_path, {"secret": "secret"})


def test_gentoken_makes_2018_credentials(classic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vector: classic.md section 14.1."""
    monkeypatch.setattr(time, "time", lambda: 1528600000.9)
    result = invoke(classic, "gentoken", "--classic", "-u", "42", "--info", '{"a":1}')
    assert json.loads(result.stdout) == {
        "user": "42",
        "timestamp": "1528600000",
        "info": '{"a":1}',
        "token": "925a618a38efdea7081770cac9e23b9d0477f7b541087343a42171c9f2a2b99a",
    }


def test_gensubtoken_makes_2018_signs(classic: Path) -> None:
    """Vector: classic.md section 14.1."""
    result = invoke(classic, "gensubtoken", "--classic", "--client", "cid", "-s", "$p")
    assert json.loads(result.stdout) == {
        "channel": "$p",
        "client": "cid",
        "info": "",
        "sign": "3023391f92671ae41b682131f4ca0f2df225e2cfa6358c00694ac4e07323fb55",
    }


def test_a_2018_sign_is_for_one_connection(classic: Path) -> None:
    result = invoke(classic, "gensubtoken", "--classic", "-s", "$p")
    assert result.exit_code == 2
    assert "--client" in result.stderr


def test_2018_credentials_need_the_2018_secret(config: Path) -> None:
    result = invoke(config, "gentoken", "--classic")
    assert result.exit_code == 1
    assert "classic.secret is not set" in result.stderr


def test_2018_credentials_that_look_like_a_jwt_are_not_made(classic: Path) -> None:
    user = sign({"sub": "42"}, KEY).rpartition(".")[0]
    result = invoke(classic, "gentoken", "--classic", "-u", user)
    assert result.exit_code == 1
    assert "looks like a JWT" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("gentoken", "--info", "5"),
        ("gentoken", "--info", "mod"),
        ("gensubtoken", "--client", "c", "-s", "$p", "--info", "[1]"),
        ("gensubtoken", "--client", "c", "-s", "$p{}"),
    ],
)
def test_2018_credentials_that_the_server_would_refuse_are_not_made(
    classic: Path, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    result = invoke(classic, command, "--classic", *options)
    assert result.exit_code == 1
    assert "--info: expected nothing, or " in result.stderr
