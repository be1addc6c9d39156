"""Images, masks and tables on disk."""

from contextlib import suppress

from osteoflow.lazily import bare_package

# pydicom imports requests to download its examples, numba imports yaml for settings of its own:
# neither is there in most runs of a step.
for name in ("requests", "yaml"):
    with suppress(ModuleNotFoundError):
        bare_package(name)
