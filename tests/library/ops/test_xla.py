"""Every product of matrices keeps all digits on every device, unless the user asks for fewer."""

import re

import jax
import jax.numpy as jnp
import pytest

from lstm_jax.analysis.vanishing import error_flow
from lstm_jax.methods.cascade_correlation import covariances
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
