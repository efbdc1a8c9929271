"""All rows of all tables, in the order of the paper: rivals first, then the LSTM rows.

Tables 0 and 10 are ours (see `rival_rows` and `limitation_rows`).
"""

from experiments.paper import limitation_rows, lstm_rows, rival_rows

TABLES = (
    rival_rows.TABLE_0,
    *((*rival_rows.TABLE_1, *lstm_rows.TABLE_1), (*rival_rows.TABLE_2, *lstm_rows.TABLE_2)),
    *(lstm_rows.TABLE_3, lstm_rows.TABLE_4, lstm_rows.TABLE_5, lstm_rows.TABLE_6),
    *(lstm_rows.TABLE_7, lstm_rows.TABLE_8, lstm_rows.TABLE_9),
    limitation_rows.TABLE_10,
)
ROWS = {row.name: row for table in TABLES for row in table}
