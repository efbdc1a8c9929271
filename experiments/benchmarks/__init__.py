"""Speed and memory, ours beside other programs; gradients against files."""
