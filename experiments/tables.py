"""All rows of all tables, in the order of the paper: rivals first, then the LSTM rows.

Tables 0 and 10 are ours (see `rivals` and `limits`).
"""

from experiments import limits, paper, rivals

TABLES = (
    rivals.TABLE_0,
    *((*rivals.TABLE_1, *paper.TABLE_1), (*rivals.TABLE_2, *paper.TABLE_2)),
    *(paper.TABLE_3, paper.TABLE_4, paper.TABLE_5, paper.TABLE_6),
    *(paper.TABLE_7, paper.TABLE_8, paper.TABLE_9),
    limits.TABLE_10,
)
ROWS = {row.name: row for table in TABLES for row in table}
