"""Searches over NAS-Bench-201, whose every cell has been trained and tested once."""
