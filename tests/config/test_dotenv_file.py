"""``.env`` in the working directory: what it adds, and what it never does."""

import json
from pathlib import Path

import pytest

from girandola.config.dotenv_file import with_dotenv
from girandola.config.load import ConfigError, Sources


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for prefix in ("CENTRIFUGO", "GIRANDOLA"):
        monkeypatch.delenv(f"{prefix}_NODE_NAME", raising=False)
    return tmp_path


def test_it_goes_beneath_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text(
        "# for the server\n"
        "CENTRIFUGO_HTTP_SERVER_PORT=9001\n"
        'export GIRANDOLA_NODE_NAME="a b"\n'
        "CENTRIFUGO_LOG_LEVEL=debug # while we look\n"
    )
    monkeypatch.setenv("CENTRIFUGO_LOG_LEVEL", "warn")
    loaded = Sources(path="none.json").load()
    assert loaded.config.http_server.port == 9001
    assert loaded.config.node.name == "a b"
    assert loaded.config.log.level == "warn"
    assert loaded.dotenv == str(folder / ".env")


def test_a_reload_reads_it_again(folder: Path) -> None:
    sources = Sources(path="none.json")
    assert sources.load().dotenv == ""
    (folder / ".env").write_text("GIRANDOLA_NODE_NAME=new\n")
    assert sources.load().config.node.name == "new"


def test_only_variables_for_the_server_are_taken(folder: Path) -> None:
    (folder / ".env").write_text("PATH=/x\nLISTEN_FDS=1\nCENTRIFUGO_A=1\n")
    assert with_dotenv({"HOME": "/"}).variables == {"HOME": "/", "CENTRIFUGO_A": "1"}


def test_a_variable_that_is_set_stays_even_when_it_is_empty(folder: Path) -> None:
    (folder / ".env").write_text("CENTRIFUGO_A=1\n")
    assert with_dotenv({"CENTRIFUGO_A": ""}).variables == {"CENTRIFUGO_A": ""}


def test_a_folder_of_this_name_is_none(folder: Path) -> None:
    (folder / ".env").mkdir()
    assert with_dotenv({"A": "1"}).variables == {"A": "1"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("${NAME}-b", "a-b"),
        ('"${NAME}"', "a"),
        ("'${NAME}'", "${NAME}"),
        ("'pa$SSWORD'", "pa$SSWORD"),
        (r"pa\$SSWORD", "pa$SSWORD"),
        ("pa$word$1$", "pa$word$1$"),
        ("${HOME}", "/home"),
        ("${CENTRIFUGO_VAR_X}", "${CENTRIFUGO_VAR_X}"),
        ("", ""),
    ],
)
def test_variables_in_values_are_replaced_outside_of_single_quotes(
    folder: Path, line: str, value: str
) -> None:
    (folder / ".env").write_text(f"NAME=a\nCENTRIFUGO_A={line}\n")
    assert with_dotenv({"HOME": "/home"}).variables["CENTRIFUGO_A"] == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=1\nhush\n", ".env: line 2: cannot be parsed, expected NAME=value"),
        ('A=1\n\nB="hush\n', ".env: line 3: cannot be parsed, expected NAME=value"),
        ("=hush\n", ".env: line 1: cannot be parsed, expected NAME=value"),
        ("A=hush$HUSH\n", ".env: line 1: a $ that names a variable is written ${NAME}"),
        ("A=${hush}\n", ".env: line 1: ${…} names a variable that is not set"),
        ("A=\udcff", ".env: cannot be read: it is not in UTF-8"),
    ],
)
def test_a_broken_one_stops_the_start_with_its_line_and_without_its_text(
    folder: Path, text: str, told: str
) -> None:
    (folder / ".env").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        Sources(path="none.json").load()
    assert str(caught.value).startswith(told)
    assert "hush" not in str(caught.value).lower()


OPENING = (
    "CENTRIFUGO_ANONYMOUS=true\nCENTRIFUGO_CLIENT_ANONYMOUS=true\nCENTRIFUGO_PROTECTED=false\n"
    "CENTRIFUGO_API_INSECURE=true\nCENTRIFUGO_ALLOWED_ORIGINS=*\n"
)


@pytest.mark.parametrize(
    "options",
    [
        {"token_hmac_secret_key": "k", "protected": True},
        {"generation": "v2", "secret": "k"},
        {"generation": "v5", "token_hmac_secret_key": "k"},
        {"secret": "k", "watch": True},
        {},
    ],
)
def test_it_opens_nothing_for_a_configuration_of_before_v6(
    folder: Path, options: dict[str, object]
) -> None:
    """Those servers did not read it, and the one that does knows no names of theirs."""
    (folder / "config.json").write_text(json.dumps(options))
    before = Sources().load()
    (folder / ".env").write_text(OPENING)
    after = Sources().load()
    assert after.config == before.config
    assert after.dotenv == ""
    assert any(line.startswith(".env: has no effect") for line in after.warnings)


def test_it_may_say_the_generation(folder: Path) -> None:
    (folder / "config.json").write_text('{"token_hmac_secret_key": "k"}')
    (folder / ".env").write_text("GIRANDOLA_GENERATION=v3\n")
    assert Sources().load().generation == 3
    assert not any(line.startswith(".env") for line in Sources().load().warnings)
