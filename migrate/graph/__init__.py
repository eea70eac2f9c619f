"""
A graph of objects to and from bytes.

It must not know what any adapter does, nor how the bytes travel.
"""

from migrate.graph.counting import surveyOf
from migrate.graph.dumping import GraphDump, audit
from migrate.graph.environment import Environment, TrustingPolicy
from migrate.graph.hooks import audience
from migrate.graph.names import resolve
from migrate.graph.pickling import PickleSerializer
from migrate.graph.registry import Registry
from migrate.graph.survey import Others, Row, Survey
from migrate.graph.table import TableSerializer

__all__ = [
    "Environment",
    "GraphDump",
    "Others",
    "PickleSerializer",
    "Registry",
    "Row",
    "Survey",
    "TableSerializer",
    "TrustingPolicy",
    "audience",
    "audit",
    "resolve",
    "surveyOf",
]
