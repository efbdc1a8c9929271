"""All rows of all tables, in the order of the paper: rivals first, then the LSTM rows.

Table 0 is ours (see `rivals`).
"""

from experiments import paper, rivals

TABLES = (
    rivals.TABLE_0,
    *((*rivals.TABLE_1, *paper.TABLE_1), (*rivals.TABLE_2, *paper.TABLE_2)),
    *(paper.TABLE_3, paper.TABLE_4, paper.TABLE_5, paper.TABLE_6),
    *(paper.TABLE_7, paper.TABLE_8, paper.TABLE_9),
)
ROWS = {row.name: row for table in TABLES for row in table}
