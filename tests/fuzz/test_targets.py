"""Every target holds for its seeds and for some hundred inputs made of them, always the same.

``scripts/fuzz`` looks on, for as long as it is told to.
"""

import random
from itertools import islice

import pytest

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import TARGETS, Target, target

ROUNDS = {"configuration": 60, "sessions": 400}
"""Inputs of targets that take longer."""


@pytest.fixture(params=TARGETS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_it_holds(name: str) -> None:
    one: Target = target(name)
    for data in islice(inputs(one.SEEDS, one.WORDS, random.Random(name)), ROUNDS.get(name, 1000)):
        try:
            one.one_input(data)
        except Exception as error:
            error.add_note(f"{name} with {data!r}")
            raise


def test_every_seed_is_worth_its_place(name: str) -> None:
    one = target(name)
    assert len(set(one.SEEDS)) == len(one.SEEDS)
    assert all(len(seed) < 1024 for seed in one.SEEDS)
