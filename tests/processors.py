"""On which processors a test means anything."""

import platform

import pytest

SHARES_STEPS = platform.machine().lower() in {"x86_64", "amd64"}
"""Whether several processes may share a step here: they need a processor that shows stores in their order."""

where_steps_are_shared = pytest.mark.skipif(not SHARES_STEPS, reason="no step is shared on this processor")
