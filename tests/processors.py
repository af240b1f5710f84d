"""On which processors a test means anything."""

import platform

import pytest

where_steps_are_shared = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"},
    reason="processes share a step only where a processor shows stores in their order",
)
