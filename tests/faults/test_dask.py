"""A Dask cluster that is broken while it fits; `make faults` keeps the report of the same."""

import sys

import pytest

from tests.faults.dask import break_cluster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals processes that it finds in /proc")


@pytest.mark.slow
def test_a_cluster_that_is_broken_publishes_every_fit_once():
    seen = break_cluster(surveys=17, size=300)
    assert (seen.fits, seen.published, seen.cancelled) == (40, 39, 1)
    assert seen.wrong == []
