"""Questions beyond the tables: grids, readings, claims."""
