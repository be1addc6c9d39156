"""Modules that wait for their first use, and packages without what they import themselves."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    """Output of a fresh process; a module is loaded once per process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_module_waits_for_its_first_use():
    code = """
from osteoflow.lazily import executed, lazily
lazily("xml.dom.minidom", "xml.sax")
from xml import sax
print("xml.sax" in executed(), end=" ")
print(sax.ContentHandler.__name__, "xml.sax" in executed(), "xml.dom.minidom" in executed())
from xml.dom.minidom import parseString
print(parseString("<a/>").documentElement.tagName)
"""
    assert run(code).split() == ["False", "ContentHandler", "True", "False", "a"]


def test_a_bare_package_is_whole_when_something_else_of_it_is_asked_for():
    code = """
import numpy as np
from osteoflow.io.nifti import Nifti1Image, orientations
from osteoflow.lazily import executed
print("nibabel" in executed(), "nibabel.gifti" in executed(), end=" ")
import nibabel
print(nibabel.nifti1.Nifti1Image is Nifti1Image, nibabel.orientations is orientations, end=" ")
image = nibabel.as_closest_canonical(Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)))
print(type(image) is nibabel.Nifti1Image, "nibabel.gifti" in executed())
"""
    assert run(code).split() == ["False", "False", "True", "True", "True", "True"]


def test_scipy_and_numpy_are_whole_when_they_are_asked_for():
    code = """
import numpy
from osteoflow.scipy_parts import fft, ndimage, special
from osteoflow.lazily import executed
print(ndimage.label(numpy.eye(3))[1], special.ndtr(0.0), abs(fft.fft([1.0, 1.0])).max(), end=" ")
print("numpy.f2py" in executed(), "scipy.optimize" in executed(), end=" ")
from scipy.optimize import brentq
print(brentq(lambda x: x - 1, 0, 3), numpy.f2py.get_include() != "", end=" ")
print(numpy.ma.masked_equal([1, 2], 1).sum(), end=" ")
import scipy.ndimage
import scipy.linalg
print(scipy.ndimage.label(numpy.eye(3))[1], scipy.linalg.det(numpy.eye(3)))
"""
    told = ["3", "0.5", "2.0", "False", "False", "1.0", "True", "2", "3", "1.0"]
    assert run(code).split() == told


@pytest.mark.parametrize("call", ["lazily('json.none')", "bare_package('no_such_package')"])
def test_what_does_not_exist_is_an_error(call):
    code = f"""
from osteoflow.lazily import bare_package, lazily
try:
    {call}
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run(code) in ("json.none", "no_such_package")


def test_what_waits_can_be_executed_at_once():
    code = """
from osteoflow.lazily import bare_package, execute, executed, lazily
lazily("xml.sax")
bare_package("wsgiref")
print("xml.sax" in executed(), "wsgiref" in executed(), end=" ")
execute("xml.sax")
execute("wsgiref")
print("xml.sax" in executed(), "wsgiref" in executed())
"""
    assert run(code).split() == ["False", "False", "True", "True"]
