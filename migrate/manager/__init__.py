"""
C{twistd migrate-manager}: the master of the processes that services run in.  It starts
the first one, has a successor take over from it when there is a reason to, starts
another one when one has crashed, and ends the one that serves when it is ended itself.

It serves nothing itself and never imports a service: what a process owns is asked of
that process, over its control endpoint.
"""
