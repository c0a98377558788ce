"""Every citation of a document leads to a document, and to a section that is there.

``docs/protocol/README.md`` says how citations are written. Knows the words of files only: what is
cited for what, readers have to judge.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROTOCOL = ROOT / "docs" / "protocol"
FOLDERS = (ROOT, ROOT / "docs", PROTOCOL)
"""Where a document may be, in this order."""

NUMBER = r"\d+[a-z]?(?:\.\d+)*\b"
PLACE = rf"(?:(?:[Ss]ections? |§)?{NUMBER}(?: \([^)]*\))?|[Aa]ppendix [A-Z]\b)"
PLACES = rf"(?P<places>{PLACE}(?:(?:,? and |, | to |-){PLACE})*)"
NAME = r"(?<![\w/-])(?:docs/(?:protocol/)?)?(?P<name>[\w-]+\.md)\b"
MENTION = re.compile(NAME)
CITATIONS = (re.compile(rf"{NAME}`*,? {PLACES}"), re.compile(rf"{PLACES} of `*{NAME}"))
TITLED = re.compile(rf"{NAME}`*, \"(?P<title>[^\"]+)\"")
WITHIN = re.compile(rf"(?<!\.md` )(?<!\.md )(?:§|\b[Ss]ections? )(?P<places>{PLACE})")
HEADING = re.compile(
    rf"^##+ (?P<title>(?:(?P<number>{NUMBER})|Appendix (?P<letter>[A-Z]))?.*)", re.MULTILINE
)


def numbers(places: str) -> set[str]:
    """Return what ``sections 4.1 to 4.3 and appendix A`` names: 4.1, 4.3 and A."""
    return set(re.findall(rf"{NUMBER}|\b[A-Z]\b", re.sub(r"\([^)]*\)", "", places)))


@cache
def sections(document: Path) -> set[str]:
    """Return the number or letter of each heading of a document, or else its words."""
    return {
        heading["number"] or heading["letter"] or heading["title"]
        for heading in HEADING.finditer(document.read_text(encoding="utf-8"))
    }


def document_called(name: str) -> Path | None:
    """Return the document that a citation means."""
    return next((folder / name for folder in FOLDERS if (folder / name).is_file()), None)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """Yield each cited document with what is cited of it, ``""`` for nothing in particular."""
    if ".md" not in text:
        return
    flowing = re.sub(r"\s*\n[\s#]*", " ", text)
    found = [citation for form in CITATIONS for citation in form.finditer(flowing)]
    for citation in found:
        for number in sorted(numbers(citation["places"])):
            yield citation["name"], number
    for title in (titled := list(TITLED.finditer(flowing))):
        yield title["name"], title["title"]
    read = {citation.start("name") for citation in found + titled}
    for mention in MENTION.finditer(flowing):
        if mention.start("name") not in read:
            yield mention["name"], ""


def leads_nowhere(name: str, place: str) -> str:
    """Return what is wrong with a citation, ``""`` for nothing."""
    document = document_called(name)
    if document is None:
        return f"there is no {name} in docs/protocol, docs or the root"
    if not place:
        return f"{name}: expected a section" if document.parent == PROTOCOL else ""
    return "" if place in sections(document) else f"{name} has no {place}"


def sources() -> Iterator[Path]:
    """Yield every Python file of the package and its tests but this one."""
    for top in ("girandola", "tests"):
        for folder, inner, names in os.walk(ROOT / top):
            inner[:] = [name for name in inner if name not in ("node_modules", "__pycache__")]
            yield from (Path(folder, name) for name in names if name.endswith(".py"))


def test_every_citation_of_the_code_leads_to_a_section() -> None:
    cited = {
        (citation, str(file.relative_to(ROOT)))
        for file in sources()
        if file != Path(__file__)
        for citation in citations(file.read_text(encoding="utf-8"))
    }
    wrong = {f"{file}: {why}" for citation, file in cited if (why := leads_nowhere(*citation))}
    assert len(cited) > 150, "the citations are not found any more"
    assert sorted(wrong) == []


@pytest.mark.parametrize("document", sorted(PROTOCOL.glob("*.md")), ids=lambda path: path.name)
def test_every_citation_within_the_documents_leads_to_a_section(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    cited = {(name, place) for name, place in citations(text) if place}
    if document.name != "README.md":
        own = (numbers(inner["places"]) for inner in WITHIN.finditer(text))
        cited |= {(document.name, place) for places in own for place in places}
    assert [why for citation in sorted(cited) if (why := leads_nowhere(*citation))] == []


@pytest.mark.parametrize("document", sorted(PROTOCOL.glob("*.md")), ids=lambda path: path.name)
def test_every_document_is_in_the_index(document: Path) -> None:
    index = (PROTOCOL / "README.md").read_text(encoding="utf-8")
    assert document.name == "README.md" or f"]({document.name})" in index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modern.md section 8.4).", [("modern.md", "8.4")]),
        ("(classic.md 10.6).", [("classic.md", "10.6")]),
        ("modern.md sections 5.3, 5.4 and 8.5;", [("modern.md", n) for n in ("5.3", "5.4", "8.5")]),
        ("classic.md sections 4.6 to 4.13 or", [("classic.md", n) for n in ("4.13", "4.6")]),
        ("modern.md sections 4.1-4.3, 5", [("modern.md", n) for n in ("4.1", "4.3", "5")]),
        ("modern.md sections 4.4 (pings), 5.8", [("modern.md", n) for n in ("4.4", "5.8")]),
        ("# server.md section 19, items\n# 2 and 12", [("server.md", "19")]),
        ("# (classic.md\n    # section 13)", [("classic.md", "13")]),
        ("server.md section 7 and appendix A.", [("server.md", "7"), ("server.md", "A")]),
        ("appendix A of server.md", [("server.md", "A")]),
        ("``modern.md`` section 3. 7 more", [("modern.md", "3")]),
        ("docs/protocol/modern.md section 1", [("modern.md", "1")]),
        ('docs/architecture.md, "Streams")', [("architecture.md", "Streams")]),
        ("as modern.md has it", [("modern.md", "")]),
    ],
)
def test_a_citation_is_read_in_every_form(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(citations(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "modern.md section 99",
        "server.md, appendix Z",
        'docs/architecture.md, "Nothing of this name"',
        "nothing.md",
        "see modern.md",
    ],
)
def test_a_citation_that_leads_nowhere_is_noticed(text: str) -> None:
    assert [why for citation in citations(text) if (why := leads_nowhere(*citation))] != []
