"""Whether the compressed pixel data of a slice reach to their end.

Decoders fill what is missing with whatever they have, so that a broken stream makes an image.
"""

from __future__ import annotations

import struct

import pydicom
from pydicom.encaps import generate_fragments

RLE = "1.2.840.10008.1.2.5"
# End of image in JPEG and JPEG-LS, end of codestream in JPEG 2000; padding may follow.
END_MARKER = b"\xff\xd9"
PADDING = b"\0\xff"
RLE_HEADER = 64


def is_whole(item: pydicom.Dataset) -> bool:
    """Whether a slice's stream ends where its format ends.

    Parameters
    ----------
    item
        Single-frame image in a compressed transfer syntax.

    Raises
    ------
    Exception
        One of :data:`osteoflow.io.dicom.PARSE_ERRORS` where the stream cannot be walked through.

    Notes
    -----
    Sources: ITU-T T.81, T.87 and T.800 (end markers); DICOM PS3.5 annex G (run lengths).
    """
    _, *fragments = generate_fragments(item.PixelData)  # the first one is a table of offsets
    return stream_is_whole(b"".join(fragments), item)


def stream_is_whole(stream: bytes, item: pydicom.Dataset) -> bool:
    """Whether the compressed stream of one frame of an image ends where its format ends."""
    if item.file_meta.TransferSyntaxUID == RLE:
        return _rle_is_whole(stream, int(item.Rows) * int(item.Columns))
    return stream.rstrip(PADDING).endswith(END_MARKER)


def _rle_is_whole(stream: bytes, pixels: int) -> bool:
    """Whether the last byte plane holds a byte for every pixel; planes follow each other."""
    count, *offsets = struct.unpack("<16L", stream[:RLE_HEADER])
    position = offsets[count - 1]
    produced = 0
    while produced < pixels and position < len(stream):
        length = stream[position]
        if length < 128:  # so many bytes and one more, as they are
            produced += length + 1
            position += length + 2
        elif length > 128:  # one byte, repeated
            produced += 257 - length
            position += 2
        else:
            position += 1
    return produced >= pixels and position <= len(stream)
