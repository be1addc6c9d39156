"""Conversion: voxels, geometry, units, and each reason to refuse a series."""

import numpy as np
import pytest
from dicom_series import ct_series, multi_echo_series

from osteoflow.errors import SubjectDataError
from osteoflow.inventory.headers import read_header
from osteoflow.inventory.recognise import choose_multi_echo
from osteoflow.io.dicom import convert_series
from osteoflow.io.intake import compact, load_ct, load_multi_echo


def at(volume, point):
    """Value at a point in LPS millimetres."""
    index = np.linalg.inv(volume.affine) @ [-point[0], -point[1], point[2], 1]
    return volume.data[tuple(np.rint(index[:3]).astype(int))]


def code_of(paths):
    with pytest.raises(SubjectDataError) as caught:
        convert_series(paths)
    return caught.value.code


def test_voxels_lie_where_the_headers_say(tmp_path):
    paths = ct_series(tmp_path, [6.0, 0.0, 2.0, 4.0])
    volume, headers, warnings = convert_series(paths)
    assert volume.spacing == pytest.approx((0.5, 0.8, 2.0))
    assert warnings == []
    # Written in the order 6, 0, 2, 4 mm as slices 0..3: column 7, row 2 of the slice at 2 mm.
    assert at(volume, [-20 + 7 * 0.5, -30 + 2 * 0.8, 2.0]) == 20 + 7 - 2
    assert at(volume, [-20 + 7 * 0.5, -30 + 2 * 0.8, 6.0]) == 0 + 7 - 2
    assert headers[0]["KVP"] == 120


def test_irregular_series_are_refused_by_name(tmp_path):
    even = [0.0, 2, 4, 6, 8, 10]
    assert code_of(ct_series(tmp_path / "a", [0.0, 2, 4, 8, 10])) == "missing_slice"
    assert code_of(ct_series(tmp_path / "b", [0.0, 2, 2, 4])) == "duplicate_slices"
    assert code_of(ct_series(tmp_path / "c", [0.0, 2, 4.7, 6, 8])) == "irregular_slices"
    assert code_of(ct_series(tmp_path / "d", even, RescaleSlope=None)) == "rescale_missing"
    assert code_of(ct_series(tmp_path / "e", even, PixelSpacing=None)) == "geometry_missing"


def test_a_truncated_file_is_refused(tmp_path):
    paths = ct_series(tmp_path, [0.0, 2, 4])
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[:-40])
    assert code_of(paths) in ("truncated_file", "unreadable_file")
    paths[1].write_bytes(content[:60])
    assert code_of(paths) == "unreadable_file"


def test_ct_is_stored_as_whole_numbers_with_its_acquisition(tmp_path):
    paths = ct_series(tmp_path, [0.0, 2, 4], ContrastBolusAgent="Iomeprol", KVP=100)
    entry = {
        "source": "dicom",
        "series": "abc",
        "files": [{"path": path.name} for path in paths],
    }
    volume, sidecar, _ = load_ct(entry, tmp_path)
    assert volume.data.dtype == np.int16
    assert volume.data.max() == 20 + 9
    assert sidecar["KVP"] == 100
    assert sidecar["ContrastBolusAgent"] == "Iomeprol"
    assert sidecar["SliceStep"] == 2.0
    assert not any("Patient" in key for key in sidecar)


def multi_echo_entry(folder):
    headers = {path.name: read_header(path) for path in sorted(folder.iterdir())}
    parts = choose_multi_echo(headers)
    return {
        "source": "dicom",
        "series": "abc",
        "kind": "complex",
        "parts": {
            part: [
                {"echo_time": time, "files": [{"path": name} for name in names]}
                for time, names in echoes.items()
            ]
            for part, echoes in parts.items()
        },
    }


def test_multi_echo_stacks_keep_the_order_of_echoes_and_slices(tmp_path):
    times = [1.2, 2.2, 3.2]
    multi_echo_series(tmp_path, {"M": times, "P": times})
    magnitude, phase, sidecar, _ = load_multi_echo(multi_echo_entry(tmp_path), tmp_path)
    assert magnitude.data.shape == phase.data.shape == (8, 8, 3, 3)
    assert sidecar["EchoTime"] == [0.0012, 0.0022, 0.0032]
    assert sidecar["RepetitionTime"] == pytest.approx(0.020)
    # Slice 2 lies at x = 8 mm (LPS); its magnitude is 1000 + 100 echo + slice.
    for echo in range(3):
        value = at(magnitude.like(magnitude.data[..., echo]), [8.0, -10.0, 20.0])
        assert value == 1000 + 100 * echo + 2
        stored = at(phase.like(phase.data[..., echo]), [8.0, -10.0, 20.0])
        assert stored == pytest.approx((2 * (100 * echo + 2) - 4096) / 4096 * np.pi, abs=1e-5)


def test_phase_in_an_unknown_unit_is_refused(tmp_path):
    times = [1.2, 2.2, 3.2]
    multi_echo_series(tmp_path, {"M": times, "P": times})
    import pydicom

    for path in tmp_path.glob("P*"):
        dataset = pydicom.dcmread(path)
        dataset.RescaleSlope = 3
        dataset.save_as(path)
    with pytest.raises(SubjectDataError) as caught:
        load_multi_echo(multi_echo_entry(tmp_path), tmp_path)
    assert caught.value.code == "phase_unit_unknown"


def test_compact_keeps_every_value():
    assert compact(np.array([1.0, -1024.0])).dtype == np.int16
    assert compact(np.array([0.5])).dtype == np.float32
    assert compact(np.array([40000.0])).dtype == np.float32
