"""Runs a past episode again from what was kept of it, and compares."""
