"""Districts tables to place on a map."""

import polars as pl


def districts(n: int, *, n_regions: int = 2, name: str | None = None) -> pl.DataFrame:
    """Districts D000, D001, ... in regions of about equal size."""
    return pl.DataFrame(
        {
            "code": [f"D{number:03}" for number in range(n)],
            "name": [name or f"District {number}" for number in range(n)],
            "region": [f"Region {number * n_regions // max(n, 1)}" for number in range(n)],
        }
    )
