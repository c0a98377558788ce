"""Fuzz targets for as long as it is wanted: ``python -m tests.fuzz SECONDS [TARGET…]``.

Guided by coverage where atheris is installed, else at random from a seed that is told. Inputs that
break a promise are written to ``.tools/fuzz/<target>/``; what atheris found worth keeping is kept
in ``.tools/fuzz/corpus/<target>/`` for the next time. ``scripts/fuzz`` sets up what this needs.
"""

import argparse
import hashlib
import importlib.util
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.mutation import MAX_SIZE, inputs
from tests.fuzz.targets import TARGETS, target

FOLDER = Path(".tools/fuzz")
ONE_AT_A_TIME = "--in-this-process"


def main() -> int:
    """Return 1 if any target broke."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seed", type=int, default=None, help="of what is done at random")
    parser.add_argument(ONE_AT_A_TIME, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected {', '.join(TARGETS)}")
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    if options.in_this_process:
        return _fuzz(options.targets[0], options.seconds, seed)
    # Each in a process of its own: libFuzzer ends its process, and a hang is one target's only.
    failed = [name for name in options.targets or TARGETS if _run(name, options.seconds, seed) != 0]
    print(f"failed: {', '.join(failed)}" if failed else "every target holds", flush=True)
    return 1 if failed else 0


def _run(name: str, seconds: float, seed: int) -> int:
    print(f"── {name}: {seconds:g} s, seed {seed}", flush=True)
    own = [sys.executable, "-m", "tests.fuzz", f"{seconds}", name, "--seed", f"{seed}"]
    return subprocess.run([*own, ONE_AT_A_TIME], check=False).returncode


def _fuzz(name: str, seconds: float, seed: int) -> int:
    failures = FOLDER / name
    failures.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is not None:
        return _by_coverage(name, seconds, seed, failures)
    return _at_random(name, seconds, seed, failures)


def _by_coverage(name: str, seconds: float, seed: int, failures: Path) -> int:
    import atheris

    with atheris.instrument_imports(include=["girandola"]):
        found = target(name)
    corpus = FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in found.SEEDS:
        _write(corpus, data)
    words = failures / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in found.WORDS), encoding="ascii")
    flags = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={MAX_SIZE}",
        f"-seed={seed}",
        f"-dict={words}",
        f"-artifact_prefix={failures}/",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], found.one_input)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _at_random(name: str, seconds: float, seed: int, failures: Path) -> int:
    found, end, tried = target(name), time.monotonic() + seconds, 0
    for data in inputs(found.SEEDS, found.WORDS, random.Random(f"{name} {seed}")):
        tried += 1
        try:
            found.one_input(data)
        except Exception:
            traceback.print_exc()
            print(f"{name}: input {tried} of seed {seed} is in {_write(failures, data)}")
            return 1
        if time.monotonic() > end:
            break
    print(f"{name}: {tried} inputs", flush=True)
    return 0


def _write(folder: Path, data: bytes) -> Path:
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    sys.exit(main())
