"""The dependency rule: a file imports its own folder and lower tiers. Never sideways, never up."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "girandola"
TIERS: tuple[str, ...] = (
    "model errors channels globs options regex",
    "protocol",
    "core",
    "engines auth proxy net observe",
    "transports policy api admin",
    "config",
    "app bench",
    "cli",
)
TIER_OF = {folder: tier for tier, folders in enumerate(TIERS) for folder in folders.split()}
ENTRY = {"__main__": {"cli"}, "__init__": set[str]()}
"""The files outside the tiers, and what they may import."""


def imported(file: Path) -> Iterator[str]:
    """Yield the rooms of girandola that a file imports from, wherever in it that happens."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "girandola" and rest and not rest.startswith("__"):
                yield rest.partition(".")[0]


def imported_libraries(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def may_import(room: str, other: str) -> bool:
    if room in ENTRY:
        return other in ENTRY[room]
    if room == other or TIER_OF[room] == TIER_OF[other] == 0:
        return True
    return TIER_OF[other] < TIER_OF[room]


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_a_file_imports_its_own_folder_and_lower_tiers_only(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in TIER_OF or room in ENTRY, f"{room} stands in no tier"
    wrong = {other for other in imported(file) if not may_import(room, other)}
    assert not wrong, f"{room} may not import {', '.join(sorted(wrong))}"


def test_the_core_runs_without_a_loop() -> None:
    """Time and tasks come to the lower tiers through ``Clock``, never from asyncio."""
    lower = [file for file in PACKAGE.glob("*.py") if file.stem in TIER_OF]
    for file in [*lower, *PACKAGE.glob("protocol/*.py"), *PACKAGE.glob("core/*.py")]:
        assert "asyncio" not in imported_libraries(file), file


def test_the_benchmarks_measure_from_outside() -> None:
    """What measures a server shares no code with it."""
    for file in PACKAGE.glob("bench/*.py"):
        assert set(imported(file)) <= {"bench"}, file


def test_engines_do_not_know_each_other() -> None:
    """Redis does not know NATS: the folders inside engines are apart, too."""
    engines = PACKAGE / "engines"
    for file in engines.glob("*/*.py"):
        others = {path.name for path in engines.iterdir() if path.is_dir()} - {file.parent.name}
        source = file.read_text(encoding="utf-8")
        assert not [other for other in others if f"girandola.engines.{other}" in source], file
