"""``girandola migrateconfig`` as a person types it: where what goes, and exit codes."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from girandola.cli import migrate as command
from girandola.cli.main import main
from girandola.config.load import load
from girandola.config.migrate import Migration
from girandola.config.schema import Config

V3 = {"protected": False, "token_hmac_secret_key": "hush", "namespaces": [{"name": "news"}]}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GIRANDOLA_", "CENTRIFUGO_"))]:
        monkeypatch.delenv(name)
    Path("old.json").write_text(json.dumps(V3))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["migrateconfig", *arguments])
    return int(exit_.value.code or 0)


def test_the_configuration_goes_to_stdout_and_what_is_said_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("old.json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["generation"] == "v6"
    assert err.startswith('old.json: read as v3: "protected" (old.json) is v3\n')
    assert "note: channel.namespaces[news]: allow_subscribe_for_client: users may" in err
    assert "hush" in out
    assert "hush" not in err


def test_a_line_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One endpoint of v3 sets three options of today that are not built yet."""
    Path("old.json").write_text(json.dumps(V3 | {"proxy_connect_endpoint": "http://b"}))
    run("old.json")
    assert capsys.readouterr().err.count('"proxy_connect_endpoint"') == 1


@pytest.mark.parametrize("name", ["new.json", "new.toml", "new.yaml", "new.yml"])
def test_a_new_file_is_written_for_its_owner_in_the_format_of_its_name(name: str) -> None:
    assert run("old.json", "-o", name) == 0
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    assert load(name).config == load("old.json").config


def test_no_file_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.json").write_text("mine")
    assert run("old.json", "--output", "new.json") == 1
    assert Path("new.json").read_text() == "mine"
    assert "new.json: exists already, and is not overwritten" in capsys.readouterr().err


def test_a_configuration_that_does_not_start_yet_is_written_all_the_same() -> None:
    Path("old.json").write_text(json.dumps({"generation": "v5", "engine": "redis"}))
    assert run("old.json", "-o", "new.json") == 0
    assert json.loads(Path("new.json").read_text())["engine"] == {"type": "redis"}


def test_the_format_is_that_of_the_file_unless_another_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("old.json", "--format", "toml") == 0
    assert capsys.readouterr().out.startswith('generation = "v6"\n')


def test_a_format_that_the_name_of_the_file_contradicts_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("old.json", "-o", "new.json", "--format", "yaml") == 1
    assert not Path("new.json").exists()
    assert capsys.readouterr().err == (
        "new.json: expected a name that ends in .yaml or .yml, as --format says\n"
    )


def test_the_generation_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.json").write_text('{"secret": "s"}')
    assert run("old.json", "--generation", "v2") == 0
    out, err = capsys.readouterr()
    assert "classic" not in json.loads(out)
    assert err.startswith("old.json: read as v2: --generation says so")


def test_the_environment_is_read_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CENTRIFUGO_API_KEY", "from-outside")
    Path(".env").write_text("CENTRIFUGO_ADMIN_SECRET=from-dotenv\n")
    run("old.json")
    without = json.loads(capsys.readouterr().out)
    run("old.json", "--env")
    out, err = capsys.readouterr()
    assert json.loads(out) == without | {"http_api": {"key": "from-outside"}}
    assert ".env: has no effect, since only v6 reads it" in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "old.json: cannot be found"),
        ("{", "old.json: cannot be parsed: "),
        ("[]", "old.json: expected an object of options at the top"),
        ('{"anonymous": true, "publish": true}', "cannot tell the generation: "),
        ('{"generation": "v7"}', 'old.json: generation: got "v7", expected one of v1'),
    ],
    ids=["missing", "broken", "no object", "undecided", "unknown generation"],
)
def test_what_cannot_be_read_is_one_line_and_exit_1(
    capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    if text is None:
        Path("old.json").unlink()
    else:
        Path("old.json").write_text(text)
    assert run("old.json", "-o", "new.json") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(told)
    assert err.count("\n") == 1
    assert not Path("new.json").exists()


# ── who may do what ──────────────────────────────────────────────────────────────────────────


def test_explain_shows_who_may_do_what_before_and_after(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("old.json", "--explain", "42", "news:x") == 0
    out, err = capsys.readouterr()
    json.loads(out)
    lines = err.splitlines()
    head = lines.index("user '42' in channel 'news:x':")
    assert lines[head + 1].split() == ["before", "(v3)", "after", "(v6)"]
    table = {line[:29].strip(): line[29:].split("  ") for line in lines[head + 2 :]}
    assert [cell.strip() for cell in table["subscribe without a token"] if cell] == ["yes", "yes"]
    assert "no: 103 permission denied" in lines[-6] + lines[-5]
    assert "differs" not in err


def test_explain_marks_what_differs_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = command.migrated

    def wrongly(*arguments: Any) -> Migration:
        found = real(*arguments)
        return structs.replace(found, after=structs.replace(found.after, config=Config()))

    monkeypatch.setattr(command, "migrated", wrongly)
    assert run("old.json", "--explain", "", "x") == 1
    err = capsys.readouterr().err
    assert "an anonymous user in channel 'x':" in err
    assert [line for line in err.splitlines() if line.endswith("differs")]


def test_explain_says_which_key_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.json").write_text('{"generation": "v5", "token_rsa_public_key": "hush"}')
    assert run("old.json", "--explain", "42", "x") == 1
    err = capsys.readouterr().err
    assert "old.json: client.token.rsa_public_key: " in err
    assert "hush" not in err


def test_what_is_said_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("old.json", "--explain", "\x1b[0m", "x\n\x1b[0m") == 0
    assert "\x1b" not in capsys.readouterr().err


def test_a_user_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("old.json", "--explain", "\udcff", "x") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("Error: Invalid value for '--explain': expected UTF-8\n")
