"""The official numbers: pure functions, a stateful wrapper, a readable report."""
