"""Commands that make and check tokens by the server's own configuration.

They print to stdout what a person or a script wants to have, and everything else to stderr.
Nothing here knows how tokens are verified, or how a configuration is read.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from girandola.auth import jwt, signs
from girandola.auth.claims import InvalidToken, TokenExpired
from girandola.auth.jwks import KeySets, KeysUnavailable
from girandola.config.load import ConfigError, Sources
from girandola.config.schema import Config
from girandola.options import TokenOptions

# ── options that several commands have ───────────────────────────────────────────────────────

_config = click.option("-c", "--config", default="config.json", help="Configuration file.")
_user = click.option("-u", "--user", default="", help="User id; none makes an anonymous token.")
_ttl = click.option(
    "-t",
    "--ttl",
    default=7 * 24 * 3600,
    type=click.IntRange(min=-1),
    help="How long the token is good, in seconds; -1 for ever.",
    show_default=True,
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print the token and nothing else.")
_info = click.option("--info", default="", help="What other clients see of the user: JSON.")


@click.command("gentoken")
@_config
@_user
@_ttl
@_quiet
@_info
@click.option("--classic", is_flag=True, help="Make credentials of 2018, printed as JSON.")
def gentoken(config: str, user: str, ttl: int, quiet: bool, info: str, classic: bool) -> None:
    """Make a connection token (HS256)."""
    settings = _settings(config)
    if classic:
        timestamp = str(int(time.time()))
        _refuse_jwt(user + timestamp + info)
        _refuse_ambiguous(settings, signs.has_one_reading(timestamp, info), "JSON but no number")
        token = signs.client_token(_classic_secret(settings), user, timestamp, info)
        _print_json({"user": user, "timestamp": timestamp, "info": info, "token": token})
        return
    claims = _claims(settings.client.token, user, ttl, info)
    token = jwt.sign(claims, _hmac_key("client.token", settings.client.token))
    _print_token(f"JWT (HS256) for {_named(user)}, {_good_for(ttl)}:", token, quiet)


@click.command("gensubtoken")
@_config
@_user
@click.option("-s", "--channel", required=True, help="The channel to subscribe to.")
@_ttl
@_quiet
@_info
@click.option("--classic", is_flag=True, help="Make a channel sign of 2018, printed as JSON.")
@click.option("--client", default="", help="With --classic: the id of the connection.")
def gensubtoken(
    config: str,
    user: str,
    channel: str,
    ttl: int,
    quiet: bool,
    info: str,
    classic: bool,
    client: str,
) -> None:
    """Make a subscription token (HS256)."""
    settings = _settings(config)
    if classic:
        if not client:
            raise click.UsageError("--classic needs --client: signs are for one connection")
        _refuse_jwt(client + channel + info)
        clear = signs.sign_has_one_reading(channel, info)
        _refuse_ambiguous(settings, clear, "a JSON object, which the channel does not end with")
        sign = signs.channel_sign(_classic_secret(settings), client, channel, info)
        _print_json({"channel": channel, "client": client, "info": info, "sign": sign})
        return
    section, options = _subscription_section(settings)
    claims = _claims(options, user, ttl, info) | {"channel": channel}
    token = jwt.sign(claims, _hmac_key(section, options))
    told = f"JWT (HS256) for {_named(user)} and channel {_quoted(channel)}, {_good_for(ttl)}:"
    _print_token(told, token, quiet)


@click.command("checktoken")
@click.argument("token")
@_config
def checktoken(token: str, config: str) -> None:
    """Check a connection token; say what is wrong with it and exit with 1, or what it says."""
    settings = _settings(config)

    async def check(verifier: jwt.Verifier) -> tuple[str, int]:
        verified = await verifier.connection_token(token)
        return f"connection token of {_named(verified.user)}", verified.expire_at

    _check(token, settings, "client.token", settings.client.token, check)


@click.command("checksubtoken")
@click.argument("token")
@_config
def checksubtoken(token: str, config: str) -> None:
    """Check a subscription token; say what is wrong with it and exit with 1, or what it says."""
    settings = _settings(config)

    async def check(verifier: jwt.Verifier) -> tuple[str, int]:
        verified = await verifier.subscription_token(token)
        told = f"{_named(verified.user)} and channel {_quoted(verified.channel)}"
        return f"subscription token of {told}", verified.expire_at

    _check(token, settings, *_subscription_section(settings), check)


COMMANDS: list[click.Command] = [gentoken, gensubtoken, checktoken, checksubtoken]


# ── making ───────────────────────────────────────────────────────────────────────────────────


def _claims(options: TokenOptions, user: str, ttl: int, info: str) -> dict[str, Any]:
    """Return claims that the server, so configured, accepts."""
    now = int(time.time())
    claims: dict[str, Any] = {options.user_id_claim or "sub": user} if user else {}
    claims["iat"] = now
    if ttl >= 0:
        claims["exp"] = now + ttl
    if options.issuer:
        claims["iss"] = options.issuer
    if options.audience:
        claims["aud"] = options.audience
    if info:
        try:
            claims["info"] = msgspec.json.decode(info)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise click.BadParameter("expected JSON", param_hint="--info") from None
    return claims


def _hmac_key(section: str, options: TokenOptions) -> str:
    if options.jwks_public_endpoint:
        raise click.ClickException(
            f"{section}.jwks_public_endpoint is set, so the server accepts tokens of its keys only"
        )
    if not options.hmac_secret_key:
        raise click.ClickException(
            f"{section}.hmac_secret_key is not set, and only HMAC tokens can be made here"
        )
    return options.hmac_secret_key


def _classic_secret(settings: Config) -> str:
    if not settings.classic.secret and not settings.classic.allow_empty_secret:
        raise click.ClickException("classic.secret is not set, so no 2018 token is accepted")
    return settings.classic.secret


def _refuse_ambiguous(settings: Config, is_clear: bool, expected: str) -> None:
    if not is_clear and not settings.classic.allow_ambiguous_signatures:
        raise click.ClickException(f"--info: expected nothing, or {expected}")


def _refuse_jwt(text: str) -> None:
    if signs.is_jwt_signing_input(text.encode()):
        raise click.ClickException("the text to sign looks like a JWT; no server accepts that")


# ── checking ─────────────────────────────────────────────────────────────────────────────────


def _check(
    token: str,
    settings: Config,
    section: str,
    options: TokenOptions,
    check: Callable[[jwt.Verifier], Any],
) -> None:
    skip = settings.client.insecure_skip_token_signature_verify
    try:
        told, expire_at = asyncio.run(_with_verifier(options, skip, check))
    except InvalidToken as error:
        raise click.ClickException(f"invalid token: {error}") from None
    except TokenExpired as error:
        raise click.ClickException(f"expired token: {error}") from None
    except KeysUnavailable as error:
        raise click.ClickException(f"cannot tell: {error}") from None
    except ValueError as error:
        raise click.ClickException(f"{section}.{error}") from None
    if skip:
        click.echo("client.insecure_skip_token_signature_verify: signature not checked", err=True)
    click.echo(f"valid {told}, {_until(expire_at)}")
    click.echo(f"payload: {_payload(token)}")


async def _with_verifier(
    options: TokenOptions, skip: bool, check: Callable[[jwt.Verifier], Any]
) -> tuple[str, int]:
    key_sets = KeySets(now=time.monotonic)
    try:
        verifier = jwt.Verifier(options, time=time.time, jwks=key_sets, skip_signature=skip)
        told, expire_at = await check(verifier)
        return told, expire_at
    finally:
        await key_sets.close()


def _payload(token: str) -> str:
    segment = token.split(".")[1]
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)).decode()


# ── both ─────────────────────────────────────────────────────────────────────────────────────


def _settings(path: str) -> Config:
    try:
        loaded = Sources(path=path).load()
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    return loaded.config


def _subscription_section(settings: Config) -> tuple[str, TokenOptions]:
    own = settings.client.subscription_token
    if own.enabled:
        return "client.subscription_token", own
    return "client.token", settings.client.token


def _print_token(told: str, token: str, quiet: bool) -> None:
    if not quiet:
        click.echo(told)
    click.echo(token, nl=not quiet)


def _print_json(value: dict[str, str]) -> None:
    click.echo(msgspec.json.encode(value).decode())


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _named(user: str) -> str:
    return f"user {_quoted(user)}" if user else "an anonymous user"


def _good_for(ttl: int) -> str:
    return f"good for {ttl} s" if ttl >= 0 else "good for ever"


def _until(expire_at: int) -> str:
    if not expire_at:
        return "without end"
    try:
        when = datetime.fromtimestamp(expire_at, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        when = str(expire_at)
    return f"until {when}"
