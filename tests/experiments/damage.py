"""Good files spoilt in one place: what tests hand to readers that must not be surprised."""

import copy
import json

from hypothesis import strategies as st

DEEP = "[" * 100_000 + "]" * 100_000
JUNK = (
    None, True, False, -1, 0, 1, 2.5, -0.0, 1e308, 10**400, -(10**30), "", "x", "6b", [], {}, [[]],
    [None], {"x": 1}, float("nan"), float("inf"), float("-inf"), "1997-13-45", [-1], [10**12],
)  # fmt: skip
BYTES = (b"", b"\x00", b"\xff\xfe", b"{", b"}", b",", b"NaN", b'"\x80"', DEEP.encode())


def places(value, path=()):
    """Every place in a tree of objects and lists."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places(child, (*path, key))


def put(whole, path, change):
    """A copy in which the container at the end of a path was changed."""
    spoilt = copy.deepcopy(whole)
    at = spoilt
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return spoilt


@st.composite
def spoilt_fields(draw, whole):
    """The text of a JSON file in which one field is another, is gone, or is there once more."""
    # the deeper the more there are: choose a level first
    found = list(places(whole))
    depth = draw(st.sampled_from(sorted({len(path) for path in found})))
    path = draw(st.sampled_from([path for path in found if len(path) == depth]))
    kind = draw(st.sampled_from(("junk", "junk", "gone", "wrapped", "further")))
    junk = draw(st.sampled_from(JUNK))

    def change(at, key):
        if kind == "gone":
            del at[key]
        elif kind == "wrapped":
            at[key] = [at[key]]
        elif kind == "further" and isinstance(at, dict):
            at["further"] = junk
        elif kind == "further":
            at.append(junk)
        else:
            at[key] = junk

    return json.dumps(put(whole, path, change)).encode()


@st.composite
def spoilt_bytes(draw, content: bytes):
    """A file cut off, or with bytes that do not belong there."""
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.sampled_from(BYTES)) + content[at:] * draw(st.booleans())
