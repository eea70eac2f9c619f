"""
What a process does that hands the listening sockets of a service over, and serves the
clients that it has until they sign off.
"""
