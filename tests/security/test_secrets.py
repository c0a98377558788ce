"""No secret and no token ever stands in the log, at any level, whatever happens with it.

One scenario shows each of them everywhere where it may be shown, and in wrong places, too; then the
whole log and all that anybody was told is searched for every part of them.
"""

import base64
import json
import logging
from pathlib import Path

import pytest

from girandola.auth.signs import api_sign, client_token
from girandola.config.load import ConfigError, load
from tests.security.conftest import Attack
from tests.security.peer import text_frame
from tests.security.victim import API_KEY, CLASSIC_SECRET, SECRET, Victim, sign

TOKENS = {
    "good": sign({"sub": "alice"}),
    "over": sign({"sub": "alice", "exp": 1}),
    "for a channel": sign({"sub": "alice", "channel": "$vault"}),
    "for another channel": sign({"sub": "alice", "channel": "$other"}),
    "of a wrong type": sign({"sub": {"a": "the name of a person"}}),
    "forged": sign({"sub": "alice"})[:-3] + "abc",
    "of another algorithm": sign({"sub": "alice"}).replace("eyJ", "eyK", 1),
}
SIGNED = client_token(CLASSIC_SECRET, "alice", "1700000000")
INFO = "the private info of alice"
PAYLOAD = "what alice says to bob"
BODIES = (json.dumps({"channel": "a", "data": PAYLOAD}), PAYLOAD, f'{{"data":"{PAYLOAD}"')
WRONG_KEY = "almost the key of the api"


def secrets() -> dict[str, str]:
    """Return what may stand nowhere, by what it is."""
    found = {"secret": SECRET, "2018 secret": CLASSIC_SECRET, "key": API_KEY, "2018": SIGNED}
    found |= {"wrong key": WRONG_KEY, "payload": PAYLOAD, "info": INFO, "claim": "name of a person"}
    for name, jwt in TOKENS.items():
        _, claims, sealed = jwt.split(".")
        found |= {f"claims {name}": claims, f"signature {name}": sealed}
    for name, text in list(found.items()):
        found[f"{name} in base64"] = base64.b64encode(text.encode()).decode().rstrip("=")[:-2]
    return found


def check(text: str) -> None:
    for name, secret in secrets().items():
        assert secret not in text, name


# ── who shows them ───────────────────────────────────────────────────────────────────────────


async def say(victim: Victim, *commands: object) -> None:
    """Say commands on a connection of their own, today's or 2018's."""
    peer = await victim.peer()
    await peer.open_websocket()
    for command in commands:
        said = command if isinstance(command, str) else json.dumps(command)
        await peer.send(text_frame(said))
    peer.end()
    await peer.read_all()


async def ask(victim: Victim, path: str, body: str = "", **headers: str) -> str:
    """Send a request and return the whole answer."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: a"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", body]
    return (await victim.ask("\r\n".join(lines).encode())).decode("latin-1")


async def clients(victim: Victim) -> None:
    for jwt in TOKENS.values():
        connect = {"id": 1, "connect": {"token": jwt, "data": INFO, "headers": {"a": jwt}}}
        good = {"id": 1, "connect": {"token": TOKENS["good"]}}
        await say(victim, connect, {"id": 2, "refresh": {"token": jwt}})
        await say(victim, good, {"id": 2, "subscribe": {"channel": "$vault", "token": jwt}})
        await say(victim, good, {"id": 2, "sub_refresh": {"channel": "$vault", "token": jwt}})
        await say(victim, good, {"id": 2, "rpc": {"method": "x", "data": jwt}})
        await say(victim, {"id": 1, "connect": {"token": [jwt]}})
        await say(victim, json.dumps(connect)[:-1])
        await say(victim, f'{{"id":1,"params":{{"token":"{jwt}"}}}}')
        for user, token in (("alice", SIGNED), ("bob", SIGNED), ("alice", jwt)):
            params = {"user": user, "timestamp": "1700000000", "token": token, "info": ""}
            await say(victim, {"method": "connect", "params": params})
            await say(victim, {"method": "connect", "params": params | {"info": INFO}})
    good = {"id": 1, "connect": {"token": TOKENS["good"]}}
    publish = {"id": 3, "publish": {"channel": "a", "data": PAYLOAD}}
    await say(victim, good, {"id": 2, "subscribe": {"channel": "a"}}, publish, publish, "{")
    await say(victim, good, json.dumps(publish)[:-2])


async def requests(victim: Victim) -> list[str]:
    told = []
    for key in (API_KEY, WRONG_KEY):
        for path in ("/api/publish", "/api", "/api/nothing", f"/api/info?api_key={key}", "/x"):
            for body in BODIES:
                told.append(await ask(victim, path, body, X_API_Key=key))
                told.append(await ask(victim, path, body, Authorization=f"apikey {key}"))
        told.append(await ask(victim, f"/{key}/?api_key={key}"))
    command = json.dumps({"method": "publish", "params": {"channel": "a", "data": PAYLOAD}})
    for sign_ in (api_sign(CLASSIC_SECRET, command.encode()), "0" * 64, CLASSIC_SECRET):
        json_type = {"Content_Type": "application/json"}
        told.append(await ask(victim, "/api/", command, X_API_Sign=sign_, **json_type))
    for jwt in TOKENS.values():
        connect = base64.b64encode(jwt.encode()).decode()
        for path in ("/connection/sse", "/connection/uni_sse", "/connection/websocket"):
            await ask(victim, f"{path}?cf_connect={jwt}&token={jwt}", Authorization=jwt)
            await ask(
                victim, f"{path}?x={connect}", Cookie=jwt, Origin=f"https://{jwt[:9]}.example"
            )
        body = json.dumps({"session": jwt, "node": victim.node.uid, "data": jwt})
        told.append(await ask(victim, "/emulation", body))
    return told


def test_a_day_with_many_secrets_leaves_none_behind(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(victim: Victim) -> None:
        await clients(victim)
        told = await requests(victim)
        await victim.neighbours.look_after_each_other()
        check("\n".join(told))

    attack(scenario)
    assert len(caplog.records) > 100
    check(caplog.text)
    check("\n".join(repr(record.__dict__) for record in caplog.records))


def test_what_is_said_of_a_bad_configuration_hides_its_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of wrong types, unknown names and broken files; nor do warnings say them."""
    caplog.set_level(logging.DEBUG)
    configurations: list[object] = [
        {"client": {"token": {"hmac_secret_key": [SECRET]}}},
        {"client": {"token": {"hmac_secret_key": {"a": SECRET}}}},
        {"client": {"token": {"hmac_secret_keys": SECRET}}},
        {"client": {"token": SECRET}},
        {"http_api": {"key": [API_KEY]}},
        {"http_api": {"key": {"key": API_KEY}}},
        {"classic": {"secret": [CLASSIC_SECRET]}},
        {"secret": [CLASSIC_SECRET]},
        {"secret": CLASSIC_SECRET, "classic": {"secret": API_KEY}},
        {"secret": CLASSIC_SECRET, "namespaces": [{"name": SECRET}]},
    ]
    for number, configuration in enumerate(configurations):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(configuration))
        environ = {"GIRANDOLA_HTTP_API_KEYS": API_KEY, "CENTRIFUGO_SECRETS": CLASSIC_SECRET}
        for env in ({}, environ):
            try:
                said = "\n".join(load(str(file), env).warnings)
            except ConfigError as error:
                said = str(error)
            for secret in (SECRET, API_KEY, CLASSIC_SECRET):
                if configuration != configurations[-1] or secret != SECRET:
                    assert secret not in said, (configuration, said)
    for secret in (SECRET, API_KEY, CLASSIC_SECRET):
        assert secret not in caplog.text
