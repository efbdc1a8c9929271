"""The studies of the family, in the order of their page."""

from experiments.family.ladder import ladder
from experiments.studies.findings import Collection

HEAD = """# The family

What nets of the family learn, and what others do not, by `python -m experiments family`.
"""

FAMILY = Collection("study", "family", HEAD, {study.__name__: study for study in (ladder,)})
