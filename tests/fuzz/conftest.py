"""The helpers beside the tests, and what is shared with other tests and benchmarks, are imported by their plain names.

Hypothesis' profile "ci" is what these tests run with: few examples, always the same. `--hypothesis-profile=fuzz` runs
many more, new ones each time.
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "independence", HERE.parents[1] / "benchmarks"):
    sys.path.insert(0, str(folder))

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
settings.register_profile("ci", deadline=None, derandomize=True, database=None, suppress_health_check=CALM)
settings.register_profile("fuzz", deadline=None, derandomize=False, print_blob=True, suppress_health_check=CALM)
