"""
A graph of objects to and from a flat table of records.

It must not know what any adapter does, nor how records travel.
"""

from migrate.graph.environment import Environment, TrustingPolicy
from migrate.graph.registry import Registry

__all__ = ["Environment", "Registry", "TrustingPolicy"]
