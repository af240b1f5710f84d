"""Each activation against the textbook's, whose derivative is a function of z and not of a."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import textbook
from handgrad.engine.activations import ACTIVATIONS

EVERY = pytest.mark.parametrize("name", ACTIVATIONS)
CLOSE = {np.float64: 1e-12, np.float32: 2e-6}


def forward(name, z):
    f = ACTIVATIONS[name]
    a, kept = z.copy(), f.keep(z.shape, z.dtype)
    f.forward(a, kept)
    return a, kept


def slope(name, z):
    a, kept = forward(name, z)
    delta = np.ones_like(z)
    ACTIVATIONS[name].backward(a, delta, kept)
    return delta


def test_the_textbook_has_them_all():
    assert set(textbook.ACTIVATIONS) == set(ACTIVATIONS)


@EVERY
def test_they_know_their_names(name):
    assert name == ACTIVATIONS[name].name


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(data=st.data())
def test_value_and_slope_are_the_textbooks(name, dtype, data):
    width = np.dtype(dtype).itemsize * 8
    z = data.draw(
        arrays(dtype, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-30, 30, width=width))
    )
    f, df = textbook.ACTIVATIONS[name]
    exact = z.astype(np.float64)
    np.testing.assert_allclose(forward(name, z)[0], f(exact), rtol=CLOSE[dtype], atol=CLOSE[dtype])
    np.testing.assert_allclose(slope(name, z), df(exact), rtol=CLOSE[dtype], atol=CLOSE[dtype])


@EVERY
def test_backward_multiplies_the_delta_it_is_given(name):
    generator = np.random.default_rng(0)
    z, given_delta = generator.normal(size=(5, 3)), generator.normal(size=(5, 3))
    a, kept = forward(name, z)
    delta = given_delta.copy()
    ACTIVATIONS[name].backward(a, delta, kept)
    np.testing.assert_allclose(delta, given_delta * textbook.ACTIVATIONS[name][1](z), rtol=1e-12, atol=1e-15)


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
def test_nothing_overflows(name, dtype):
    z = np.array([[-1000.0, -100.0, 0.0, 100.0, 1000.0]], dtype)
    a, _ = forward(name, z)
    s = slope(name, z)
    assert np.isfinite(a).all()
    assert np.isfinite(s).all()
    assert (dtype, dtype) == (a.dtype, s.dtype)


@EVERY
def test_two_passes_do_not_share_what_they_keep(name):
    z = np.random.default_rng(1).normal(size=(4, 3))
    a, kept = forward(name, z)
    forward(name, z + 1.0)
    delta = np.ones_like(z)
    ACTIVATIONS[name].backward(a, delta, kept)
    np.testing.assert_array_equal(slope(name, z), delta)


@pytest.mark.parametrize(("name", "left", "right"), [("relu", 0.0, 1.0), ("leaky_relu", 0.01, 1.0), ("elu", 1.0, 1.0)])
def test_slopes_on_both_sides_of_a_kink(name, left, right):
    np.testing.assert_allclose(slope(name, np.array([[-1e-9, 1e-9]])), [[left, right]], rtol=1e-8)


def test_only_kinked_functions_say_that_they_are_not_smooth():
    assert {"relu", "leaky_relu", "elu"} == {name for name, f in ACTIVATIONS.items() if not f.smooth}
