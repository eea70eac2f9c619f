"""
The compiled parts of the package: where they cannot be built, plain Python does the
same.  Everything else is in pyproject.toml.
"""

from setuptools import Extension, setup

#: By package: what is compiled, and what that includes.
_NATIVE = {
    "graph": (
        (
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
            "pickled",
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
            "unpickled",
            "variants",
            "visits",
            "visitstype",
            "writer",
        ),
        ("native", "pickles", "records", "tokens", "visits"),
    ),
    "adapters": (
        (
            "arranging",
            "callee",
            "extracting",
            "module",
            "names",
            "quiet",
            "restoring",
            "sockets",
            "timers",
            "lookout",
        ),
        ("native",),
    ),
}

setup(
    ext_modules=[
        Extension(
            f"migrate.{package}._native",
            [f"migrate/{package}/native/{name}.c" for name in sources],
            depends=[f"migrate/{package}/native/{name}.h" for name in headers],
            optional=True,
        )
        for package, (sources, headers) in _NATIVE.items()
    ]
)
