"""What the paper claims beside its tables, put to the test: one function a claim.

Each takes a `TrialSource`, which trains what has no result yet, and returns what it found with a
figure. `python -m experiments claims` runs them and keeps numbers, figures and a page that
shows them in `results/claims/`. A claim *holds* by a rule that its function states; the
paper's own words are vaguer.
"""

from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from experiments.paper.tables import ROWS
from experiments.studies import claim_figures, error_flow
from experiments.studies.findings import Collection, Finding
from experiments.studies.sweep import Grid
from experiments.studies.trial_source import Group, TrialSource

SURE = 0.05  # a difference less probable than this by chance counts as one


def truncation(source: TrialSource) -> Finding:
    """Truncated and full gradient do not differ significantly (Section 6, limitations).

    100 trials of rows 6a and 4-100 with either, compared by sequences to success, failures
    last (Mann-Whitney).
    """
    pairs = {"6a": ("literal", "full"), "4-100": ("Y", "Y-full")}
    found = {row: source.compare(row, *readings, trials=100) for row, readings in pairs.items()}
    chances = {row: chance(*groups.values()) for row, groups in found.items()}
    ratios = {row: _ratio(*groups.values()) for row, groups in found.items()}
    words = "; ".join(
        f"{row}: {_sides(groups)}, medians {ratios[row]:.2f} to 1, p = {chances[row]:.2g}"
        for row, groups in found.items()
    )
    holds = min(chances.values()) > SURE
    return _successes(found, holds, words, {"chances": chances, "ratios_of_medians": ratios})


def output_gates(source: TrialSource) -> Finding:
    """Without output gates the embedded Reber grammar is not learnt fast (Section 5.1).

    All rows of Table 1 under the reading that solves them, by sequences to success, failures
    last: a larger median, and a significant difference (Mann-Whitney), in each.
    """
    rows = [f"1-{i}" for i in range(1, 6)]
    found = {row: source.compare(row, "S+T", "S+T-open") for row in rows}
    chances = {row: chance(*groups.values()) for row, groups in found.items()}
    later = all(_middle(f["S+T"]) < _middle(f["S+T-open"]) for f in found.values())
    words = "; ".join(f"{row}: {_sides(found[row])}, p = {chances[row]:.2g}" for row in found)
    holds = later and max(chances.values()) < SURE
    return _successes(found, holds, words, {"chances": chances})


def broad_ranges(source: TrialSource) -> Finding:
    """Broad ranges of learning rates work, and the gate biases hardly matter (Section 5.7).

    Rows 6a and 4-100 (Y), one initial bias for all input gates: rates that solve nine of ten
    trials at one of the biases span a factor of 4 at least, and at the row's own rate every
    bias tried solves as many.
    """
    rates, biases = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0), ((0.0,), (-1.0,), (-2.0,), (-4.0,), (-6.0,))
    maps = {
        row: source.sweep(row, reading, Grid(rate=rates, input_gate=biases))
        for row, reading in (("6a", "literal"), ("4-100", "Y"))
    }
    spans, steady = {}, {}
    for name, points in maps.items():
        own = ROWS[name].training.rate
        good = [p for p in points if p["solved"] >= 0.9 * p["over"]]
        by_bias: dict[str, list[float]] = {}
        for p in good:
            by_bias.setdefault(str(p["input_gate"]), []).append(p["rate"])
        spans[name] = max((max(r) / min(r) for r in by_bias.values()), default=0.0)
        steady[name] = sum(abs(p["rate"] - own) < 1e-6 for p in good)
    words = "; ".join(
        f"{name}: rates over a factor of {spans[name]:.0f} solve 90 % of the trials, and at rate "
        f"{ROWS[name].training.rate:g} so do {steady[name]} of {len(biases)} input-gate biases"
        for name in maps
    )
    holds = min(spans.values()) >= 4 and min(steady.values()) == len(biases)
    return Finding(holds, words, maps, claim_figures.maps(maps))


def delayed_xor(source: TrialSource) -> Finding:
    """Truncation does not easily solve the strongly delayed XOR (Section 6, limitations).

    At T = 100 AND of two marked signs is learnt and XOR is not, all else being the same.
    """
    rows = ("and-100", "xor-10", "xor-50", "xor-100")
    found = {row: source.compare(row, "literal", "narrow", "full") for row in rows}
    holds = bool(found["and-100"]["narrow"].solved) and not any(
        group.solved for group in (found["xor-100"]["literal"], found["xor-100"]["narrow"])
    )
    return _successes(found, holds, _all_sides(found))


def counting(source: TrialSource) -> Finding:
    """3 or 11 steps ago is learnt, 99 or 100 steps ago is not (Section 6, limitations)."""
    found = {row: source.compare(row, "literal", "full") for row in ("steps-3-11", "steps-99-100")}
    easy, hard = (found[row]["literal"] for row in found)
    holds = 2 * len(easy.solved) > easy.trials and not hard.solved
    return _successes(found, holds, _all_sides(found))


def parity(source: TrialSource) -> Finding:
    """The parity of 500 signs is guessed but not learnt (Section 6, limitations).

    The same net, of one memory cell, both times.
    """
    found = {
        "guess-parity-500": source.compare("guess-parity-500", "literal"),
        "parity-500": source.compare("parity-500", "literal", "full"),
    }
    guessed, learnt = found["guess-parity-500"]["literal"], found["parity-500"]["literal"]
    holds = 2 * len(guessed.solved) > guessed.trials and not learnt.solved
    return _successes(found, holds, _all_sides(found))


def guessing(source: TrialSource) -> Finding:
    """Guessing weights solves 3a and none of the tasks that follow (Section 5.3)."""
    rows = ("guess-3a-100-3", "guess-3a-100-1", "guess-3c-100-3", "guess-4-100")
    found = {row: source.compare(row, "literal") for row in rows}
    rates = [len(found[row]["literal"].solved) / found[row]["literal"].trials for row in rows]
    return _successes(found, min(rates[:2]) > 0.9 and max(rates[2:]) == 0, _all_sides(found))


def lag_scaling(source: TrialSource) -> Finding:
    """Learning time grows slowly with the lag if distractors grow with it (Section 5.2, 2c).

    Exponents of the lag, from 50 to 1000 steps, by least squares of logarithms: below 1/2
    if distractors grow with the lag, and negative in their number at lag 1000.
    """
    lags, symbols = (50, 100, 200, 500, 1000), (50, 100, 200, 500, 1000)
    rows = {"lag = distractors": [f"2c-{q}-{q}" for q in lags],
            "distractors, lag 1000": [f"2c-1000-{p}" for p in symbols]}  # fmt: skip
    numbers: dict[str, Any] = {}
    for name, listed in rows.items():
        ours = [float(np.mean(source.compare(row, "no-recurrence")["no-recurrence"].solved))
                for row in listed]  # fmt: skip
        theirs = [float(ROWS[row].published.after or 0) for row in listed]
        at = lags if name.startswith("lag") else symbols
        numbers[name] = {
            "at": list(at),
            "ours": ours,
            "paper": theirs,
            "exponent": _exponent(at, ours),
            "exponent_in_paper": _exponent(at, theirs),
        }
    grows, falls = (one["exponent"] for one in numbers.values())
    words = "; ".join(
        f"{name}: exponent {one['exponent']:.2f} (paper {one['exponent_in_paper']:.2f})"
        for name, one in numbers.items()
    )
    return Finding(0 < grows < 0.5 and falls < 0, words, numbers, claim_figures.scaling(numbers))


def vanishing(source: TrialSource) -> Finding:
    """Error vanishes in conventional nets and stays constant in the carousel (Sections 3 and 4).

    Elman nets of 15 units: formula and measurement agree, the bounds hold, and in the
    typical net next to nothing is left after 40 steps; on the carousel all of it is.
    """
    numbers, figure = error_flow.vanishing()
    ranges = numbers["ranges"]
    bounded = all(
        np.all(np.asarray(one["measured"]) <= np.asarray(one["bound"])) for one in ranges.values()
    )
    left = {limit: one["typical"][-1] for limit, one in ranges.items()}
    constant = set(numbers["carousel"]) == {1.0}
    words = (
        f"after {numbers['lags'][-1]} steps the median net keeps "
        + ", ".join(f"{v:.0e} (weights within {limit})" for limit, v in left.items())
        + f"; formula and measurement differ by {numbers['deviation']:.0e} of the largest factor"
    )
    holds = bounded and constant and numbers["deviation"] < 1e-9 and max(left.values()) < 1e-3
    return Finding(holds, words, numbers, figure)


def weight_conflicts(source: TrialSource) -> Finding:
    """A carousel without gates has conflicting demands on its weights (Section 3.2).

    Where the weight comes to rest the demands cancel by more than nine tenths and most of
    the error is left; with a gate neither.
    """
    numbers, figure = error_flow.conflicts()
    words, holds = [], True
    for task in ("input", "output"):
        naive, gated = numbers[task]["naive"], numbers[task]["gated"]
        holds &= naive["conflict_at_naive_best"] > 0.9 > 0.1 > gated["conflict_at_naive_best"]
        holds &= naive["error_at_best"] > 0.5 > 0.1 > gated["error_at_best"]
        words.append(
            f"{task} weight: conflict {naive['conflict_at_naive_best']:.2f} and error left "
            f"{naive['error_at_best']:.2f} without a gate, {gated['conflict_at_naive_best']:.2g} "
            f"and {gated['error_at_best']:.2g} with one"
        )
    return Finding(holds, "; ".join(words), numbers, figure)


HEAD = """# Claims of the paper

What the paper says beside its tables, put to the test by `python -m experiments claims`.
The figures of trials are those of `results/`; numbers behind the other figures lie here.
"""

CLAIMS = Collection(
    "claim",
    "claims",
    HEAD,
    {
        claim.__name__: claim
        for claim in (
            vanishing,
            weight_conflicts,
            truncation,
            output_gates,
            guessing,
            lag_scaling,
            broad_ranges,
            delayed_xor,
            parity,
            counting,
        )
    },
)


def chance(one: Group, other: Group) -> float:
    """The p-value of the difference of two groups in sequences to success, failures last."""
    last = 1 + max(one.solved + other.solved, default=0)
    first, second = (g.solved + [last] * (g.trials - len(g.solved)) for g in (one, other))
    return float(mannwhitneyu(first, second).pvalue)


def _middle(group: Group) -> float:
    """Median sequences to success, failures last."""
    return float(np.median(group.solved + [np.inf] * (group.trials - len(group.solved))))


def _ratio(one: Group, other: Group) -> float:
    return _middle(one) / _middle(other)


def _exponent(at: Any, values: Any) -> float:
    return float(np.polyfit(np.log(at), np.log(values), 1)[0])


def _sides(groups: dict[str, Group]) -> str:
    return ", ".join(f"{reading} {group}" for reading, group in groups.items())


def _all_sides(found: dict[str, dict[str, Group]]) -> str:
    return "; ".join(f"{row}: {_sides(groups)}" for row, groups in found.items())


def _successes(
    found: dict[str, dict[str, Group]], holds: bool, words: str, more: dict | None = None
) -> Finding:
    groups = {
        row: {reading: group._asdict() for reading, group in readings.items()}
        for row, readings in found.items()
    }
    figure = claim_figures.successes(found)
    return Finding(holds, words, {"groups": groups, **(more or {})}, figure)
