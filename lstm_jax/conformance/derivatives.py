"""Whether the gradient that JAX takes of a net is that of its error, by finite differences."""

import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.conformance.findings import normal, path_of, slopes_by_differences
from lstm_jax.gradients.bptt import bptt
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import predict
from lstm_jax.types import Array, Key, Net, Params, Sequence, SequenceLoss

SLACK = 1e-5  # relative to the largest slope


def true_slopes(net: Net, params: Params, inputs: Array, key: Key) -> Iterator[str]:
    """Findings about the gradient by `bptt` at these parameters and inputs, in float64."""
    if not jax.tree.leaves(params):
        return
    length = jnp.int32(len(inputs))
    shape = jax.eval_shape(net.apply, params, inputs, length, None).shape
    targets = normal(key, shape)
    mask, targets_length = jnp.ones(shape[:1], bool), jnp.int32(shape[0])
    sequence = Sequence(inputs, targets, targets, mask, length, "own", targets_length)

    def error(outputs, sequence):
        return jnp.sum(jax.vmap(squared_error)(outputs, sequence.targets))

    def error_of(params):
        return error(predict(net, params, sequence, taught=True), sequence)

    found = jax.jit(bptt(net, SequenceLoss(error)))(params, sequence).grads
    expected = jax.jit(lambda p: slopes_by_differences(error_of, p))(params)
    found, expected = jax.device_get((found, expected))
    largest = max(float(np.max(np.abs(leaf))) for leaf in jax.tree.leaves(expected))
    flat = []
    for (path, slope), leaf in zip(
        jax.tree_util.tree_flatten_with_path(expected)[0], jax.tree.leaves(found), strict=True
    ):
        wrong = np.abs(leaf - slope) > SLACK * largest
        if np.any(wrong & (leaf == 0)):
            flat.append(path_of(path))
        if np.any(wrong & (leaf != 0)):
            yield (
                f"the gradient of {path_of(path)} is not the slope of the error (off by "
                f"{float(np.max(np.abs(leaf - slope)) / largest):.0e}); look for stop_gradient, "
                "rounding or a custom derivative in the net"
            )
    if flat:
        warnings.warn(
            f"the error depends on {', '.join(flat)}, of which some get no gradient; all is well "
            "if they are to stay as they are",
            stacklevel=2,
        )
