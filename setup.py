"""
The compiled part of the package: where it cannot be built, plain Python does the
same.  Everything else is in pyproject.toml.
"""

from setuptools import Extension, setup

_NATIVE = "migrate/graph/native"
_SOURCES = (
    "attributes",
    "bound",
    "chunks",
    "describing",
    "filling",
    "finishing",
    "identities",
    "kinds",
    "making",
    "methods",
    "module",
    "parts",
    "pieces",
    "plans",
    "progress",
    "putting",
    "queue",
    "reading",
    "records",
    "recordstype",
    "taking",
    "tokens",
    "variants",
    "visits",
    "visitstype",
    "writer",
)
_HEADERS = ("native", "records", "tokens", "visits")

setup(
    ext_modules=[
        Extension(
            "migrate.graph._native",
            [f"{_NATIVE}/{name}.c" for name in _SOURCES],
            depends=[f"{_NATIVE}/{name}.h" for name in _HEADERS],
            optional=True,
        )
    ]
)
