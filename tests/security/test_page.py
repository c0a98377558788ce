"""What docs/security.md says of options is so."""

import re
from pathlib import Path

from girandola.config.dump import written
from girandola.config.schema import OPTIONS

PAGE = Path(__file__).parents[2].joinpath("docs/security.md").read_text(encoding="utf-8")


def test_the_limits_are_those_of_the_options_by_default() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", PAGE, re.MULTILINE)
    assert len(rows) > 10
    for name, default in rows:
        option = OPTIONS[name]
        assert str(written(option, option.default)) == default, name


def test_every_option_that_is_named_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", PAGE))
    sections = {name.rpartition(".")[0] for name in OPTIONS}
    assert {name for name in named if name not in OPTIONS and name not in sections} == set()
