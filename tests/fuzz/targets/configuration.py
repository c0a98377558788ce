"""Configuration files and environments: any text is a configuration, or says what is wrong."""

import tempfile
from pathlib import Path

from girandola.config.load import ConfigError, load

FORMATS = ("json", "toml", "yaml")

SEEDS = (
    b'{"client":{"token":{"hmac_secret_key":"s"},"allowed_origins":["https://a"]}}',
    b'{"secret":"s","namespaces":[{"name":"ab","publish":true,"history_size":"10"}],"admin":true}',
    b'{"v3_use_offset":true,"token_hmac_secret_key":"s","namespaces":[{"name":"ab"}]}',
    b'[client]\nping_interval = "25s"\n[[channel.namespaces]]\nname = "ab"\npresence = true\n',
    b"client:\n  allowed_origins: ['*']\n  token: {hmac_secret_key: 1}\nhttp_server:\n  port: no\n",
    b'{"channel":{"without_namespace":{"channel_regex":"["}},"http_server":{"port":1e9}}',
    b"a: &a [*a]\n? {b: c}\n: !!python/object:os.system x\n",
)
WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b": ", b",", b"\n", b"  ", b"- ", b"=", b"&a ", b"*a"),
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"2001-01-01", b"!!binary ", b"0x10", b"\xff"),
    *(b'"client"', b'"token"', b'"namespaces"', b'"name"', b'"secret"', b'"port"', b'"admin"'),
    *(b"hmac_secret_key", b"history_ttl", b"10s", b"channel", b"http_api", b"<<: *a", b"\t"),
)


def one_input(data: bytes) -> None:
    """Read ``data`` as a file of each format, and as variables of the environment."""
    with tempfile.TemporaryDirectory() as folder:
        for format_ in FORMATS:
            path = Path(folder, f"config.{format_}")
            path.write_bytes(data)
            _load(str(path), {})
        environ = _environ(data.decode("utf-8", "replace"))
        _load(str(Path(folder, "missing.json")), environ)


def _environ(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.replace("\0", "").split("\n"))
    return {f"CENTRIFUGO_{name.strip().upper()}": value for name, _, value in pairs}


def _load(path: str, environ: dict[str, str]) -> None:
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        assert str(error)
        assert all(line.strip() for line in str(error).splitlines())
    else:
        assert loaded.config
