"""
The adapters: one module a family, each with C{register(registry)}.

They must know neither the wire nor any serializer's format.
"""
