"""Where jobs run: a fixed pool of spawned workers under hard limits, on this machine."""
