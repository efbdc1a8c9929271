"""The tasks, against what their definitions imply; beside each law a control that must fail."""
