"""
The compiled part of the package: where it cannot be built, plain Python does the
same.  Everything else is in pyproject.toml.
"""

from setuptools import Extension, setup

_NATIVE = "migrate/graph/native"

setup(
    ext_modules=[
        Extension(
            "migrate.graph._native",
            [
                f"{_NATIVE}/{name}.c"
                for name in ("attributes", "module", "records", "visits", "writer")
            ],
            depends=[f"{_NATIVE}/native.h"],
            optional=True,
        )
    ]
)
