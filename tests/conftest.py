"""What holds for all tests: how long Hypothesis looks for a counterexample."""

from hypothesis import settings

# How long an example takes says how busy the machine is. A hang is found by pytest-timeout.
settings.register_profile("whole", deadline=None)
settings.register_profile("fast", parent=settings.get_profile("whole"), max_examples=20)
settings.load_profile("whole")
