"""Cells of published search spaces, as networks whose edges can be reopened."""
