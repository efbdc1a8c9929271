"""Parameters in a file: every bit back, and clear words for what is not those parameters."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lstm_jax as lj
from lstm_jax import parameters


class Layer(NamedTuple):
    weights: object
    bias: object


PARAMS = {
    "layers": (Layer(np.float32([[np.nan, -0.0], [1e-42, np.inf]]), None), Layer(np.eye(3), ())),
    "float64": np.float64([1 / 3, -np.inf]),
    "int": np.array([[2**31 - 1], [-1]], np.int32),
    "bool": np.array([True, False]),
    "bfloat16": jnp.array([1.5, jnp.nan, -0.0], jnp.bfloat16),
    "float8": jnp.array(0.25, jnp.float8_e4m3fn),
    "complex": np.array(1 + 2j),
    "none": np.zeros((4, 0), np.float32),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "with/a.dot": np.int8(3),
    "numbered": {3: jnp.arange(2)},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.of.mine"


@pytest.fixture
def saved(path):
    lj.save_params(path, PARAMS)
    return path


def refused(says, call, *arguments) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        call(*arguments)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500


def bits(params):
    leaves, tree = jax.tree.flatten(params)
    arrays = [np.asarray(leaf) for leaf in leaves]
    return tree, [(a.dtype, a.shape, a.tobytes()) for a in arrays]


def test_every_bit_comes_back(saved):
    assert bits(lj.load_params(saved, PARAMS)) == bits(PARAMS)
    assert list(saved.parent.iterdir()) == [saved], "the name is used as it is"


def test_control_a_bit_that_differs():
    other = {**PARAMS, "float64": np.nextafter(PARAMS["float64"], 1)}
    assert bits(other) != bits(PARAMS)


def test_a_net_learns_on_as_if_it_had_not_been_saved(path):
    net = lj.readout(lj.memory_block(lj.Topology(inputs=2, blocks=(2, 1))), outputs=1)
    params = net.init(jax.random.key(0))
    lj.save_params(str(path), params)
    again = lj.load_params(str(path), jax.eval_shape(net.init, jax.random.key(0)))
    inputs = jnp.ones((4, 2))
    assert type(again) is type(params)
    assert bits(lj.unroll(net, again, inputs)) == bits(lj.unroll(net, params, inputs))


def test_a_single_array_is_welcome(path):
    lj.save_params(path, jnp.arange(3))
    assert lj.load_params(path, jnp.zeros(3, jnp.int32)).tolist() == [0, 1, 2]
    lj.save_params(path, None)
    assert lj.load_params(path, None) is None


def test_anybody_can_read_it(saved):
    with np.load(saved) as file:
        assert file["['float64']"].tobytes() == PARAMS["float64"].tobytes()


def test_home_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    lj.save_params("~/net", PARAMS)
    assert bits(lj.load_params("~/net", PARAMS)) == bits(PARAMS) and (tmp_path / "net").exists()


def without(name):
    return {key: value for key, value in PARAMS.items() if key != name}


@pytest.mark.parametrize(
    "like, says",
    [
        ({**PARAMS, "more": np.ones(2)}, r"\['more'\].*is missing"),
        (without("int"), r"\['int'\].*is one too many"),
        ({**PARAMS, "int": np.zeros((1, 2), np.int32)}, r"int32\[2,1\] there, int32\[1,2\] here"),
        ({**PARAMS, "int": np.zeros((2, 1), np.int64)}, r"int32\[2,1\] there, int64\[2,1\] here"),
        ({**PARAMS, "bfloat16": np.zeros(3, np.uint16)}, r"bfloat16\[3\] there, uint16\[3\] here"),
        ({**PARAMS, "bool": None}, r"\['bool'\].*is one too many"),
        (list(PARAMS.values()), r"and \d+ more"),
    ],
)
def test_other_parameters_are_refused(like, says, saved):
    refused(f"holds other parameters .*{says}.*same net", lj.load_params, saved, like)


@pytest.mark.parametrize(
    "params, says",
    [
        ({"a": "word"}, "dtype <U4"),
        ({"a": object()}, "dtype object"),
        ({"a": jax.random.key(0)}, "key_data"),
        ({"a": np.zeros(2, "f4,i4")}, "dtype"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(params, says, path):
    refused(f"expected an array of numbers at .*'a'.*{says}", lj.save_params, path, params)
    assert list(path.parent.iterdir()) == []


def test_a_damaged_file_is_refused_or_says_the_same(saved):
    """Wherever a bit flips; a few of them mean nothing."""
    whole = saved.read_bytes()
    ends = []
    for at in np.random.default_rng(0).integers(8 * len(whole), size=150):
        spoilt = bytearray(whole)
        spoilt[at // 8] ^= 1 << at % 8
        saved.write_bytes(spoilt)
        try:
            assert bits(lj.load_params(saved, PARAMS)) == bits(PARAMS)
            ends.append("same")
        except ValueError as error:
            assert "\n" not in str(error) and str(saved) in str(error)
            ends.append("refused")
    assert ends.count("refused") > 40


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused(share, saved):
    saved.write_bytes(saved.read_bytes()[: int(share * saved.stat().st_size)])
    refused("damaged or not a file of ours", lj.load_params, saved, PARAMS)


def test_foreign_files_are_refused(path):
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))
    refused("no archive of the format", lj.load_params, path, {"a": np.ones(2)})
    with path.open("wb") as file:
        np.save(file, np.ones(2))
    refused("a single array", lj.load_params, path, {"a": np.ones(2)})
    path.write_text("words")
    refused("not a file of ours", lj.load_params, path, {"a": np.ones(2)})


def test_files_that_cannot_be_are_refused(path):
    refused("cannot read .*No such file", lj.load_params, path, PARAMS)
    refused("cannot read .*directory", lj.load_params, path.parent, PARAMS)
    refused("cannot write .*No such file.*folder that exists", lj.save_params, path / "x", PARAMS)
    refused("cannot write .*irectory", lj.save_params, path.parent, PARAMS)
    assert list(path.parent.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(saved, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        refused("No space left", lj.save_params, saved, {"a": np.ones(2)})
    assert bits(lj.load_params(saved, PARAMS)) == bits(PARAMS)
    assert list(saved.parent.iterdir()) == [saved]


WRITES = """
import sys
import numpy as np
from lstm_jax.parameters import write_arrays
from pathlib import Path
for i in range(10**6):
    write_arrays(Path(sys.argv[1]), {"a": np.full(100_000, i % 100, np.float32)})
    print(i, flush=True)
"""


def test_a_process_that_is_killed_leaves_a_whole_file(path):
    for heard in (1, 3, 8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path)], cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE, text=True,
        ) as child:  # fmt: skip
            for _ in range(heard):
                child.stdout.readline()
            child.kill()
            assert child.wait() == -signal.SIGKILL
        values = parameters.read_arrays(path)["a"]
        assert len(values) == 100_000 and len(set(values.tolist())) == 1
