"""One trial as a state machine: how it learns, how it is judged, when it is over."""
