"""
C{txmigrate}: the operator's command.  Each subcommand has a module of its own, asks
a running process over its control endpoint, and ends with a verified outcome as its
exit status.
"""
