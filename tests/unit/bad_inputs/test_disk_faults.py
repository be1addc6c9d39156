"""The machine is not the data: what a full disk, a lost drive and missing permissions lead to."""

import builtins
import errno
import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bids_folder import write_ct
from dicom_series import ct_series
from reasons import codes, excluded, look, warned

from osteoflow.io import dicom
from osteoflow.io.dicom import convert_series
from osteoflow.io.intake import load_ct
from osteoflow.io.masks import read_mask
from osteoflow.io.volume import Volume
from osteoflow.segmentation.prepare import prepare_mask


def converter(folder, script):
    """A program in place of dcm2niix."""
    path = folder / "converter"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def series(tmp_path):
    return ct_series(tmp_path / "raw", [0.0, 2, 4])


def test_no_room_for_the_image(tmp_path, series, monkeypatch):
    full = SimpleNamespace(free=100)
    monkeypatch.setattr("dcm2niix.bin", converter(tmp_path, "exit 1"))
    monkeypatch.setattr(dicom.shutil, "disk_usage", lambda _: full)
    with pytest.raises(OSError, match="TMPDIR") as caught:
        convert_series(series)
    assert caught.value.errno == errno.ENOSPC
    assert str(tmp_path) not in str(caught.value)


def test_a_converter_that_cannot_write_says_so(tmp_path, series, monkeypatch):
    """As under a quota, where the disk has room and the user has none."""
    text = "echo ' Error: Unable to write /x/image.nii (disk full?)'; exit 1"
    monkeypatch.setattr("dcm2niix.bin", converter(tmp_path, text))
    with pytest.raises(OSError, match="no room") as caught:
        convert_series(series)
    assert caught.value.errno == errno.ENOSPC


def test_a_converter_stopped_by_the_system(tmp_path, series, monkeypatch):
    monkeypatch.setattr("dcm2niix.bin", converter(tmp_path, "kill -KILL $$"))
    with pytest.raises(RuntimeError, match="SIGKILL"):
        convert_series(series)


@pytest.mark.parametrize("script", ["exit 2", "kill -SEGV $$", 'touch "${16}/image.nii"'])
def test_a_failure_with_room_to_write_is_the_series(tmp_path, series, monkeypatch, script):
    monkeypatch.setattr("dcm2niix.bin", converter(tmp_path, script))
    error = excluded(lambda: convert_series(series), "conversion_failed")
    assert "Explicit VR Little Endian" in error.message


def test_a_series_that_falls_apart(tmp_path, series, monkeypatch):
    script = 'touch "${16}/a.nii" "${16}/b.nii"'
    monkeypatch.setattr("dcm2niix.bin", converter(tmp_path, script))
    error = excluded(lambda: convert_series(series), "conversion_failed")
    assert "split 3 files into 2 images" in error.message


def test_a_file_that_is_gone_is_no_bad_data(tmp_path, series):
    entry = look(tmp_path)["ct"]
    series[1].unlink()
    with pytest.raises(OSError, match="is the data drive mounted") as caught:
        load_ct(entry, tmp_path)
    assert caught.value.errno == errno.ENOENT
    assert "raw/" not in str(caught.value)


def test_a_bids_image_or_mask_that_is_gone(tmp_path):
    path = write_ct(tmp_path)
    entry = look(tmp_path, bids="bids")["ct"]
    path.unlink()
    for read in (lambda: load_ct(entry, tmp_path), lambda: read_mask(path)):
        with pytest.raises(OSError, match="is the data drive mounted") as caught:
            read()
        assert "bids" not in str(caught.value)


@pytest.fixture
def refused(monkeypatch):
    """Function that takes the permission to read from paths, from every user."""
    closed = set()

    def check(path):
        if str(path) in closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def patched(original):
        def call(path, *arguments, **options):
            check(path)
            return original(path, *arguments, **options)

        return call

    for place, name in ((Path, "open"), (builtins, "open"), (io, "open"), (os, "scandir")):
        monkeypatch.setattr(place, name, patched(getattr(place, name)))
    return lambda *paths: closed.update(str(path) for path in paths)


def test_files_that_may_not_be_read(tmp_path, series, refused):
    refused(*series)
    entry = look(tmp_path)
    assert codes(entry) == {"ct": "permission_denied", "mri": "permission_denied"}
    assert entry["problems"][0]["message"] == "3 files or folders may not be read"


def test_one_file_that_may_not_be_read(tmp_path, refused):
    series = ct_series(tmp_path / "raw", [0, 2, 4, 6])
    refused(series[3])
    entry = look(tmp_path)
    assert len(entry["ct"]["files"]) == 3
    assert codes(entry) == {"mri": "permission_denied"}
    assert warned(entry["warnings"]) == ["permission_denied"]


def test_a_folder_that_may_not_be_entered_is_not_empty(tmp_path, series, refused):
    refused(tmp_path / "raw")
    assert codes(look(tmp_path)) == {"ct": "permission_denied", "mri": "permission_denied"}


def test_permission_lost_after_the_inventory(tmp_path, series, refused):
    entry = look(tmp_path)["ct"]
    refused(series[1])
    excluded(lambda: load_ct(entry, tmp_path), "permission_denied")


def test_bids_images_and_masks_that_may_not_be_read(tmp_path, refused):
    path = write_ct(tmp_path)
    entry = look(tmp_path, bids="bids")["ct"]
    refused(path)
    excluded(lambda: load_ct(entry, tmp_path), "permission_denied")
    excluded(lambda: read_mask(path), "permission_denied")
    paths = {"bids": "bids", "ct_mask": str(path.relative_to(tmp_path)), "mask_scheme": "verse"}
    (tmp_path / "inventory" / "cache" / "sub-1.json").unlink()
    found = look(tmp_path, **paths)
    assert codes(found)["ct"] == "permission_denied"
    image = Volume(np.zeros((2, 2, 2)), np.eye(4))
    mask = found["masks"]["ct_mask"]
    excluded(lambda: prepare_mask(mask, tmp_path, image, 3.0), "permission_denied")
