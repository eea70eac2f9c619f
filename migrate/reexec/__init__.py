"""
Re-execution: the process executes its new program and stays the same process.  All
services cross it in a sealed memory file, their descriptors by inheritance; if the new
program cannot serve them, the old program comes back with them.

The image that leaves is C{departure} and what it uses; C{bootstrap} is the first that
runs in the image that follows; C{arrival} is what that comes to.
"""
