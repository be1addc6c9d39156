"""Parts of SciPy, each loaded when it is first used, without what they do not use themselves.

What SciPy shares among its parts asks NumPy for all of its modules, tests and a compiler of
Fortran among them, and passes arrays of other libraries on by wrapping every function and its
documentation. Both take longer than everything that a step of a subject uses of them.
"""

from osteoflow.lazily import bare_package, lazily

lazily(
    *("numpy.ctypeslib", "numpy.f2py", "numpy.ma", "numpy.polynomial", "numpy.random"),
    *("numpy.testing", "scipy.fft", "scipy.interpolate", "scipy.optimize", "scipy.special"),
)
# Compiled functions (numba) want its BLAS and nothing else of it.
bare_package("scipy.linalg")
bare_package("scipy.ndimage")

from scipy import fft, interpolate, optimize, special  # noqa: E402

try:
    # The same functions, as they are for NumPy's arrays.
    lazily("scipy.ndimage._ndimage_api")
    from scipy.ndimage import _ndimage_api as ndimage
except ModuleNotFoundError:
    from scipy import ndimage

__all__ = ["fft", "interpolate", "ndimage", "optimize", "special"]
