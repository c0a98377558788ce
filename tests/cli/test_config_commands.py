"""The command line as a person types it: flags, the commands for configurations, exit codes."""

import json
import os
import stat
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

import girandola
from girandola.cli import config as commands
from girandola.cli.main import main
from girandola.config.document import markdown
from girandola.config.load import ConfigError, Loaded, Sources, load
from girandola.config.schema import Config

EXAMPLE = str(Path(__file__).parents[1] / "data" / "example-config.json")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GIRANDOLA_", "CENTRIFUGO_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Loaded, Sources]]:
    """Put a server in place that only remembers what it was started with."""
    calls: list[tuple[Loaded, Sources]] = []

    def serve(loaded: Loaded, sources: Sources) -> int:
        calls.append((loaded, sources))
        return 0

    monkeypatch.setitem(sys.modules, "girandola.cli.serve", SimpleNamespace(serve=serve))
    return calls


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    return int(exit_.value.code or 0)


# ── the server ───────────────────────────────────────────────────────────────────────────────


def test_the_founding_command_line_works_as_typed(served: list[tuple[Loaded, Sources]]) -> None:
    Path("config.json").write_text(Path(EXAMPLE).read_text())
    assert run("--config=config.json", "--admin", "--web", "--port", "8088") == 0
    ((loaded, sources),) = served
    assert loaded.config.http_server.port == 8088
    assert loaded.config.admin.enabled
    assert loaded.config.admin.web
    assert loaded.warnings == ("the admin and web pages come later: admin and web have no effect",)
    assert sources.load() == loaded


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["--web"], {"web": "true"}),
        (["--web=false"], {"web": "false"}),
        (["-w", "--port", "1"], {"web": "true", "port": "1"}),
        (["-w=false"], {"web": "false"}),
        (["--port=1"], {"port": "1"}),
        (["-p", "1", "-a", "::"], {"http_server.port": "1", "http_server.address": "::"}),
        (["-p1"], {"http_server.port": "1"}),
        (["-p=1"], {"http_server.port": "1"}),
        (["-e", "memory", "-n", "node"], {"engine": "memory", "name": "node"}),
        (
            ["--engine.type", "memory", "--log.level=warn"],
            {"engine.type": "memory", "log.level": "warn"},
        ),
        (["--insecure", "--insecure_api"], {"insecure": "true", "insecure_api": "true"}),
        (
            ["--client.insecure", "--http_api.insecure=0"],
            {"client.insecure": "true", "http_api.insecure": "0"},
        ),
        (["--log_level", "debug", "--log_file", "--x"], {"log_level": "debug", "log_file": "--x"}),
        (["--redis_host", "", "-d"], {"redis_host": "", "debug": "true"}),
    ],
)
def test_flags_are_read_as_go_programs_read_them(
    served: list[tuple[Loaded, Sources]], arguments: list[str], flags: dict[str, str]
) -> None:
    assert run(*arguments) == 0
    assert served[0][1].flags == flags
    assert served[0][1].path == "config.json"


def test_the_exit_code_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(serve=lambda loaded, sources: 3)
    monkeypatch.setitem(sys.modules, "girandola.cli.serve", module)
    assert run() == 3


def test_a_bad_configuration_is_told_line_by_line_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], served: list[tuple[Loaded, Sources]]
) -> None:
    Path("config.json").write_text('{"engine": {"type": 5}}')
    assert run("--port", "http") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        'config.json: engine.type: got 5, expected "memory" (other engines are not built yet)',
        'command line: --port: got "http", expected a whole number from 0 to 65535',
    ]
    assert served == []


def test_unknown_flags_and_commands_are_told_with_the_nearest_and_exit_with_2(
    capsys: pytest.CaptureFixture[str], served: list[tuple[Loaded, Sources]]
) -> None:
    assert run("--prot", "1") == 2
    assert "--port" in capsys.readouterr().err
    assert run("checkconfg") == 2
    assert "No such command 'checkconfg'. Did you mean 'checkconfig'?" in capsys.readouterr().err
    assert run("--port") == 2
    assert "--port" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help_lists_flags_in_groups_and_every_command(
    capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    assert run(flag) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in (
        *("Flags:", "Flags of 2018:", "Flags that are known, but not built yet:", "Commands:"),
        *("-c, --config VALUE", "-w, --web", "--sse.enabled", "genconfig", "gentoken"),
    ):
        assert text in out


def test_help_of_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("help", "checkconfig") == 0
    assert "--strict" in capsys.readouterr().out
    assert run("help", "nothing") == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version") == 0
    assert capsys.readouterr().out.startswith(f"girandola v{girandola.__version__} (Python ")


# ── genconfig ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["config.json", "config.toml", "config.yaml", "config.yml"])
def test_genconfig_writes_a_closed_configuration_that_both_generations_can_log_in_to(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run("genconfig", *([] if name == "config.json" else ["-c", name])) == 0
    assert capsys.readouterr() == ("", "")
    loaded = load(name)
    assert loaded.warnings == ()
    config = loaded.config
    secrets = {
        config.client.token.hmac_secret_key,
        config.classic.secret,
        config.http_api.key,
        config.admin.secret,
        config.admin.password,
    }
    assert len(secrets) == 5
    assert min(map(len, secrets)) >= 20
    assert config.client.allowed_origins == ()
    top = config.channel.without_namespace
    opened = {field for field in top.__struct_fields__ if getattr(top, field) is True}
    assert opened == {"allow_user_limited_channels"}
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600


def test_genconfig_makes_other_secrets_every_time() -> None:
    assert run("genconfig", "-c", "a.json") == run("genconfig", "-c", "b.json") == 0
    assert load("a.json").config.classic.secret != load("b.json").config.classic.secret


def test_genconfig_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.json").write_text("mine")
    assert run("genconfig") == 1
    assert capsys.readouterr().err == "config.json: exists already, and is not overwritten\n"
    assert Path("config.json").read_text() == "mine"


def test_genconfig_refuses_formats_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("genconfig", "-c", "config.ini") == 1
    assert "unknown format" in capsys.readouterr().err
    assert not Path("config.ini").exists()


def test_a_new_file_that_does_not_load_is_removed() -> None:
    with pytest.raises(ConfigError):
        commands.write_new("config.json", '{"log": 5}')
    assert not Path("config.json").exists()


def test_a_file_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("genconfig", "-c", "no/such/config.json") == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


# ── checkconfig ──────────────────────────────────────────────────────────────────────────────


def test_checkconfig_says_ok(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checkconfig", "-c", EXAMPLE) == 0
    assert run("checkconfig", "--strict", "-c", EXAMPLE) == 0
    told = f'ok, read as v1: "watch" ({EXAMPLE}) is v1\n'
    assert capsys.readouterr() == (told * 2, "")


@pytest.mark.parametrize(
    ("options", "arguments", "told"),
    [
        ({"protected": True}, (), 'ok, read as v3: "protected" (config.json) is v3'),
        ({"generation": "v2"}, (), "ok, read as v2: generation says so (config.json)"),
        ({}, ("--generation", "v4"), "ok, read as v4: --generation says so (command line)"),
        (
            {"token_hmac_secret_key": "k"},
            (),
            "ok, read as v5: every name is known to v2–v5; v5 is the safe reading",
        ),
    ],
)
def test_checkconfig_says_which_generation_it_sees_and_why(
    capsys: pytest.CaptureFixture[str], options: object, arguments: tuple[str, ...], told: str
) -> None:
    Path("config.json").write_text(json.dumps(options))
    assert run("checkconfig", *arguments) == 0
    assert capsys.readouterr().out == told + "\n"


def test_a_mixture_stops_the_start_in_one_line(
    capsys: pytest.CaptureFixture[str], served: list[tuple[Loaded, Sources]]
) -> None:
    Path("config.json").write_text('{"client": {}, "admin_password": "p"}')
    assert run() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('cannot tell the generation: "client" (config.json) is v6, "admin_pass')
    assert 'in v6 "admin_password" is "admin.password"' in line
    assert served == []


@pytest.mark.parametrize(
    ("arguments", "generation"),
    [
        (["--client_insecure", "--generation", "v2"], 2),
        (["--generation=v3", "--sockjs", "--nats_url", "nats://n"], 3),
        (["--swagger", "--tls=false", "-p", "1"], 5),
        (["--redis_sentinel_password", "x", "--generation", "v2"], 2),
    ],
)
def test_flags_of_v2_to_v5_are_read(
    served: list[tuple[Loaded, Sources]], arguments: list[str], generation: int
) -> None:
    assert run(*arguments) == 0
    ((loaded, sources),) = served
    assert loaded.generation == generation
    assert sources.load() == loaded


def test_checkconfig_tells_all_errors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("config.json").write_text('{"engine": {"type": 5}, "client": {"concurrency": -1}}')
    monkeypatch.setenv("GIRANDOLA_HTTP_SERVER_PORT", "x")
    assert run("checkconfig") == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_checkconfig_fails_on_unknown_names_only_when_strict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("config.json").write_text('{"what": 5, "init": {"enabled": true}}')
    assert run("checkconfig") == 0
    out, err = capsys.readouterr()
    assert out == 'ok, read as v6: "init" (config.json) is v6\n'
    assert len(err.splitlines()) == 2
    assert run("checkconfig", "-s") == 1
    assert capsys.readouterr() == (
        "",
        'config.json: unknown option "what", it has no effect\n',
    )


def test_checkconfig_tells_casts_and_fails_on_them_only_when_strict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("config.json").write_text('{"http_server": {"port": "8000"}, "http_api": {"key": 123}}')
    assert run("checkconfig") == 0
    out, err = capsys.readouterr()
    assert out.startswith("ok, read as v6: ")
    assert err == ""
    assert run("checkconfig", "--strict") == 1
    assert capsys.readouterr() == (
        "",
        'config.json: http_server.port: got "8000", taken as 8000\n'
        "config.json: http_api.key: got *** (hidden), taken as text\n",
    )


def test_checkconfig_reads_a_dotenv_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.json").write_text("{}")
    Path(".env").write_text("CENTRIFUGO_HTTP_SERVER_PORT=hush\n")
    assert run("checkconfig") == 1
    assert "environment: CENTRIFUGO_HTTP_SERVER_PORT: got" in capsys.readouterr().err
    Path(".env").write_text("broken\n")
    assert run("checkconfig") == 1
    assert capsys.readouterr().err == ".env: line 1: cannot be parsed, expected NAME=value\n"


def test_checkconfig_wants_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("checkconfig") == 1
    assert capsys.readouterr().err == (
        "config.json: cannot be found; girandola genconfig -c config.json writes a new one\n"
    )


# ── defaultconfig, defaultenv, configdoc ─────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["config.json", "all.toml", "all.yaml"])
def test_defaultconfig_writes_every_default(name: str) -> None:
    assert run("defaultconfig", "-c", name) == 0
    assert load(name).config == Config()


def test_defaultconfig_turns_a_configuration_of_2018_into_one_of_today(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("defaultconfig", "-b", EXAMPLE) == 0
    converted = load("config.json")
    assert converted.config == load(EXAMPLE).config
    assert not converted.classic
    assert run("defaultconfig", "-b", "missing.json") == 1
    assert "missing.json: cannot be found" in capsys.readouterr().err


def test_defaultconfig_can_only_show_what_it_would_write(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("defaultconfig", "-d") == 0
    shown = json.loads(capsys.readouterr().out)["http_server"]
    assert (shown["address"], shown["port"], shown["internal_port"]) == ("", 8000, "")
    assert not Path("config.json").exists()


def test_defaultenv_prints_variables_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("defaultenv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == sorted(lines)
    assert "GIRANDOLA_HTTP_SERVER_PORT=8000" in lines
    assert "GIRANDOLA_CHANNEL_PRIVATE_PREFIX='$'" in lines


def test_defaultenv_prints_only_what_a_base_sets(capsys: pytest.CaptureFixture[str]) -> None:
    Path("base.json").write_text(
        '{"http_server": {"port": 8000}, "client": {"insecure": false}, '
        '"websocket": {"write_timeout": "0s"}}'
    )
    assert run("defaultenv", "-b", "base.json", "--base-non-zero-only") == 0
    assert capsys.readouterr().out.splitlines() == [
        "GIRANDOLA_HTTP_SERVER_PORT=8000",
        "GIRANDOLA_WEBSOCKET_WRITE_TIMEOUT=0s",
    ]


def test_configdoc_prints_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("configdoc", "-m") == 0
    assert capsys.readouterr().out == markdown()
    assert run("configdoc", "-m", "-s", "log", "-l", "2") == 0
    assert capsys.readouterr().out == markdown("log", 2)
    assert run("configdoc", "-m", "-s", "nothing") == 1
    assert "expected one of admin, channel" in capsys.readouterr().err


def test_configdoc_shows_a_page_on_this_machine_only() -> None:
    with commands.page_server("<p>ü</p>", 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=10) as page:
            assert page.read() == "<p>ü</p>".encode()
            assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        thread.join(10)


def test_configdoc_says_when_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with commands.page_server("", 0) as server:
        assert run("configdoc", "-p", str(server.server_port)) == 1
    assert f"port {server.server_port}: cannot be listened on" in capsys.readouterr().err
