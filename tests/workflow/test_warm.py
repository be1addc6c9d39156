"""Steps in children of the warm process make what steps make that start Python themselves."""

import sys

import psutil
import pytest
from processes import processes_of, wait_for, wait_for_end

from .conftest import osteoflow
from .three import Run, new_study, raw_of_three, tables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the warm process is Linux' own")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_of_three(tmp_path_factory)


def servers(study):
    found = processes_of(study)
    return [p for p in found if "warm/server.py" in " ".join(p.info["cmdline"] or [])]


def steps_under_way(study):
    """The warm process and its children, once there are some."""
    for server in servers(study):
        try:
            if children := server.children():
                return server, children
        except psutil.NoSuchProcess:
            continue
    return None


def files(study):
    """Bytes of all that was made of the subjects, by path."""
    folder = study / "results" / "subjects"
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items()}


def test_both_ways_make_the_same_files(raw, tmp_path):
    found = []
    for way in ([], ["--no-warm"]):
        study = new_study(tmp_path / f"study{len(found)}", raw)
        # What stands for the identity of raw data depends on it, and is drawn by chance.
        (study / "results" / "inventory").mkdir(parents=True)
        (study / "results" / "inventory" / "salt").write_text("the same for both\n")
        osteoflow("run", study, *way, "--cores", 2, "--", "participants")
        found.append((files(study), tables(study)))
    assert len(found[0][0]) > 100
    assert found[0][0].keys() == found[1][0].keys()
    assert [name for name, made in found[0][0].items() if made != found[1][0][name]] == []
    assert found[0][1] == found[1][1] != {}


def test_steps_run_in_children_and_a_killed_run_leaves_none(raw, tmp_path):
    study = new_study(tmp_path, raw)
    process = Run(study)
    wait_for(lambda: steps_under_way(study), process)
    process.kill_all()
    wait_for(lambda: not processes_of(study))
    done = osteoflow("run", study, "--cores", 2, "--", "participants")
    assert "Done in" in done.stdout
    assert not processes_of(study)


def test_snakemake_killed_alone_takes_the_steps_along(raw, tmp_path):
    study = new_study(tmp_path, raw)
    process = Run(study)
    server, _ = wait_for(lambda: steps_under_way(study), process)
    server.parent().kill()
    assert process.finish() != 0
    wait_for(lambda: not processes_of(study))


def test_a_run_goes_on_without_its_warm_process(raw, tmp_path):
    """The step that it was running failed; the others start Python themselves."""
    study = new_study(tmp_path, raw)
    process = Run(study)
    server, children = wait_for(lambda: steps_under_way(study), process)
    server.kill()
    assert process.finish() == 1
    for child in children:
        wait_for_end(child)
    log = (study / "run.log").read_text()
    assert "The process that ran this job was ended from outside." in log
    assert 1 <= int(log.split(" jobs failed")[0].split()[-1] if " jobs failed" in log else 1) <= 2
    assert "Done in" in osteoflow("run", study, "--cores", 2, "--", "participants").stdout
