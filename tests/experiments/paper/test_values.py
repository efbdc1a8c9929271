"""Values as text: what is written is read again, in one form for each value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.paper.values import Named, parse, written

NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = NUMBERS | st.booleans() | st.none()
TUPLES = st.lists(PLAIN | st.lists(PLAIN, min_size=1, max_size=3).map(tuple), max_size=4).map(tuple)


@given(PLAIN | TUPLES)
def test_what_is_written_is_read_again(value):
    text = written(value)
    assert parse(text) == value and written(parse(text)) == text
    assert "+" not in text and " " not in text  # which join and end the names of readings


def test_names_may_be_called():
    value = parse("recent( 2000, (1, .01), often = True )")
    assert value == Named("recent", (2000, (1, 0.01)), {"often": True})
    assert written(value) == "recent(2000,(1,0.01),often=true)"
    assert parse("none") is None and parse("true") is True and math.isinf(parse("-inf"))


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 +", "1 + 1", "a.b", "f(*x)(1)", "'text'", "{}", "lambda: 1", "__import__('os')",
     "[x for x in y]", "1j", "(" * 400],
)  # fmt: skip
def test_other_things_are_no_values(text):
    with pytest.raises(ValueError, match="expected a number, a word"):
        parse(text)
