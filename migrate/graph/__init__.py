"""
A graph of objects to and from a flat table of records.

It must not know what any adapter does, nor how records travel.
"""

from migrate.graph.environment import Environment, TrustingPolicy
from migrate.graph.names import resolve
from migrate.graph.pickling import PickleSerializer
from migrate.graph.registry import Registry
from migrate.graph.table import TableDump, TableSerializer, audit

__all__ = [
    "Environment",
    "PickleSerializer",
    "Registry",
    "TableDump",
    "TableSerializer",
    "TrustingPolicy",
    "audit",
    "resolve",
]
