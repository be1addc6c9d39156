"""Conda environment files: specs mean what they say, pins are the lock's, and they install.

No network: the environment is solved and installed from a channel that the test writes.
"""

import asyncio
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler.exceptions import InvalidMatchSpecError, SolverError

from osteoflow.resources import ROOT
from osteoflow.segmentation.backends.registry import BACK_ENDS

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
CORE = ROOT / "envs" / "core.yaml"
PYTHONS = ("3.11.9", "3.12.7", "3.13.1")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def conda_specs(path):
    return [spec for spec in read(path)["dependencies"] if isinstance(spec, str)]


def pip_pins(path):
    return [Requirement(pin) for item in read(path)["dependencies"][-1:] for pin in item["pip"]]


def lock_pins():
    """Requirements of the lock, read without the library's own reader."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]*)", text, re.MULTILINE)
    return [Requirement(line.strip()) for line in lines]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_every_spec_parses_and_names_a_package(path):
    specs = conda_specs(path)
    assert specs
    for text in specs:
        spec = rattler.MatchSpec(text, strict=True)
        assert spec.name.normalized == text.split()[0]
        assert (spec.version is None) == (len(text.split()) == 1)
    assert "nodefaults" in read(path)["channels"]


BACK_END_ENVIRONMENTS = [path for path in ENVIRONMENTS if path != CORE]


def test_every_back_end_has_an_environment():
    assert {path.stem for path in BACK_END_ENVIRONMENTS} == set(BACK_ENDS)


@pytest.mark.parametrize("path", BACK_END_ENVIRONMENTS, ids=lambda path: path.name)
def test_environment_of_a_back_end_pins_its_program(path):
    """The package and the framework in one version each, and what the calling step itself needs."""
    back_end = BACK_ENDS[path.stem]
    pins = {pin.name: pin for pin in pip_pins(path)}
    assert back_end.distribution in pins
    for pin in pins.values():
        assert [part.operator for part in pin.specifier] == ["=="]
    specs = {text.split()[0]: rattler.MatchSpec(text, strict=True) for text in conda_specs(path)}
    assert set(specs) == {"python", "pip", "pytorch-cpu", "nibabel"}
    assert str(specs["pytorch-cpu"].version) == "2.8.*"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = rattler.VersionSpec(str(specs["python"].version))
    chosen = [text for text in PYTHONS if python.matches(rattler.Version(text))]
    assert len(chosen) == 1
    # The step runs in this environment and imports the package of the clone.
    assert chosen[0] in SpecifierSet(project["requires-python"])


def test_a_malformed_spec_is_refused():
    """The parser that the test above relies on does refuse."""
    for text in ("python =>3.12", "pip >=25,", "c compiler =1=2=3"):
        with pytest.raises(InvalidMatchSpecError):
            rattler.MatchSpec(text, strict=True)


def test_pip_part_is_the_lock():
    found = pip_pins(CORE)
    assert len(found) > 50
    assert sorted(map(str, found)) == sorted(map(str, lock_pins()))


def test_file_is_what_the_lock_makes(tmp_path):
    """`make lock` writes this very file; `osteoflow.environment` run as it does."""
    target = tmp_path / "core.yaml"
    subprocess.run([sys.executable, "-m", "osteoflow.environment", target], check=True, cwd=ROOT)
    assert target.read_bytes() == CORE.read_bytes()


def test_python_of_the_environment_is_supported_and_leaves_one_pin_a_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = SpecifierSet(project["requires-python"])
    (spec,) = [rattler.MatchSpec(text) for text in conda_specs(CORE) if text.startswith("python ")]
    versions = rattler.VersionSpec(spec.version)
    chosen = [text for text in PYTHONS if versions.matches(rattler.Version(text))]
    assert len(chosen) == 1
    assert chosen[0] in supported
    machine = {
        "python_version": ".".join(chosen[0].split(".")[:2]),
        "python_full_version": chosen[0],
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    names = [
        pin.name for pin in pip_pins(CORE) if pin.marker is None or pin.marker.evaluate(machine)
    ]
    assert len(names) == len(set(names))
    wanted = {Requirement(text).name.lower() for text in project["dependencies"]}
    assert wanted <= set(names)


def write_package(folder, name, version, depends=()):
    """A conda package with one file, in the format that every conda client reads; its record."""
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "noarch": "generic",
        "subdir": "noarch",
    }
    content = f"{name} {version}\n".encode()
    paths = {
        "paths_version": 1,
        "paths": [
            {
                "_path": f"share/{name}.txt",
                "path_type": "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
        ],
    }
    files = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps(paths).encode(),
        f"share/{name}.txt": content,
    }
    path = folder / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(path, "w:bz2") as archive:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    packed = path.read_bytes()
    digests = {kind: hashlib.new(kind, packed).hexdigest() for kind in ("sha256", "md5")}
    return path.name, {**index, **digests, "size": len(packed)}


@pytest.fixture
def channel(tmp_path):
    """A channel on disk: several versions of what the environment file asks for."""
    noarch = tmp_path / "channel" / "noarch"
    noarch.mkdir(parents=True)
    packages = dict(
        [
            *(write_package(noarch, "python", version) for version in PYTHONS),
            write_package(noarch, "pip", "24.3"),
            write_package(noarch, "pip", "26.0", ["python >=3.10"]),
            write_package(noarch, "c-compiler", "1.11.0", ["toy-cc"]),
            write_package(noarch, "toy-cc", "14.2"),
            write_package(noarch, "unrelated", "1.0"),
        ]
    )
    repodata = {"info": {"subdir": "noarch"}, "packages": packages, "repodata_version": 1}
    (noarch / "repodata.json").write_text(json.dumps(repodata))
    return rattler.Channel(noarch.parent.as_uri())


def solve(channel, specs, cache):
    gateway = rattler.Gateway(cache_dir=cache)
    return asyncio.run(rattler.solve([channel], specs, gateway=gateway, platforms=["noarch"]))


def test_environment_solves_and_installs_from_a_local_channel(channel, tmp_path):
    records = solve(channel, conda_specs(CORE), tmp_path / "cache")
    found = {record.name.normalized: str(record.version) for record in records}
    assert found == {"python": "3.12.7", "pip": "26.0", "c-compiler": "1.11.0", "toy-cc": "14.2"}
    assert all(str(record.url).startswith("file://") for record in records)

    prefix = tmp_path / "prefix"
    asyncio.run(
        rattler.install(records, prefix, cache_dir=tmp_path / "packages", show_progress=False)
    )
    installed = {path.name: path.read_text() for path in (prefix / "share").iterdir()}
    assert installed == {f"{name}.txt": f"{name} {version}\n" for name, version in found.items()}
    kept = {path.name for path in (prefix / "conda-meta").glob("*.json")}
    assert kept == {f"{name}-{version}-0.json" for name, version in found.items()}


def test_what_the_channel_lacks_cannot_be_solved(channel, tmp_path):
    with pytest.raises(SolverError, match="pip"):
        solve(channel, ["python =3.12", "pip >=27"], tmp_path / "cache")
