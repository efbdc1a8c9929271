"""Products are right, and keep all digits on every device unless the user asks for fewer."""

import os
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.analysis.vanishing import error_flow
from lstm_jax.methods.cascade_correlation import covariances
from lstm_jax.ops import xla
from lstm_jax.ops.xla import avoid_wrong_sums
from tests.support.forms import RULES, SMALL, learner, problem

A = jnp.ones((3, 3))


def gradients():
    given = problem(SMALL["everything"], 4)
    return jax.make_jaxpr(learner(given.topology))(*given.ask())


ASKED = {
    "gradients": gradients,
    "error_flow": lambda: jax.make_jaxpr(error_flow)(A, jnp.ones((4, 3))),
    "covariances": lambda: jax.make_jaxpr(covariances)(A[None], A[None], A > 0),
}
everywhere = pytest.mark.parametrize("name", ASKED)


def precisions(jaxpr) -> set[str]:
    """Of the products in a program, which XLA rounds as it likes where they are `None`."""
    products = re.findall(r"dot_general\[.*?\n\s*\]", str(jaxpr), re.DOTALL)
    assert len(products) == str(jaxpr).count("dot_general[") > 0
    return {"HIGHEST" if "Precision.HIGHEST" in one else "default" for one in products}


@everywhere
def test_products_keep_all_digits(name):
    assert precisions(ASKED[name]()) == {"HIGHEST"}


@everywhere
def test_users_may_ask_for_fewer(name):
    with jax.default_matmul_precision("bfloat16"):
        assert "HIGHEST" not in precisions(ASKED[name]())


def test_a_plain_product_does_not():
    assert precisions(jax.make_jaxpr(jnp.matmul)(A, A)) == {"default"}


def test_all_rules_are_looked_at():
    assert str(gradients()).count("dot_general[") >= len(RULES)


# ---------------------------------------------------------------- sums that XLA adds up wrongly


def test_two_sums_of_products_are_right():
    """Of the sizes of a batched LSTM with weights of a lane's own; jaxlib 0.10.2 errs there."""
    rng = np.random.default_rng(0)
    sizes = (128, 32, 32), (128, 8, 32), (32, 16, 32), (8, 16, 32)
    given = [rng.normal(size=size).astype(np.float32) for size in sizes]

    @jax.jit
    def net(weights_h, weights_x, h, x):
        def one(h, x):
            return jnp.sum(weights_h * h[None], axis=1) + jnp.sum(weights_x * x[None], axis=1)

        return jax.vmap(one, in_axes=1, out_axes=1)(h, x)

    weights_h, weights_x, h, x = given
    expected = np.einsum("ois,ibs->obs", weights_h, h) + np.einsum("ois,ibs->obs", weights_x, x)
    np.testing.assert_allclose(net(*given), expected, atol=1e-4)


def flags_after(monkeypatch, version: str, flags: str) -> str:
    monkeypatch.setattr(xla, "version", lambda package: version)
    monkeypatch.setenv("XLA_FLAGS", flags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        avoid_wrong_sums()
    return os.environ["XLA_FLAGS"]


@pytest.mark.parametrize(
    ("version", "flags", "expected"),
    [
        ("0.10.2", "", "--xla_cpu_experimental_ynn_fusion_type=-reduce"),
        ("0.10.2", "--a=1", "--a=1 --xla_cpu_experimental_ynn_fusion_type=-reduce"),
        ("0.10.2", *["--xla_cpu_experimental_ynn_fusion_type=dot"] * 2),
        ("0.11.0", "", ""),
    ],
)
def test_the_version_that_errs_is_told_another_way(monkeypatch, version, flags, expected):
    assert flags_after(monkeypatch, version, flags) == expected


def test_it_says_so_where_it_comes_too_late(monkeypatch):
    monkeypatch.setattr(xla, "version", lambda package: "0.10.2")
    monkeypatch.setenv("XLA_FLAGS", "")
    jax.block_until_ready(A + 1)
    with pytest.warns(UserWarning, match="import lstm_jax before the first JAX computation"):
        avoid_wrong_sums()
