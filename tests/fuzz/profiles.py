"""How many examples a fuzz test runs: few and always the same in continuous integration, many in `just fuzz`."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

TIMES = 25  # as many examples in `just fuzz`

# Numbers for what makes texts, programs and commands; those of a failure are made small.
RANDOMS = st.randoms(use_true_random=False)


def examples(count: int) -> settings:
    """Return the settings of a test that runs so many examples in continuous integration."""
    if settings.get_current_profile_name() == "fuzz":
        return settings(settings.get_profile("fuzz"), max_examples=TIMES * count)
    return settings(settings.get_profile("ci"), max_examples=count)
