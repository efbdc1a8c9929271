"""What the files look like that commands write and read again: results, studies, claims."""

import datetime
from typing import Any

from experiments.common.errors import hint
from experiments.common.structure import (
    FLOAT32,
    SEED,
    Misfit,
    every,
    fields,
    flag,
    number,
    one_of,
    perhaps,
    table_of,
    text,
    whole,
)
from experiments.paper.changes import BY_NAME

FORMAT = 1  # of result files
_ERROR = number(0, FLOAT32)
_SECONDS = number(0, 1e12)


def _date(value: Any, place: str) -> None:
    text()(value, place)
    try:
        datetime.date.fromisoformat(value)
    except ValueError as error:
        raise Misfit(place, "a date such as 1997-11-15", value) from error


def _change(value: Any, place: str) -> None:
    text()(value, place)
    if value not in BY_NAME:
        raise Misfit(place, f"the name of a change ({hint(value, BY_NAME)})", value)


_RECORD = fields(
    {
        "trial": whole(0),
        "phase": one_of(("solved", "capped", "diverged")),
        "sequences": whole(0),
        "reached": every(whole(-1), at_least=1),
        "test": perhaps(
            fields(
                {"sequences": whole(1), "wrong": whole(0), "error": _ERROR, "squared": _ERROR},
                only=True,
            )
        ),
        "curve": every(perhaps(_ERROR)),
    }
)
result_form = fields(
    {
        "row": text(),
        "reading": text(),
        "seed": whole(0, SEED),
        "lanes": whole(1),
        "settings": fields({}),
        "versions": table_of(text()),
        "device": fields(
            {"kind": text(), "machine": text(), "count": whole(1), "cores": perhaps(whole(1))}
        ),
        "trials": whole(1),
        "date": _date,
        "seconds": _SECONDS,
        "records": every(_RECORD),
    },
    {"commit": perhaps(text())},
)
study_form = fields(
    {
        "row": text(),
        "entries": every(
            fields(
                {
                    "changes": every(_change),
                    "seed": whole(0, SEED),
                    "trials": whole(1),
                    "cap": whole(1),
                    "after": every(whole(0)),
                    "seconds": _SECONDS,
                },
                {"lanes": whole(1), "commit": perhaps(text())},
            )
        ),
    },
)
_STOOD = ("trials", "done", "solved", "running", "sequences")
progress_form = fields(
    {**{name: whole(0, 2**63) for name in _STOOD}, "seconds": _SECONDS}, only=True
)


def finding_form(noun: str):
    """What is kept of a study, which its collection calls a noun of its own."""
    return fields(
        {
            noun: text(),
            "holds": flag(),
            "words": text(),
            "commit": perhaps(text()),
            "numbers": fields({}),
        }
    )


def of_this_version(found: Any, place: str) -> None:
    """A result file whose format is the one that is written here."""
    fields({"format": whole(0), "records": every(fields({}))})(found, place)
    if found["format"] != FORMAT:
        expected = f"{FORMAT} (another version wrote it; use that one, or run the row again)"
        raise Misfit("format", expected, found["format"])


def whole_run(found: Any, place: str) -> None:
    """What no field of a result shows alone: every trial is there once, no count is beyond it."""
    records = found["records"]
    if len(records) != found["trials"]:
        raise Misfit("records", f"a list of {found['trials']}, one a trial", len(records))
    for i, record in enumerate(records):
        if record["trial"] != i:
            raise Misfit(f"records[{i}].trial", str(i), record["trial"])
        _consistent(record, f"records[{i}]")


def _consistent(record: dict[str, Any], place: str) -> None:
    sequences, reached, test = record["sequences"], record["reached"], record["test"]
    if max(reached) > sequences:
        raise Misfit(f"{place}.reached", f"at most {sequences}, the sequences", reached)
    if record["phase"] == "solved" and reached[-1] < 0:
        raise Misfit(f"{place}.reached", "at least 0 at the end of a solved trial", reached)
    if test and test["wrong"] > test["sequences"]:
        raise Misfit(f"{place}.test.wrong", f"at most {test['sequences']}", test["wrong"])


def enough_trials(found: Any, place: str) -> None:
    """A study of whose entries none has more successes than trials."""
    for i, entry in enumerate(found["entries"]):
        if len(entry["after"]) > entry["trials"]:
            expected = f"a list of at most {entry['trials']}, its trials"
            raise Misfit(f"entries[{i}].after", expected, len(entry["after"]))
