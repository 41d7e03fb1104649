"""The answer to a drift: triggers, remedies trained in a worker, and the trial they must pass."""
