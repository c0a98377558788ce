"""The documentation: complete, and the committed copy is the generated one."""

from html.parser import HTMLParser
from pathlib import Path

from girandola.config.document import html, markdown
from girandola.config.generations.flat import CHANNEL_OPTIONS, TOP_OPTIONS
from girandola.config.names import CLASSIC
from girandola.config.schema import OPTIONS
from girandola.config.unbuilt import UNBUILT

COMMITTED = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_committed_document_is_what_configdoc_prints() -> None:
    told = "run: girandola configdoc -m > docs/configuration.md"
    assert COMMITTED.read_text("utf-8") == markdown(), told


def test_every_known_name_is_in_it() -> None:
    text = markdown()
    for name in (*OPTIONS, *CLASSIC, *TOP_OPTIONS, *CHANNEL_OPTIONS):
        assert f"`{name}`" in text
    for name in UNBUILT:
        assert f"`{name.removeprefix('channel.without_namespace.')}`" in text


def test_one_section_has_its_own_options_only() -> None:
    text = markdown("client.token", base_level=1)
    assert text.startswith("#### `client.token`\n\nConnection tokens.\n\n| Option |")
    assert "client.token.hmac_secret_key" in text
    assert "client.ping_interval" not in text
    assert "2018" not in text


def test_tables_stay_tables() -> None:
    rows = [line for line in markdown().splitlines() if line.startswith("|")]
    for row in rows:
        cells = row.replace(r"\|", "").count("|")
        assert cells in (3, 4, 5), row


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)


def test_the_page_has_only_its_own_markup() -> None:
    tags = Tags()
    tags.feed(html())
    assert tags.seen == {
        *("html", "meta", "title", "style", "h1", "h2", "h3", "p", "table", "tr", "th", "td"),
        "code",
    }
