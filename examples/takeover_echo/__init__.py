"""
An echo server whose next version accepts in its place.
"""
