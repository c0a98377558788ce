"""What was found is written for people, for programs, and as a picture."""

from xml.etree import ElementTree as ET

import pytest

from girandola.bench import report
from girandola.bench.machine import Machine
from girandola.bench.picture import HEADLINES, draw
from girandola.bench.report import UNITS, Report, Row

MACHINE = Machine(
    processor="A <fast> one",
    cores=2,
    memory_mb=4096,
    kernel="6.1",
    python="3.11.7",
    load_average=0.1,
    commit="0123456789ab",
    date="2026-11-22T12:00:00+00:00",
)
NAMES = {"girandola": 1.0, "other": 2.0}


def row(server: str, figure: float, **more: object) -> Row:
    values = {
        "benchmark": "B1",
        "case": "1,000 subscribers, 20,000/s, one at a time",
        "server": server,
        "figures": {"cpu_us": figure},
        "load": 0.42,
    }
    return Row(**(values | more))  # type: ignore[arg-type]  # values are those of a row


def found(*rows: Row, scale: str = "full") -> Report:
    return Report(machine=MACHINE, command="girandola bench B1", scale=scale, rows=list(rows))


def test_the_json_is_read_back_as_the_same_report() -> None:
    written = found(row("girandola", 9.5), row("other", 12.25, void=["too slow"]))
    again = report.read(written.as_json())
    assert again == written
    assert again.machine.commit == "0123456789ab"
    assert again.format == 1


def test_the_table_has_a_line_for_each_case_with_its_figures_and_the_share_of_the_load() -> None:
    lines = found(row("girandola", 9.525), row("other", 12.25)).as_table().splitlines()
    assert any(line.startswith("B1  Fan-out") for line in lines)
    case = "  1,000 subscribers, 20,000/s, one at a time"
    assert f"{case}  girandola            9.53   42%" in lines
    assert f"{case}  other               12.25   42%" in lines


def test_the_table_says_why_a_figure_is_void_and_what_deviates() -> None:
    table = found(
        row("girandola", 1.0, void=["the load took 90% of its core"], notes=["only 5"])
    ).as_table()
    assert "VOID: the load took 90% of its core; only 5" in table


def test_a_run_that_is_not_full_says_so_wherever_it_is_shown() -> None:
    quick = found(row("girandola", 1.0), scale="quick")
    assert "not for publication" in quick.as_table()
    assert "not for publication" in draw(quick)
    assert "not for publication" not in found(row("girandola", 1.0)).as_table()


def test_the_picture_is_svg_with_a_bar_for_each_server_in_proportion() -> None:
    picture = ET.fromstring(draw(found(row("girandola", 5.0), row("other", 10.0))))
    assert picture.tag.endswith("svg")
    bars = {
        bar.get("class"): int(bar.get("width", "0"))
        for bar in picture.iter("{http://www.w3.org/2000/svg}rect")
        if bar.get("class") in {"s0", "s1"}
    }
    assert bars["s0"] * 2 == bars["s1"]
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"girandola", "other", "5.00", "10.00"} <= set(texts)
    assert any(text and "A <fast> one" in text and "3.11.7" in text for text in texts)


def test_the_picture_says_how_it_was_made_but_not_where_files_went() -> None:
    report = found(row("girandola", 5.0))
    report.command = "girandola bench B1 --json /home/me/out.json --quick --svg=out.svg"
    assert "; girandola bench B1 --quick<" in draw(report)


def test_the_picture_shows_no_void_figure() -> None:
    picture = draw(found(row("girandola", 5.0, void=["lost 3"])))
    assert "5.00" not in picture
    assert "No valid figure was measured." in picture


@pytest.mark.parametrize("headline", HEADLINES, ids=lambda headline: headline.title)
def test_every_headline_is_of_a_figure_that_exists(headline: object) -> None:
    assert getattr(headline, "figure") in UNITS  # noqa: B009 - the type is the parameter's
