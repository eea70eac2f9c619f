"""
Moves a live network service, its connected clients and all its state
included, from a running process to a new one.
"""

__version__ = "0.1.0"
