"""One time step; one paper a file; a cell never imports a sibling."""
