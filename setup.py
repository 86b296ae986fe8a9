"""Builds the compiled kernels of `remote_code._fast`; everything else stands in pyproject.toml."""

import os
import platform

from setuptools import Extension, setup


def extensions() -> list[Extension]:
    """Return the Cython extensions, or none where the pure-Python twins were asked for."""
    if os.environ.get("REMOTE_CODE_NO_EXTENSIONS") or platform.python_implementation() != "CPython":
        return []
    from Cython.Build import cythonize

    built = cythonize("remote_code/_fast/*.pyx", language_level=3)
    for extension in built:
        # cythonize() drops `optional`; without a compiler the install must go on, and the twins serve.
        extension.optional = not os.environ.get("REMOTE_CODE_REQUIRE_EXTENSIONS")
    return list(built)


setup(ext_modules=extensions())
