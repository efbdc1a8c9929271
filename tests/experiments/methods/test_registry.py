"""What rows name is there: methods and nets, each with a name to be kept by."""

from dataclasses import replace

import jax
import pytest

from experiments.common.errors import UserError
from experiments.methods.build import build
from experiments.methods.registry import METHODS, NETS, method, net
from experiments.paper import serial_names
from experiments.paper.row import LSTM, Rival
from experiments.paper.tables import ROWS


def test_every_row_names_a_method_and_a_net_that_there_are():
    assert {row.method for row in ROWS.values()} == set(METHODS)
    assert all(method(row) for row in ROWS.values())
    assert {row.rival.net[0] for row in ROWS.values() if row.rival} <= set(NETS)


def test_every_name_is_kept():
    assert set(serial_names.METHODS) == set(METHODS) - {LSTM}
    assert set(serial_names.NETS) == set(NETS)


def test_guessing_has_the_net_of_the_row_that_it_names():
    def shapes(row):
        return jax.eval_shape(net(row).init, jax.random.key(0))

    assert shapes(ROWS["guess-4-100"]) == shapes(ROWS["4-100"])
    assert shapes(ROWS["guess-4-100"]) != shapes(ROWS["guess-3a-100-3"])  # control


@pytest.mark.parametrize(
    "rival, hint",
    [
        (Rival("RTRLL", 1, ("one unit", 5)), "no method is called 'RTRLL'; did you mean RTRL"),
        (Rival("RTRL", 1, ("one units", 5)), "no net is called 'one units'; did you mean one unit"),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(rival, hint):
    row = replace(ROWS["2a-rtrl-4-1"], rival=rival)
    with pytest.raises(UserError, match=hint) as caught:
        net(row)
        build(row)
    assert "\n" not in str(caught.value)
    assert build(replace(row, rival=ROWS["2a-rtrl-4-1"].rival))
