# See migrate.graph.visits and migrate.graph.taking, which do the same.
from migrate.graph.taking import Records as Records
from migrate.graph.visits import Visits as Visits

VERSION: int
