"""Ways to answer a shift, each under the same budget of steps."""

from benchmarks.policies.champion import Champion, Deployment
from benchmarks.policies.policy import Answer, Policy
from benchmarks.policies.table import POLICIES

__all__ = ["POLICIES", "Answer", "Champion", "Deployment", "Policy"]
