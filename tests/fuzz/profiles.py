"""How many examples a fuzz test runs: few and always the same in continuous integration, many in `just fuzz`."""

from __future__ import annotations

from hypothesis import Phase, settings
from hypothesis import strategies as st

TIMES = 25  # as many examples in `just fuzz`

# Numbers for what makes texts, programs and commands; those of a failure are made small.
RANDOMS = st.randoms(use_true_random=False)


def examples(count: int, *, shrink: bool = True) -> settings:
    """Return the settings of a test that runs so many examples in continuous integration.

    Without `shrink` a failure is shown as it was found: where one takes long, looking for a smaller one takes for ever.
    """
    name = "fuzz" if settings.get_current_profile_name() == "fuzz" else "ci"
    left_out = {Phase.explain} if shrink else {Phase.shrink, Phase.explain}  # an explanation traces every line
    phases = [phase for phase in Phase if phase not in left_out]
    return settings(settings.get_profile(name), max_examples=count * (TIMES if name == "fuzz" else 1), phases=phases)
