"""Back-propagation through time: the full gradient, by reverse mode through the scan."""

import jax

from lstm_jax.losses import sequence_error
from lstm_jax.types import Cell, Learn, Learned, Loss, Params, Sequence
from lstm_jax.wiring import at_targets, unroll


def bptt(net: Cell, loss: Loss) -> Learn:
    """The gradient of the error with respect to every weight at every step.

    Werbos 1988; Williams and Zipser 1992. Memory grows with the padded length.

    Args:
      net: a cell whose outputs stand beside the targets.
      loss: error of one step.

    Returns:
      `(params, sequence) -> Learned`. Where lanes share their parameters the gradient
      is the sum over the lanes.
    """

    def learn(params: Params, sequence: Sequence) -> Learned:
        def error(params):
            _, outputs = unroll(net, params, sequence.inputs)
            outputs = at_targets(outputs, sequence)
            errors = sequence_error(loss, outputs, sequence)
            return errors.sum(), (errors, outputs)

        grads, (errors, outputs) = jax.grad(error, has_aux=True)(params)
        return Learned(errors, outputs, grads)

    return learn
