"""Modules and packages that are executed when something of them is first used, if ever.

Each step of each subject is a process of its own, and libraries load more at their start than a
step uses. Nothing is missing afterwards: whatever is asked for is loaded then.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import LazyLoader, _LazyModule, find_spec, module_from_spec
from types import ModuleType
from typing import Any


def lazily(*names: str) -> None:
    """Have submodules executed when one of their attributes is first asked for.

    A later ``from package import submodule`` finds the module that is not executed yet;
    ``import package.submodule`` and names taken from it execute it. What is loaded already stays as
    it is.

    Parameters
    ----------
    names
        Full names (``numpy.testing``). Their packages are imported.

    Raises
    ------
    ModuleNotFoundError
        A package does not exist, or has no such module.
    """
    for name in names:
        if name in sys.modules:
            continue
        package, _, last = name.rpartition(".")
        parent = import_module(package)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"no module named {name}", name=name)
        spec.loader = LazyLoader(spec.loader)
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        # As the import system does: whoever asks the package for it need not import it again.
        setattr(parent, last, module)


def bare_package(name: str) -> None:
    """Let modules of a package be imported without those that its ``__init__`` imports.

    The ``__init__`` is executed when the package is asked for something that is none of its
    modules. A package that is loaded already stays as it is.

    Parameters
    ----------
    name
        Full name of a package (``nibabel``, ``scipy.linalg``). The package that it is in is
        imported.

    Raises
    ------
    ModuleNotFoundError
        There is no such package.
    """
    if name in sys.modules:
        return
    outer, _, last = name.rpartition(".")
    parent = import_module(outer) if outer else None
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"no package named {name}", name=name)
    package = module_from_spec(spec)
    package.__class__ = _BarePackage
    sys.modules[name] = package
    if parent is not None:
        setattr(parent, last, package)


def executed() -> list[str]:
    """Names of the modules that were loaded and do not wait for their first use."""
    waiting = (_BarePackage, _LazyModule)
    return [name for name, module in list(sys.modules.items()) if type(module) not in waiting]


def execute(name: str) -> None:
    """Import a module and have it executed now if it waits for its first use."""
    module = import_module(name)
    if type(module) is _BarePackage:
        _execute_package(module)
    elif type(module) is _LazyModule:
        _ = module.__spec__  # any attribute will do


class _BarePackage(ModuleType):
    """A package whose ``__init__`` was not executed yet."""

    def __getattr__(self, name: str) -> Any:
        if PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None:
            return import_module(f"{self.__name__}.{name}")
        _execute_package(self)
        return getattr(self, name)


def _execute_package(package: ModuleType) -> None:
    package.__class__ = ModuleType
    package.__spec__.loader.exec_module(package)
