"""NRRD files: an array, where its voxels lie, and the key/value pairs of its header."""

from __future__ import annotations

import bz2
import re
import zlib
from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.segments import no_position, unreadable

KIND = "NRRD"
LARGEST_HEADER = 1_000_000
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
# What turns each space into RAS.
SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}


@dataclass(frozen=True)
class Nrrd:
    """An NRRD file.

    Attributes
    ----------
    data
        Array (i, j, k, n): three axes in space, then the one that is not (layers), of size 1
        where there is none.
    affine
        4 x 4, from (i, j, k) to RAS+ millimetres.
    values
        The key/value pairs (``key:=value``).
    """

    data: np.ndarray
    affine: np.ndarray
    values: dict[str, str]


def parse_nrrd(content: bytes) -> Nrrd:
    """An NRRD file from its bytes.

    Parameters
    ----------
    content
        The whole file, header attached.

    Raises
    ------
    SubjectDataError
        ``mask_unreadable`` (damaged, cut off, a header whose data lie in another file, no image
        of three dimensions), ``mask_no_position`` (no orientation in space).

    Notes
    -----
    Source: Definition of NRRD file format, teem.sourceforge.net/nrrd/format.html.
    """
    end = re.search(rb"\r?\n\r?\n", content[:LARGEST_HEADER])
    if end is None:
        raise unreadable(KIND, "has no whole header")
    header, body = content[: end.start()], content[end.end() :]
    fields, values = _header(header.decode("utf-8", errors="replace"))
    if "data file" in fields or "datafile" in fields:
        raise SubjectDataError(
            "mask_detached",
            "the mask is a header whose voxels lie in another file",
            "Save the mask as one file (.nrrd or .seg.nrrd, not .nhdr).",
        )
    try:
        sizes = tuple(int(size) for size in fields["sizes"].split())
        kind = next(code for code, names in TYPES.items() if fields["type"].lower() in names)
        if int(fields["dimension"]) != len(sizes) or min(sizes) < 1:
            raise ValueError("sizes")
        order = ">" if fields.get("endian", "little").lower() == "big" else "<"
        data = _decoded(body, fields, np.dtype(order + kind), int(np.prod(sizes)))
    except (KeyError, ValueError, StopIteration, OSError, EOFError, zlib.error):
        raise unreadable(KIND) from None
    affine, aside = _position(fields, len(sizes))
    data = data.reshape(sizes, order="F")
    data = np.moveaxis(data, aside, -1) if aside is not None else data[..., np.newaxis]
    return Nrrd(data, affine, values)


def _header(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Fields in lower case, and key/value pairs."""
    fields: dict[str, str] = {}
    values: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        if line.startswith("#"):
            continue
        # A pair's key may hold a colon, a field's name does not: what comes first decides.
        field, pair = line.find(": "), line.find(":=")
        if pair >= 0 and (field < 0 or pair < field):
            values[line[:pair]] = line[pair + 2 :].replace("\\n", "\n").replace("\\\\", "\\")
        elif field >= 0:
            fields[line[:field].strip().lower()] = line[field + 2 :].strip()
    return fields, values


def _decoded(body: bytes, fields: dict[str, str], dtype: np.dtype, count: int) -> np.ndarray:
    """The samples, in the order of the file.

    Raises
    ------
    ValueError, OSError, EOFError, zlib.error
        Too few, or damaged.
    """
    for _ in range(int(fields.get("line skip", fields.get("lineskip", 0)))):
        body = body[body.index(b"\n") + 1 :]
    encoding = fields["encoding"].lower()
    skip = int(fields.get("byte skip", fields.get("byteskip", 0)))
    if encoding in ("gzip", "gz"):
        # Whatever follows the compressed stream is no part of it; a stream cut short is an error.
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        body = stream.decompress(body)
        if not stream.eof:
            raise EOFError
    elif encoding in ("bzip2", "bz2"):
        body = bz2.decompress(body)
    elif encoding in ("ascii", "text", "txt"):
        numbers = np.array(body.split(), float)
        if len(numbers) < count:
            raise ValueError("too few samples")
        return numbers[:count].astype(dtype)
    elif encoding != "raw":
        raise ValueError(f"encoding {encoding}")
    if skip == -1:
        body = body[len(body) - count * dtype.itemsize :]
    elif skip > 0:
        body = body[skip:]
    return np.frombuffer(body, dtype, count).astype(dtype.newbyteorder("="))


def _position(fields: dict[str, str], dimension: int) -> tuple[np.ndarray, int | None]:
    """Affine to RAS+ millimetres, and which axis does not lie in space."""
    signs = SPACES.get(fields.get("space", "").lower())
    directions = re.findall(r"none|\([^)]*\)", fields.get("space directions", ""))
    vectors = [_vector(part) for part in directions]
    origin = _vector(fields.get("space origin", ""))
    spatial = [axis for axis, vector in enumerate(vectors) if vector is not None]
    if dimension not in (3, 4) or (len(vectors) == dimension and len(spatial) < 3):
        raise unreadable(KIND, f"has {dimension} dimensions where one volume is expected")
    if signs is None or origin is None or len(vectors) != dimension:
        raise no_position(KIND, "does not say where its voxels lie in space")
    if len(spatial) != 3:
        raise unreadable(KIND, f"has {len(spatial)} axes in space where 3 are expected")
    affine = np.eye(4)
    affine[:3, :3] = np.array([vectors[axis] for axis in spatial]).T
    affine[:3, 3] = origin
    affine[:3] *= np.array(signs)[:, np.newaxis]
    if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) > 0:
        raise no_position(KIND, "does not say where its voxels lie in space")
    aside = next((axis for axis in range(dimension) if axis not in spatial), None)
    return affine, aside


def _vector(text: str) -> np.ndarray | None:
    """``(1,0,0)`` as an array; None for ``none`` and for what is no vector in space."""
    try:
        vector = np.array([float(part) for part in text.strip().strip("()").split(",")])
    except ValueError:
        return None
    return vector if vector.shape == (3,) else None
