"""The studies of the family, in the order of their page."""

from experiments.family.attention import attention_and_length
from experiments.family.beginnings import beginnings
from experiments.family.continual import continual_embedded_reber
from experiments.family.counting import counting_languages
from experiments.family.digits import handwritten_digits
from experiments.family.early_tasks import early_tasks
from experiments.family.ladder import ladder
from experiments.family.speakers import speaker_recognition
from experiments.family.unsegmented import unsegmented_labels
from experiments.studies.findings import Collection

HEAD = """# The family

What nets of the family learn, and what others do not, by `python -m experiments family`.
"""

FAMILY = Collection(
    "study",
    "family",
    HEAD,
    {
        study.__name__: study
        for study in (
            continual_embedded_reber,
            counting_languages,
            early_tasks,
            handwritten_digits,
            unsegmented_labels,
            speaker_recognition,
            attention_and_length,
            ladder,
            beginnings,
        )
    },
)
