"""
A graph of objects to and from bytes.

It must not know what any adapter does, nor how the bytes travel.
"""

from migrate.graph.dumping import GraphDump, audit
from migrate.graph.environment import Environment, TrustingPolicy
from migrate.graph.names import resolve
from migrate.graph.pickling import PickleSerializer
from migrate.graph.registry import Registry
from migrate.graph.table import TableSerializer

__all__ = [
    "Environment",
    "GraphDump",
    "PickleSerializer",
    "Registry",
    "TableSerializer",
    "TrustingPolicy",
    "audit",
    "resolve",
]
