"""What ``migrated`` writes means the same as what it read: examples of every generation, random
configurations, and what cannot be said.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from girandola.config import migrate as migrate_module
from girandola.config.dump import tree, written
from girandola.config.generations.flat import TOP_OPTIONS, options_of
from girandola.config.layers import Given
from girandola.config.load import ConfigError, Loaded, load, read
from girandola.config.migrate import Migration, migrated
from girandola.config.schema import OPTIONS, Config
from girandola.config.unbuilt import UNBUILT, UNBUILT_CHANNEL, is_default
from tests.config.test_dump import values
from tests.config.test_generation_examples import EXAMPLES, STARTING, Example, source
from tests.config.test_generation_properties import GENERATIONS, MARKS, configuration

FORMATS = ["json", "toml", "yaml"]
DATA = Path(__file__).parents[1] / "data"


def carried(found: dict[str, Given]) -> dict[str, Any]:
    """Return what is carried and not as by default."""
    defaults = UNBUILT | UNBUILT_CHANNEL
    return {
        path: g.value
        for path, g in found.items()
        if not is_default(defaults.get(path, defaults.get(path.partition("].")[2])), g.value)
    }


def saved(folder: Path, migration: Migration, format_: str) -> str:
    path = folder / f"migrated.{format_}"
    path.write_text(migration.text)
    return str(path)


def lines_but_expected(loaded: Loaded) -> list[str]:
    """Return warnings that a configuration of today should not have."""
    expected = ("not built yet", "SECURITY", "the admin and web pages come later")
    return [line for line in loaded.warnings if not any(part in line for part in expected)]


Migrate = Callable[..., Migration]


@pytest.fixture
def migrate(tmp_path: Path) -> Migrate:
    """Write options to a file and migrate it."""

    def migrate(options: dict[str, Any], environ: dict[str, str] | None = None) -> Migration:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(options))
        return migrated(str(path), "json", environ)

    return migrate


# ── the same meaning ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("example", STARTING, ids=lambda example: str(example.id))
def test_an_example_migrated_means_the_same(tmp_path: Path, example: Example, format_: str) -> None:
    path, environ = source(tmp_path, example)
    result = saved(tmp_path, migrated(path, format_, environ), format_)
    after = load(result)
    assert after.config == load(path, environ).config
    assert after.generation == 6
    assert carried(read(result).carried) == carried(read(path, environ).carried)
    assert lines_but_expected(after) == []


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if not e.starts], ids=lambda example: str(example.id)
)
def test_an_example_that_does_not_start_yet_keeps_its_options(
    tmp_path: Path, example: Example
) -> None:
    path, environ = source(tmp_path, example)
    result = read(saved(tmp_path, migrated(path, "json", environ), "json"))
    before = carried(read(path, environ).carried)
    engine = before.pop("engine.type")
    assert carried(result.carried) == before
    assert [problem.detail for problem in result.problems] == [
        f'got "{engine}", expected "memory" (other engines are not built yet)'
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), generation=GENERATIONS, format_=st.sampled_from(FORMATS))
def test_any_configuration_migrated_means_the_same(
    data: st.DataObject, generation: int, format_: str
) -> None:
    options = data.draw(configuration(generation)) | MARKS[generation]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "config.json"
        path.write_text(json.dumps(options))
        try:
            before = load(str(path))
        except ConfigError:
            with pytest.raises(ConfigError):
                migrated(str(path), format_)
            return
        result = saved(folder, migrated(str(path), format_), format_)
        after = load(result)
        assert after.config == before.config
        assert carried(read(result).carried) == carried(read(str(path)).carried)
        assert lines_but_expected(after) == []


def wide(generation: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draw any options of one of v2 to v5, with values that are not the defaults."""
    seconds: Any = 7 if generation == 2 else "7s"
    by_kind = {
        "bool": st.booleans(),
        "int": st.just(7),
        "string": st.sampled_from(["aa", "", "7"]),
        "list": st.just(["aa", "bb"]),
        "commas": st.just("aa,bb"),
        "interval": st.just(seconds),
        "timeout": st.just(seconds),
        "object": st.just({"enabled": True}),
    }
    known = {n: by_kind.get(o.kind) for n, o in options_of(generation, TOP_OPTIONS).items()}
    optional = {name: values for name, values in known.items() if values is not None}
    return st.lists(st.sampled_from(sorted(optional)), max_size=6, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in names})
    )


@settings(max_examples=100, deadline=None)
@given(data=st.data(), generation=st.integers(2, 5), format_=st.sampled_from(FORMATS))
def test_whatever_options_of_v2_to_v5_are_set_mean_the_same(
    data: st.DataObject, generation: int, format_: str
) -> None:
    options = {"generation": f"v{generation}"} | data.draw(wide(generation))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "config.json"
        path.write_text(json.dumps(options))
        try:
            before = load(str(path))
        except ConfigError:
            return
        result = saved(Path(name), migrated(str(path), format_), format_)
        assert load(result).config == before.config
        assert carried(read(result).carried) == carried(read(str(path)).carried)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), format_=st.sampled_from(FORMATS))
def test_every_option_of_today_is_kept(data: st.DataObject, format_: str) -> None:
    paths = data.draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=5, unique=True))
    found = tree(Config())
    for path in paths:
        *sections, name = path.split(".")
        place = found
        for section in sections:
            place = place[section]
        place[name] = written(OPTIONS[path], data.draw(values(OPTIONS[path])))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "config.json"
        path.write_text(json.dumps({"generation": "v6", **found}))
        try:
            before = load(str(path))
        except ConfigError:
            return
        result = saved(Path(name), migrated(str(path), format_), format_)
        assert load(result).config == before.config


@pytest.mark.parametrize("format_", FORMATS)
def test_a_configuration_of_2018_migrated_means_the_same(tmp_path: Path, format_: str) -> None:
    path = str(DATA / "example-config.json")
    after = load(saved(tmp_path, migrated(path, format_), format_))
    assert after.config == load(path).config
    assert lines_but_expected(after) == []


# ── what is written ──────────────────────────────────────────────────────────────────────────


def test_only_what_differs_from_the_defaults_of_today_is_written(migrate: Migrate) -> None:
    options = {"generation": "v5", "token_hmac_secret_key": "k", "port": 8000, "presence": False}
    assert json.loads(migrate(options).text) == {
        "generation": "v6",
        "client": {"token": {"hmac_secret_key": "k"}},
        "uni_grpc": {"max_receive_message_size": 65536},
    }


def test_namespaces_are_a_list_with_options_that_are_not_built_yet(migrate: Migrate) -> None:
    spaces = [{"name": "aa", "presence": True}, {"name": "bb", "proxy_subscribe": True}]
    written = json.loads(migrate({"generation": "v5", "namespaces": spaces}).text)
    assert written["channel"]["namespaces"] == [
        {"name": "aa", "presence": True},
        {"name": "bb", "subscribe_proxy_enabled": True},
    ]


def test_what_was_open_by_default_says_so(migrate: Migrate) -> None:
    found = migrate({"generation": "v3", "namespaces": [{"name": "news"}]})
    channel = json.loads(found.text)["channel"]
    assert channel["without_namespace"]["allow_subscribe_for_client"] is True
    assert channel["namespaces"][0]["allow_subscribe_for_client"] is True
    opened = [line for line in found.notes if "users may subscribe without a token" in line]
    assert [line.partition(": ")[0] for line in opened] == [
        "channel.without_namespace",
        "channel.namespaces[news]",
    ]


def test_any_origin_of_v2_says_so(migrate: Migrate) -> None:
    found = migrate({"generation": "v2", "secret": "s"})
    assert json.loads(found.text)["client"]["allowed_origins"] == ["*"]
    assert any("any Origin may connect" in line for line in found.notes)


def test_a_closed_generation_is_not_said_to_be_open(migrate: Migrate) -> None:
    options = {"generation": "v5", "allow_subscribe_for_client": True, "sockjs": True}
    assert migrate(options).notes == ()


def test_rules_that_only_legacy_options_can_say_are_named(migrate: Migrate) -> None:
    notes = migrate({"generation": "v3"}).notes
    assert any("legacy.gate_anonymous" in line and "rules of v3" in line for line in notes)


def test_options_of_2018_that_are_not_written_are_told_of(migrate: Migrate) -> None:
    notes = migrate({"generation": "v1", "secret": "s", "redis_password": "hush"}).notes
    assert any(line.startswith("options of 2018 that are not built yet") for line in notes)
    assert not any("2018" in line for line in migrate({"generation": "v1", "secret": "s"}).notes)


def test_an_engine_that_is_not_built_is_written_with_a_note(migrate: Migrate) -> None:
    options = {"generation": "v5", "engine": "redis", "redis_password": "hush"}
    found = migrate(options)
    assert json.loads(found.text)["engine"] == {"type": "redis", "redis": {"password": "hush"}}
    (note,) = found.notes
    assert note.startswith('engine.type: "redis" is written, but not built yet')
    assert "hush" not in "".join((*found.notes, *found.before.warnings))


# ── the environment ──────────────────────────────────────────────────────────────────────────

V6: dict[str, Any] = {"generation": "v6", "client": {"token": {"hmac_secret_key": "k"}}}


def test_options_that_are_not_built_yet_get_their_types_from_variables(migrate: Migrate) -> None:
    environ = {
        "CENTRIFUGO_ENGINE_REDIS_ADDRESS": "redis://a:1 redis://b:2",
        "CENTRIFUGO_GRPC_API_ENABLED": "true",
        "CENTRIFUGO_GRPC_API_PORT": "11111",
        "CENTRIFUGO_PROXIES": '[{"name": "p", "endpoint": "http://b"}]',
        "CENTRIFUGO_CHANNEL_NAMESPACES": "chat",
        "CENTRIFUGO_CHANNEL_NAMESPACES_CHAT_SUBSCRIBE_PROXY_ENABLED": "true",
    }
    assert json.loads(migrate(V6, environ).text) == V6 | {
        "engine": {"redis": {"address": ["redis://a:1", "redis://b:2"]}},
        "channel": {"namespaces": [{"name": "chat", "subscribe_proxy_enabled": True}]},
        "proxies": [{"name": "p", "endpoint": "http://b"}],
        "grpc_api": {"enabled": True, "port": 11111},
    }


def test_a_variable_for_one_option_of_an_item_stays_one(migrate: Migrate) -> None:
    found = migrate(V6, {"CENTRIFUGO_CONSUMERS_KF_ENABLED": "true"})
    assert json.loads(found.text) == V6
    assert found.notes == (
        "CENTRIFUGO_CONSUMERS_KF_ENABLED sets one option of an item; it stays a variable",
    )


def test_variables_in_values_are_kept_where_no_environment_is_read(migrate: Migrate) -> None:
    options = {"client": {"token": {"hmac_secret_key": "${CENTRIFUGO_VAR_KEY}"}}}
    kept = json.loads(migrate(options).text)
    assert kept["client"]["token"]["hmac_secret_key"] == "${CENTRIFUGO_VAR_KEY}"
    replaced = json.loads(migrate(options, {"CENTRIFUGO_VAR_KEY": "k"}).text)
    assert replaced["client"]["token"]["hmac_secret_key"] == "k"


def test_a_value_that_would_become_a_variable_is_refused(migrate: Migrate) -> None:
    """It was the text itself in v5, and would be somebody's secret or nothing today."""
    with pytest.raises(ConfigError, match="CENTRIFUGO_VAR_KEY"):
        migrate({"generation": "v5", "api_key": "${CENTRIFUGO_VAR_KEY}"})


# ── odd input ────────────────────────────────────────────────────────────────────────────────


def test_an_environment_without_a_file_is_migrated(tmp_path: Path) -> None:
    found = migrated(str(tmp_path / "none.json"), "json", {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "k"})
    assert json.loads(found.text)["client"] == {"token": {"hmac_secret_key": "k"}}
    assert any("config file not found" in line for line in found.before.warnings)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be found"):
        migrated(str(tmp_path / "none.json"), "json")


@pytest.mark.parametrize(
    ("suffix", "text", "to", "expected"),
    [
        (".toml", "[usage_stats]\ndisabled = 2020-01-01\n", "json", '"disabled": "2020-01-01"'),
        (".yaml", "prometheus: {enabled: yes}\n", "yaml", "enabled: 'yes'"),
        (".json", '{"proxies": [{"name": "p", "endpoint": null}]}', "toml", 'name = "p"'),
        (".json", '{"proxies": [null, {"name": "p", "endpoint": "e"}]}', "toml", 'name = "p"'),
        (".json", '{"graphite": {"tags": true, "host": null}}', "toml", "tags = true"),
    ],
)
def test_values_that_only_one_format_has_are_written_in_another(
    tmp_path: Path, suffix: str, text: str, to: str, expected: str
) -> None:
    path = tmp_path / f"config{suffix}"
    path.write_text(text)
    assert expected in migrated(str(path), to).text


@pytest.mark.parametrize(
    ("suffix", "text", "to"),
    [
        (".toml", "[graphite]\nport = inf\n", "json"),
        (".toml", "[graphite]\nport = nan\n", "toml"),
        (".json", '{"client": {"token": {"hmac_secret_key": "hush\\ud800"}}}', "json"),
        (".json", '{"client": {"token": {"hmac_secret_key": "hush\\ud800"}}}', "yaml"),
        (".json", '{"client": {"token": {"hmac_secret_key": "hush\\ud800"}}}', "toml"),
        (".json", '{"generation": "v6", "graphite": {"prefix": "hush\\ud800"}}', "json"),
    ],
)
def test_what_a_format_cannot_say_is_an_error_that_shows_no_value(
    tmp_path: Path, suffix: str, text: str, to: str
) -> None:
    path = tmp_path / f"config{suffix}"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        migrated(str(path), to)
    assert "hush" not in str(caught.value)
    assert len(caught.value.problems) == 1


def test_nothing_is_returned_that_does_not_read_back_to_the_same(
    migrate: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "rendered", lambda *_: '{"generation": "v6"}')
    with pytest.raises(ConfigError) as caught:
        migrate({"generation": "v5", "api_key": "hush", "grpc_api": True})
    assert [problem.name for problem in caught.value.problems][:1] == ["http_api.key"]
    assert "hush" not in str(caught.value)
