"""Many streams of one real server, and their end."""

from pathlib import Path

import pytest

from tests.api.streams import follow_for


@pytest.mark.parametrize(("clients", "seconds"), [(20, 2), pytest.param(500, 60, marks=pytest.mark.slow)])
def test_clients_are_told_everything_and_the_service_ends_in_seconds(tmp_path: Path, clients: int, seconds: int):
    seen = follow_for(tmp_path, clients=clients, seconds=seconds)

    assert seen.end_s < 5
    assert seen.threads < 100
    if clients > 100:
        assert seen.kb_per_client < 150
        assert seen.growth_kb < 20_000
        assert seen.lag_s < 2
