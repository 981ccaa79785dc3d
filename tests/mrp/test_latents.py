import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp.design import build_design
from mrp.errors import DrawsError, ShapeMismatch
from mrp.latents import LatentDraws, from_datatree
from tests.mrp.worlds import electorate

DRAWS = LatentDraws(np.arange(12, dtype=np.float32).reshape(6, 2), ("intercept", "x"), n_chains=2)


def test_draws_survive_bytes():
    again = LatentDraws.from_bytes(DRAWS.to_bytes())

    assert_array_equal(again.draws, DRAWS.draws)
    assert (again.names, again.n_chains, again.link) == (DRAWS.names, 2, "logit")
    assert again.draws.dtype == np.float32


def test_the_same_draws_are_the_same_bytes():
    assert DRAWS.to_bytes() == DRAWS.to_bytes()


def test_draws_know_their_fit_also_where_it_was_not_stored_with_them():
    other = LatentDraws(DRAWS.draws + 1, DRAWS.names, n_chains=2)
    with np.load(io.BytesIO(DRAWS.to_bytes())) as stored:
        before = {name: stored[name] for name in stored if name != "fit"}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **before)

    assert LatentDraws.from_bytes(DRAWS.to_bytes()).fit == DRAWS.fit != other.fit
    assert LatentDraws.from_bytes(buffer.getvalue()).fit == DRAWS.fit


@pytest.mark.parametrize("content", [b"", b"not an archive", DRAWS.to_bytes()[:100]])
def test_other_bytes_are_refused(content: bytes):
    with pytest.raises(DrawsError, match="are not stored draws"):
        LatentDraws.from_bytes(content)


def test_a_pickle_is_not_opened():
    buffer = io.BytesIO()
    np.savez(buffer, draws=np.array([{"a": 1}], dtype=object), format_version=np.array(1))
    with pytest.raises(DrawsError):
        LatentDraws.from_bytes(buffer.getvalue())


def test_another_format_version_is_refused():
    buffer = io.BytesIO()
    np.savez(buffer, format_version=np.array(2))
    with pytest.raises(DrawsError, match="format version 2, this version reads 1"):
        LatentDraws.from_bytes(buffer.getvalue())


def test_shapes_must_fit_names_and_chains():
    with pytest.raises(ShapeMismatch, match=r"\(draw, 3\), got \(6, 2\)"):
        LatentDraws(DRAWS.draws, ("a", "b", "c"))
    with pytest.raises(ShapeMismatch, match="multiple of 4 chains"):
        LatentDraws(DRAWS.draws, DRAWS.names, n_chains=4)


def test_latents_of_a_fit_are_in_the_order_of_the_design(fitted):
    latents = from_datatree(fitted.tree, fitted.design)
    posterior = fitted.tree["posterior"]
    column = latents.names.index("(1|sex:age)[male:45-64]")

    own = posterior["(1|sex:age)"].sel({"(1|sex:age) level": "male:45-64"}).to_numpy()
    assert_allclose(latents.draws[:, column], own.reshape(-1), rtol=1e-6)
    lean = posterior["coefficient"].sel(predictor="lean").to_numpy()
    assert_allclose(latents.draws[:, 1], lean.reshape(-1), rtol=1e-6)
    assert latents.n_chains == 4
    assert latents.draws.shape == (4000, fitted.design.n_latents)


def test_more_draws_than_asked_for_are_thinned_evenly_within_chains(fitted):
    every = from_datatree(fitted.tree, fitted.design)
    thinned = from_datatree(fitted.tree, fitted.design, max_draws=1000)

    assert thinned.draws.shape[0] == 1000
    assert_array_equal(thinned.draws, every.draws[3::4])


def test_a_fit_of_another_design_is_refused(fitted):
    other = build_design("lean + (1|region)", electorate())
    with pytest.raises(DrawsError, match=r"no draws of \(1\|region\)"):
        from_datatree(fitted.tree, other)


def test_draws_that_are_not_finite_are_refused(fitted):
    broken = fitted.tree.copy(deep=True)
    broken["posterior"]["intercept"][0, 0] = np.nan
    with pytest.raises(DrawsError, match="not finite"):
        from_datatree(broken, fitted.design)
