"""A number that may be looked at but not differentiated, as an operation of JAX."""

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from lstm_jax.types import Array

REFUSAL = (
    "a gradient rule's loss was differentiated by JAX, which would give another gradient than "
    "the rule's; read .grads of what the rule returns, or differentiate the net's own error"
)


@jax.custom_jvp
def no_derivative(value: Array) -> Array:
    """The same number; reverse mode through it raises, forward mode gives NaN.

    Other things computed beside it can still be differentiated.

    Raises:
      TypeError: when its derivative is taken by reverse mode.

    Example:
      >>> jax.grad(lambda x: no_derivative(x**2) * 0 + 3 * x)(1.0)
      Traceback (most recent call last):
        ...
      TypeError: a gradient rule's loss was differentiated by JAX, ...
    """
    return value


@no_derivative.defjvp
def _refused_tangent(primals, tangents):
    return no_derivative(primals[0]), _refused.bind(tangents[0])


def _refuse(*_):
    raise TypeError(REFUSAL)


_refused = Primitive("no_derivative")
_refused.def_impl(lambda tangent: jnp.full_like(tangent, jnp.nan))
_refused.def_abstract_eval(lambda tangent: tangent)
ad.deflinear2(_refused, _refuse)
batching.defvectorized(_refused)
mlir.register_lowering(
    _refused, mlir.lower_fun(lambda t: jnp.full_like(t, jnp.nan), multiple_results=False)
)
