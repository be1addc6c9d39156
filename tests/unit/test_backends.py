"""Segmentation programs as back ends: what is called, in which environment, and what may come back.

The programs themselves and their weights are not at hand. Stand-ins take their arguments, and end
with an error where an argument is not one of the real program's.
"""

import http.server
import json
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml
from stand_in_programs import calls, install

from osteoflow.config import load_config
from osteoflow.errors import StudyError, SubjectDataError
from osteoflow.io.volume import (
    Volume,
    read_json,
    read_volume,
    sidecar_path,
    write_json,
    write_volume,
)
from osteoflow.layout import BACK_ENDS as STEPS
from osteoflow.layout import SubjectFiles
from osteoflow.outline_source import Source, source_of
from osteoflow.outlined import Outlined, read_outlines
from osteoflow.outlines import outline_state, outline_subject
from osteoflow.reports.methods import _outlined_text
from osteoflow.resources import ROOT, read_resource
from osteoflow.running.batches import _shard_config
from osteoflow.segmentation.backends.check import back_end_problems
from osteoflow.segmentation.backends.installed import find_executable, installed_version
from osteoflow.segmentation.backends.isolation import isolated_environment
from osteoflow.segmentation.backends.plan import planned_outlines
from osteoflow.segmentation.backends.registry import BACK_ENDS
from osteoflow.segmentation.backends.run import BackEndError, outline_image
from osteoflow.segmentation.backends.staging import in_phase_echo, single_volume
from osteoflow.segmentation.backends.tasks import find_task, selectable
from osteoflow.segmentation.backends.weights import MissingWeightsError, find_weights, fingerprint
from osteoflow.segmentation.schemes import scheme_names, to_verse

AFFINE = np.array([[-1.5, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2, -40], [0, 0, 0, 1.0]])
SHAPE = (16, 14, 20)
VERSIONS = {
    "totalsegmentator": "2.18.0",
    "totalspineseg": "20260429",
    "spineps": "2.1.3",
    "spine_segment": "0.1.5",
}
# Labels of L1 and L2 in each program's result, and of bodies where they are a map of their own.
RESULTS = {
    ("totalsegmentator", "vertebrae_body"): {"total": (31, 30), "vertebrae_body": (1, 1)},
    ("totalsegmentator", "total"): {"total": (31, 30)},
    ("totalsegmentator", "vertebrae_pp"): {"vertebrae_pp": (20, 21)},
    ("totalsegmentator", "vertebrae_pp_refined"): {"vertebrae_pp_refined": (20, 21)},
    ("totalsegmentator", "vertebrae_mr"): {"vertebrae_mr": (6, 5)},
    ("totalspineseg", "step2"): {"step2": (41, 42)},
    ("spineps", "vibe"): {"vert": (20, 21), "spine": (49, 49)},
    ("spineps", "t1w"): {"vert": (20, 21), "spine": (49, 49)},
    ("spineps", "t2w"): {"vert": (20, 21), "spine": (49, 49)},
    ("spineps", "ct"): {"vert": (20, 21), "spine": (49, 50)},
    ("spine_segment", "body"): {"levels": (20, 21), "bodies": (2, 2)},
}
TASKS = [
    (row["back_end"], row["modality"], row["task"])
    for row in read_resource("backend_tasks.tsv")
    if row["use"] != "refused"
]
# Results that say vertebral body; they leave out the arch that the levels have.
BODY_MAPS = ("vertebrae_body", "spine", "bodies")


def image():
    data = np.random.default_rng(4).normal(100, 20, SHAPE).astype(np.float32)
    return Volume(data, AFFINE)


def two_vertebrae(upper, lower, arch=True):
    """Two blocks, L1 above L2; with an arch of two voxels behind."""
    data = np.zeros(SHAPE, np.uint8)
    first = 2 if arch else 4
    data[4:12, first:12, 11:17] = upper
    data[4:12, first:12, 3:9] = lower
    return Volume(data, AFFINE)


def make_results(folder, name, task):
    """Files that the stand-in copies: one per result of the task."""
    files = {}
    for result, labels in RESULTS[name, task].items():
        files[result] = folder / f"{result}.nii.gz"
        write_volume(files[result], two_vertebrae(*labels, arch=result not in BODY_MAPS))
    return files


def stage_weights(folder, name, modality, task, root=""):
    """Weights of a task as its program leaves them, each with a file or two."""
    for item in BACK_ENDS[name].needs(modality, task):
        path = folder / root / item.replace("*", "_v1.0")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".pt":
            path.write_bytes(b"weights")
        else:
            path.mkdir()
            (path / "inference_config.json").write_text("{}")
            (path / "checkpoint.pth").write_bytes(b"weights of " + item.encode())
    return folder


class Bench:
    """An installed stand-in, its weights, and a run of it."""

    def __init__(self, folder, name, modality, task, **told):
        self.back_end = BACK_ENDS[name]
        self.task = find_task(name, modality, task)
        self.results = make_results(folder / "prepared", name, task)
        root = {"totalspineseg": "nnUNet/results/r20251124", "spine_segment": "weights"}
        self.weights = stage_weights(folder / "weights", name, modality, task, root.get(name, ""))
        program = (self.back_end.executable, self.back_end.distribution, VERSIONS[name])
        self.program = install(folder / "environment", *program, results=self.results, **told)
        self.scratch = folder / "scratch"

    def run(self, device="cpu", threads=3):
        self.scratch.mkdir()
        found = find_weights(self.back_end, self.task.modality, self.task.name, self.weights)
        return outline_image(
            self.back_end,
            self.task,
            image(),
            found,
            executable=self.program,
            device=device,
            threads=threads,
            scratch=self.scratch,
        )

    def argv(self):
        """Arguments of every call, without the folder of the job."""
        here = str(self.scratch)
        found = [call["argv"] for call in calls(self.program)]
        return [" ".join(word.replace(here, "S") for word in argv) for argv in found]


def everything(folder):
    """Every file and folder with its size and time of change."""
    return {
        path: (path.lstat().st_size, path.lstat().st_mtime_ns) if path.is_file() else None
        for path in folder.rglob("*")
    }


# --- what is asked for


def test_every_task_has_a_scheme_and_a_prepared_result():
    assert {(name, task) for name, _, task in TASKS} == set(RESULTS)
    assert set(BACK_ENDS) == set(STEPS)
    for row in read_resource("backend_tasks.tsv"):
        assert row["back_end"] in BACK_ENDS
        assert row["about"]
        if row["use"] != "refused":
            assert row["scheme"] in scheme_names()
            assert row["outlines"] in ("bodies", "vertebrae")
    for name in BACK_ENDS:
        for modality in ("ct", "mri"):
            rows = [r for r in TASKS if r[:2] == (name, modality)]
            assert bool(rows) == bool(selectable(name, modality))
            if rows:
                assert find_task(name, modality).name == selectable(name, modality)[0]


@pytest.mark.parametrize(
    ("name", "modality", "task", "words"),
    [
        ("totalsegmentator", "ct", "tissue_types", "refused: it needs a licence of its authors"),
        ("totalsegmentator", "mri", "total_mr", "merges all vertebrae in one label"),
        ("totalsegmentator", "mri", "brain_aneurysm", "non-commercial"),
        ("totalsegmentator", "mri", "vertebrae_body", "not for MRI (known: vertebrae_mr)"),
        ("totalsegmentator", "ct", "vertebra_body", "did you mean 'vertebrae_body'"),
        ("spine_segment", "mri", None, "no task for MRI"),
    ],
)
def test_tasks_that_cannot_serve_are_refused_with_the_reason(name, modality, task, words):
    with pytest.raises(ValueError) as caught:
        find_task(name, modality, task)
    assert words in str(caught.value)


def test_the_configuration_accepts_none_and_names_mistakes():
    chosen = {"name": "spineps", "weights": "w", "task": "t2w", "image": "t2"}
    config = load_config({"segmentation": {"backends": {"ct": "none", "mri": chosen}}})
    backends = config.segmentation.backends
    assert backends.ct is None
    assert (backends.mri.task, backends.mri.image, backends.mri.device) == ("t2w", "t2", "cpu")
    with pytest.raises(StudyError) as caught:
        load_config({"segmentation": {"backends": {"ct": {"name": "nnunet", "weight": "w"}}}})
    text = str(caught.value)
    assert "unknown key 'segmentation.backends.ct.weight' (did you mean 'weights'?)" in text
    assert "segmentation.backends.ct.name" in text


def test_only_subjects_without_a_mask_are_outlined_and_one_job_does_both_modalities():
    one = {"name": "totalsegmentator", "weights": "w"}
    two = {"name": "spineps", "weights": "s"}
    both = {"ct": True, "mri": True}

    def planned(ct, mri, paths, found=both):
        content = {"segmentation": {"backends": {"ct": ct, "mri": mri}}}
        return planned_outlines(load_config(content).segmentation.backends, paths, found)

    assert planned(None, None, {}) == {}
    assert planned(one, one, {"ct_mask": "a", "mri_mask": "b"}) == {}
    assert list(planned(one, one, {})) == ["totalsegmentator"]
    assert set(planned(one, one, {})["totalsegmentator"]) == {"ct", "mri"}
    assert set(planned(one, one, {"ct_mask": "a"})["totalsegmentator"]) == {"mri"}
    assert set(planned(one, two, {})) == {"totalsegmentator", "spineps"}
    assert set(planned(one, two, {}, {"ct": False, "mri": True})) == {"spineps"}


# --- what is called


@pytest.mark.parametrize(("name", "modality", "task"), TASKS, ids="-".join)
def test_every_task_runs_offline_and_gives_its_levels(tmp_path, name, modality, task):
    bench = Bench(tmp_path, name, modality, task)
    outline = bench.run()
    for call in calls(bench.program):
        assert call["fetched"] == []
        assert call["sent"] is False
        assert call["folder"] == str(bench.scratch)
        assert call["environment"]["HOME"] == str(bench.scratch / "home")
    labels, warnings = to_verse(outline.labels.data, bench.task.scheme)
    assert warnings == []
    assert set(np.unique(labels)) == {0, 20, 21}
    assert outline.labels.same_grid(image())
    assert outline.labels.data.dtype == np.uint8
    voxels = np.count_nonzero(two_vertebrae(1, 1, arch=len(RESULTS[name, task]) == 1).data)
    assert np.count_nonzero(labels) == voxels
    whole = "whole vertebrae" in " ".join(outline.warnings)
    assert whole == (bench.task.outlines == "vertebrae")
    assert not any(str(tmp_path) in line for line in outline.command_lines)


def test_command_line_of_totalsegmentator(tmp_path):
    bench = Bench(tmp_path, "totalsegmentator", "ct", "vertebrae_body")
    outline = bench.run(threads=3)
    counts = {"C": 7, "T": 12, "L": 5}
    levels = [f"vertebrae_{part}{n + 1}" for part, last in counts.items() for n in range(last)]
    common = "--device cpu --nr_thr_resamp 3 --nr_thr_saving 1"
    expected = [
        f"-i S/in/sub-image_ct.nii.gz -o S/out/total.nii.gz --ml --task total {common} "
        f"--roi_subset {' '.join(levels)}",
        "-i S/in/sub-image_ct.nii.gz -o S/out/vertebrae_body.nii.gz --ml --task vertebrae_body "
        f"{common}",
    ]
    assert bench.argv() == expected
    told = [f"TotalSegmentator {line}".replace("S/", "<scratch>/") for line in expected]
    assert outline.command_lines == told
    for call in calls(bench.program):
        home = str(bench.scratch / "totalsegmentator")
        assert call["environment"]["TOTALSEG_HOME_DIR"] == home
        assert call["environment"]["TOTALSEG_WEIGHTS_PATH"] == f"{home}/nnunet/results"
        assert call["config"]["send_usage_stats"] is False
        assert "license_number" not in call["config"]


def test_command_line_of_totalspineseg(tmp_path):
    bench = Bench(tmp_path, "totalspineseg", "mri", "step2")
    bench.run(device="gpu", threads=2)
    assert bench.argv() == [
        "S/in/sub-image.nii.gz S/out --data-dir S/totalspineseg --device cuda --max-workers 2 "
        "--max-workers-nnunet 2 --keep-only step2_output --quiet"
    ]


def test_command_line_of_spineps(tmp_path):
    bench = Bench(tmp_path, "spineps", "mri", "t2w")
    bench.run()
    models = "-ms S/models/T2w_semantic_v1.0 -mv S/models/instance_sagittal_v1.0"
    assert bench.argv() == [
        f"sample -i S/in/sub-image_T2w.nii.gz {models} -ml S/models/T2w_labeling_v1.0 "
        "-dn outlines -ignore_inference_compatibility -cpu"
    ]
    (call,) = calls(bench.program)
    for name in ("SPINEPS_SEGMENTOR_MODELS", "VIBESEG_WEIGHTS_PATH"):
        assert call["environment"][name] == str(bench.scratch / "models")


def test_command_line_of_spine_segment(tmp_path):
    bench = Bench(tmp_path, "spine_segment", "ct", "body")
    bench.run()
    assert bench.argv() == [
        "S/in/sub-image_ct.nii.gz --output S/out --device cpu --model-bundle S/bundle "
        "--no-model-download"
    ]


# --- in which environment


def test_environment_keeps_little_and_leads_nowhere(tmp_path):
    outside = {
        "PATH": "/usr/bin",
        "HOME": "/home/somebody",
        "PYTHONPATH": "/clone",
        "CUDA_VISIBLE_DEVICES": "1",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "TOTALSEG_HOME_DIR": "/home/somebody/.totalsegmentator",
        "SECRET": "x",
    }
    found = isolated_environment(outside, tmp_path, 5, "cpu")
    assert not {"PYTHONPATH", "SECRET", "TOTALSEG_HOME_DIR"} & set(found)
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert isolated_environment(outside, tmp_path, 5, "gpu")["CUDA_VISIBLE_DEVICES"] == "1"
    assert {found[name] for name in ("OMP_NUM_THREADS", "nnUNet_def_n_proc")} == {"5"}
    assert found["HTTPS_PROXY"] == found["https_proxy"] == "http://127.0.0.1:9"
    assert found["NO_PROXY"] == "" and found["HF_HUB_OFFLINE"] == "1"
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TORCH_HOME"):
        assert Path(found[name]).is_relative_to(tmp_path) and Path(found[name]).is_dir()


def test_a_program_that_tries_the_network_reaches_nothing(tmp_path):
    """With the environment of a job, urllib and requests fail before they reach a server."""
    reached = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            reached.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/weights.zip"
    tries = {
        "urllib": f"import urllib.request; urllib.request.urlopen({url!r}, timeout=5)",
        "requests": f"import requests; requests.get({url!r}, timeout=5)",
    }
    offline = isolated_environment({}, tmp_path, 1, "cpu")
    try:
        for name, code in tries.items():
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, env=offline, capture_output=True, check=False)
            assert done.returncode == 1 and b"refused" in done.stderr, name
            assert reached == []
        # The check itself: without that environment the same code gets through.
        subprocess.run([sys.executable, "-c", tries["urllib"]], env={}, check=True)
        assert reached == ["/weights.zip"]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("name", "modality", "task"), TASKS, ids="-".join)
def test_nothing_is_written_outside_the_scratch_folder(tmp_path, monkeypatch, name, modality, task):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, name, modality, task)
    before = everything(tmp_path)
    bench.run()
    record = bench.program.parent / "calls.jsonl"
    after = {
        path: state
        for path, state in everything(tmp_path).items()
        if not path.is_relative_to(bench.scratch) and path != record
    }
    assert after == before


# --- what comes back


def broken_run(tmp_path, name="totalsegmentator", modality="ct", task="total", **told):
    bench = Bench(tmp_path, name, modality, task, **told)
    with pytest.raises((BackEndError, SubjectDataError)) as caught:
        bench.run()
    return caught.value


def test_an_exit_code_is_a_failure_with_the_end_of_the_output(tmp_path):
    many = "\n".join(f"line {n}" for n in range(100)) + "\nRuntimeError: out of memory"
    error = broken_run(tmp_path, exit=3, print=many)
    assert isinstance(error, BackEndError)
    assert "TotalSegmentator ended with exit code 3" in str(error)
    assert "RuntimeError: out of memory" in str(error)
    assert "line 71" in str(error) and "line 70\n" not in str(error)


def test_a_killed_program_is_a_failure_that_names_the_likely_cause(tmp_path):
    error = broken_run(tmp_path, kill=int(signal.SIGKILL))
    assert isinstance(error, BackEndError)
    assert "signal SIGKILL (most often for want of memory)" in str(error)


def test_a_program_that_cannot_be_started_is_a_failure(tmp_path):
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    bench.program.write_text("#!/nowhere/python\n")
    with pytest.raises(BackEndError, match="cannot be started"):
        bench.run()


def test_a_wrong_argument_would_be_noticed(tmp_path):
    """The stand-ins do refuse what the real programs do not know."""
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    command = [str(bench.program), "-i", "a", "-o", "b", "--no-statistics"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "unrecognized arguments: --no-statistics" in done.stderr


def test_statistics_and_downloads_would_be_noticed(tmp_path):
    """The stand-in does say that it would send and fetch where nobody takes care."""
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.json").write_text(json.dumps({"send_usage_stats": True}))
    command = [str(bench.program), "-i", str(bench.results["total"]), "-o", str(tmp_path / "o")]
    command += ["--ml"]
    subprocess.run(command, env={"TOTALSEG_HOME_DIR": str(home)}, check=True)
    (call,) = calls(bench.program)
    assert call["sent"] is True
    assert len(call["fetched"]) == 6


def test_a_missing_result_is_a_failure_where_the_program_always_makes_one(tmp_path):
    error = broken_run(tmp_path, omit=["total"], print="finished")
    assert isinstance(error, BackEndError)
    assert "made 0 files out/total.nii.gz" in str(error) and "finished" in str(error)


@pytest.mark.parametrize(
    ("name", "task", "result"), [("totalspineseg", "step2", "step2"), ("spineps", "t1w", "vert")]
)
def test_a_missing_result_excludes_where_the_program_says_nothing(tmp_path, name, task, result):
    error = broken_run(tmp_path, name, "mri", task, omit=[result])
    assert isinstance(error, SubjectDataError)
    assert error.code == "outline_no_result" and error.hint


def altered(tmp_path, volume):
    """A run whose result is this volume."""
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    write_volume(bench.results["total"], volume)
    with pytest.raises((BackEndError, SubjectDataError)) as caught:
        bench.run()
    return caught.value


def test_a_result_on_another_grid_is_a_failure(tmp_path):
    labels = two_vertebrae(31, 30)
    shifted = AFFINE.copy()
    shifted[2, 3] += 1
    for number, wrong in enumerate((Volume(labels.data, shifted), labels.like(labels.data[1:]))):
        error = altered(tmp_path / str(number), wrong)
        assert isinstance(error, BackEndError) and "another grid" in str(error)


def test_probabilities_are_no_labels(tmp_path):
    labels = two_vertebrae(31, 30)
    error = altered(tmp_path, labels.like(labels.data * np.float32(0.5)))
    assert isinstance(error, BackEndError) and "fractional" in str(error)


def test_whole_numbers_kept_as_floats_are_labels(tmp_path):
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    labels = two_vertebrae(31, 30)
    write_volume(bench.results["total"], labels.like(labels.data.astype(np.float32)))
    assert set(np.unique(bench.run().labels.data)) == {0, 30, 31}


def test_a_damaged_result_is_a_failure(tmp_path):
    bench = Bench(tmp_path, "totalsegmentator", "ct", "total")
    bench.results["total"].write_bytes(bench.results["total"].read_bytes()[:200])
    with pytest.raises(BackEndError, match="cannot be read"):
        bench.run()


def test_no_vertebra_in_the_image_excludes(tmp_path):
    error = altered(tmp_path, two_vertebrae(5, 6))
    assert isinstance(error, SubjectDataError) and error.code == "outline_no_vertebra"
    empty = altered(tmp_path / "empty", two_vertebrae(0, 0))
    assert isinstance(empty, SubjectDataError) and empty.code == "outline_no_vertebra"


def test_a_level_without_body_and_body_without_level_are_told(tmp_path):
    bench = Bench(tmp_path, "totalsegmentator", "ct", "vertebrae_body")
    bodies = two_vertebrae(1, 0, arch=False)
    bodies.data[4:12, 2:12, :2] = 1
    bodies.data[0] = 2
    write_volume(bench.results["vertebrae_body"], bodies)
    outline = bench.run()
    assert set(np.unique(outline.labels.data)) == {0, 31}
    share = 100 * 160 / (160 + 8 * 8 * 6)
    assert outline.warnings == [
        "no body was found in L2: left out",
        f"{share:.0f} % of the vertebral bodies' volume belongs to no level: left out",
    ]


def test_the_ambiguous_label_of_spine_segment_names_no_level(tmp_path):
    bench = Bench(tmp_path, "spine_segment", "ct", "body")
    write_volume(bench.results["levels"], two_vertebrae(21, 28))
    outline = bench.run()
    assert set(np.unique(outline.labels.data)) == {0, 21}
    assert "28 may be the sacrum or T13" in outline.warnings[0]
    assert len(outline.warnings) == 1


def test_discs_and_endplates_of_spineps_are_no_levels(tmp_path):
    bench = Bench(tmp_path, "spineps", "mri", "vibe")
    instances = two_vertebrae(20, 21)
    instances.data[4:12, 2:12, 9:11] = 120
    spine = two_vertebrae(49, 50, arch=False)
    spine.data[4:12, 4:12, 9:11] = 100
    write_volume(bench.results["vert"], instances)
    write_volume(bench.results["spine"], spine)
    outline = bench.run()
    assert set(np.unique(outline.labels.data)) == {0, 20, 21}
    assert outline.warnings == []


def test_a_gpu_that_was_not_found_is_told(tmp_path):
    text = "No GPU detected. Running on CPU. This can be very slow."
    bench = Bench(tmp_path, "totalsegmentator", "ct", "vertebrae_pp", print=text)
    outline = bench.run(device="gpu")
    assert "--device gpu" in outline.command_lines[0]
    assert outline.warnings == ["no GPU was found: the program ran on the processor"]


# --- which image


def test_the_echo_nearest_to_in_phase_is_outlined():
    # In phase at multiples of 2.30 ms (3 T) and 4.61 ms (1.5 T).
    times = np.array([1.2, 2.2, 3.2, 4.2, 5.2, 6.2]) / 1000
    assert in_phase_echo(times, 3.0) == 1
    assert in_phase_echo(times, 1.5) == 3
    assert in_phase_echo(np.array([0.0001, 0.0034]), 3.0) == 1
    stack = Volume(np.arange(6.0) * np.ones((2, 2, 2, 1)), np.eye(4))
    about = {"EchoTime": list(times), "MagneticFieldStrength": 3.0}
    chosen, words = single_volume(stack, about, gradient_echo=True)
    assert chosen.data.shape == (2, 2, 2) and (chosen.data == 1).all()
    assert words == "echo 2 of 6 at 2.20 ms"
    assert single_volume(stack, about, gradient_echo=False)[1] == "echo 1 of 6 at 1.20 ms"
    assert single_volume(stack, {}, gradient_echo=True)[1] == "echo 1 of 6"


# --- before the run


def configured(study, name, modality, **more):
    content = {"segmentation": {"backends": {modality: {"name": name, "weights": "w", **more}}}}
    return back_end_problems(load_config(content).segmentation.backends, study)


@pytest.mark.parametrize(("name", "modality", "task"), TASKS, ids="-".join)
def test_missing_weights_stop_before_the_run_with_what_to_type(tmp_path, name, modality, task):
    back_end = BACK_ENDS[name]
    (tmp_path / "w").mkdir()
    (problem,) = configured(tmp_path, name, modality, task=task, executable="conda")
    assert f"weights of {back_end.title} are not staged in 'w'" in problem
    assert f"{back_end.needs(modality, task)[0]} is missing" in problem
    assert f"On a machine with network: {back_end.staging(modality, task, 'w')}" in problem
    stage_weights(tmp_path / "w", name, modality, task, back_end.roots[0])
    assert configured(tmp_path, name, modality, task=task, executable="conda") == []


def test_empty_and_ambiguous_weights_are_not_enough(tmp_path):
    back_end = BACK_ENDS["spineps"]
    stage_weights(tmp_path, "spineps", "mri", "vibe")
    (tmp_path / "Vibe_semantic_v2").mkdir()
    (tmp_path / "T2w_labeling_v1.0" / "checkpoint.pth").unlink()
    (tmp_path / "T2w_labeling_v1.0" / "inference_config.json").unlink()
    with pytest.raises(MissingWeightsError) as caught:
        find_weights(back_end, "mri", "vibe", tmp_path)
    text = str(caught.value)
    assert "Vibe_semantic* is there more than once (Vibe_semantic_v1.0, Vibe_semantic_v2)" in text
    assert "T2w_labeling* is empty" in text


def test_weights_are_known_by_their_files_wherever_they_lie(tmp_path):
    back_end, task = BACK_ENDS["totalsegmentator"], "vertebrae_mr"
    here = stage_weights(tmp_path / "a", back_end.name, "mri", task)
    there = stage_weights(tmp_path / "b", back_end.name, "mri", task, "nnunet/results")
    first = find_weights(back_end, "mri", task, here)
    second = find_weights(back_end, "mri", task, there)
    assert fingerprint(first) == fingerprint(second)
    next(iter(second.values())).joinpath("checkpoint.pth").write_bytes(b"other")
    assert fingerprint(first) != fingerprint(second)


def test_a_missing_program_is_a_mistake_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    stage_weights(tmp_path / "w", "spine_segment", "ct", "body")
    (problem,) = configured(tmp_path, "spine_segment", "ct")
    assert "the program 'spine-segment' of spine-segment is not to be found" in problem
    assert "conda env create -f envs/spine_segment.yaml" in problem
    program = install(tmp_path / "env", "spine-segment", "spine-segment", "0.1.5")
    assert configured(tmp_path, "spine_segment", "ct", executable="env/bin/spine-segment") == []
    monkeypatch.setenv("PATH", str(program.parent))
    assert configured(tmp_path, "spine_segment", "ct") == []
    program.chmod(0o644)
    (problem,) = configured(tmp_path, "spine_segment", "ct", executable=str(program))
    assert "is not to be found" in problem


def test_the_version_is_read_from_the_programs_own_environment(tmp_path):
    back_end = BACK_ENDS["spineps"]
    program = install(tmp_path / "env", "spineps", "SPINEPS", "2.1.3")
    assert installed_version(program, "spineps") == "2.1.3"
    link = tmp_path / "spineps"
    link.symlink_to(program)
    assert installed_version(link, back_end.distribution) == "2.1.3"
    assert installed_version(tmp_path / "nowhere" / "bin" / "x", "spineps") is None
    assert find_executable(back_end, "env/bin/spineps", tmp_path) == program
    assert calls(program) == []


# --- the step, and what segment takes from it


def converted_subject(study, items):
    """A subject as `convert` leaves it: a CT and a six-echo MRI."""
    files = SubjectFiles(study / "results" / "subjects" / "sub-01")
    states = [{"item": item, "warnings": [], **state} for item, state in items.items()]
    write_json(files.step_status("convert"), {"step": "convert", "items": states})
    write_volume(files.image("ct"), image(), {"Units": "HU"})
    stack = np.stack([image().data + n for n in range(6)], axis=-1)
    about = {"EchoTime": [0.0012 + 0.001 * n for n in range(6)], "MagneticFieldStrength": 3.0}
    write_volume(files.image("mag"), Volume(stack, AFFINE), about)
    return files


def test_the_step_states_program_version_task_weights_and_commands(tmp_path, monkeypatch):
    study = tmp_path / "study"
    files = converted_subject(study, {"ct": {"status": "ok"}, "mri": {"status": "ok"}})
    prepared = {
        **make_results(tmp_path / "prepared", "totalsegmentator", "vertebrae_body"),
        **make_results(tmp_path / "prepared", "totalsegmentator", "vertebrae_mr"),
    }
    for modality, task in (("ct", "vertebrae_body"), ("mri", "vertebrae_mr")):
        stage_weights(study / "weights", "totalsegmentator", modality, task)
    about = ("TotalSegmentator", "TotalSegmentator", "2.18.0")
    program = install(tmp_path / "env", *about, results=prepared)
    monkeypatch.chdir(study)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    chosen = {"name": "totalsegmentator", "weights": "weights", "task": None, "device": "cpu"}
    chosen["executable"] = str(program)
    settings = json.dumps({"ct": chosen, "mri": {**chosen, "image": "mri"}})
    folder = files.folder("totalsegmentator").relative_to(study)
    back_end = BACK_ENDS["totalsegmentator"]
    outline_subject(back_end, str(folder), settings, 2, str(study / "results" / "logs" / "x.log"))

    status = read_json(study / folder / "status.json")
    assert [(i["item"], i["status"]) for i in status["items"]] == [("ct", "ok"), ("mri", "ok")]
    sidecar = read_json(sidecar_path(files.outline("totalsegmentator", "ct")))
    assert sidecar["Program"] == "TotalSegmentator" and sidecar["Version"] == "2.18.0"
    assert sidecar["Task"] == "vertebrae_body" and sidecar["Scheme"] == "totalsegmentator_v2"
    assert sidecar["Device"] == "cpu" and sidecar["Image"] == "ct: the image"
    assert "Dataset305_vertebrae_discs_1559subj" in sidecar["Weights"]
    assert len(sidecar["WeightsFingerprint"]) == 16
    assert len(sidecar["CommandLines"]) == 2
    assert str(tmp_path) not in json.dumps(sidecar)
    mri = read_json(sidecar_path(files.outline("totalsegmentator", "mri")))
    assert mri["Image"] == "mag: echo 2 of 6 at 2.20 ms"
    # The scratch folders were there, and are gone.
    homes = {call["environment"]["HOME"] for call in calls(program)}
    assert len(homes) == 2 and all(Path(home).is_relative_to(tmp_path) for home in homes)
    assert not list(tmp_path.glob("osteoflow-*"))

    outlined = read_outlines([folder])
    source = source_of({}, "ct", outlined)
    given = source.given
    assert given["scheme"] == "totalsegmentator_v2"
    assert given["program"] == "TotalSegmentator 2.18.0, task vertebrae_body"
    assert read_volume(study / given["path"]).same_grid(image())
    assert source.after == [(folder / "status.json", "ct")]


def test_a_mask_of_the_table_comes_first_and_a_second_rater_is_no_program():
    folder = Path("results/subjects/sub-01/spineps")
    given = {"path": "a.nii.gz", "scheme": "verse"}
    outlined = {"mri": Outlined(folder / "status.json", {"path": "b", "scheme": "spineps"})}
    assert source_of({"mri_mask": given}, "mri", outlined) == Source("mask", given)
    assert source_of({}, "mri", outlined).given["path"] == "b"
    assert source_of({}, "mri_rater2", outlined) is None
    assert source_of({}, "t1w", outlined).given["path"] == "b"
    assert source_of({"mri_mask": given}, "t2", outlined) == Source("mask", given)
    assert source_of({"t2_mask": given}, "t2") == Source("mask", given)
    assert source_of({}, "ct", outlined) is None
    # Points that somebody placed come before a program.
    assert source_of({"mri_seeds": {"path": "s.tsv"}}, "mri", outlined).kind == "seeds"
    assert source_of({"mri_seeds": {"path": "s.tsv"}}, "t2", outlined).kind == "carried"


def test_exclusions_pass_on_and_failures_fail(tmp_path, monkeypatch):
    study = tmp_path / "study"
    converted = {
        "ct": {"status": "excluded", "origin": "convert", "code": "missing_slice"},
        "mri": {"status": "ok"},
    }
    files = converted_subject(study, converted)
    prepared = make_results(tmp_path / "prepared", "totalspineseg", "step2")
    stage_weights(study / "w", "totalspineseg", "mri", "step2", "nnUNet/results")
    about = ("totalspineseg", "totalspineseg", "20260429")
    program = install(tmp_path / "env", *about, results=prepared, omit=["step2"])
    monkeypatch.chdir(study)
    chosen = {"weights": "w", "task": None, "device": "cpu", "executable": str(program)}
    settings = {"ct": chosen, "mri": {**chosen, "image": "mri"}}
    folder = str(files.folder("totalspineseg").relative_to(study))
    back_end, log = BACK_ENDS["totalspineseg"], str(tmp_path / "log")
    outline_subject(back_end, folder, json.dumps(settings), 1, log)
    status = read_json(Path(folder) / "status.json")
    ct, mri = status["items"]
    assert (ct["status"], ct["origin"]) == ("excluded", "convert")
    assert (mri["status"], mri["code"]) == ("excluded", "outline_no_result")
    assert read_outlines([folder])["mri"].given == {}
    assert len(calls(program)) == 1

    lacking = {"mri": {**chosen, "image": "t1w"}}
    outline_subject(back_end, folder, json.dumps(lacking), 1, log)
    assert read_json(Path(folder) / "status.json")["items"][0]["status"] == "absent"
    assert read_outlines([folder]) == {}

    install(tmp_path / "env", *about, results=prepared, exit=1)
    with pytest.raises(BackEndError):
        outline_subject(back_end, folder, json.dumps({"mri": settings["mri"]}), 1, log)


def test_a_step_needs_no_more_than_its_environment_has():
    """With --sdm conda it runs in the program's environment: numpy and nibabel, no scipy."""
    code = (
        "import sys\n"
        "class Lacking:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('scipy', 'pandas', 'pydantic', 'yaml', 'pydicom'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Lacking())\n"
        "import osteoflow.outlines\n"
        "from osteoflow.segmentation.backends import registry\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_state_holds_what_a_result_depends_on(tmp_path):
    stage_weights(tmp_path / "w", "totalspineseg", "mri", "step2", "nnUNet/results")
    install(tmp_path / "env", "totalspineseg", "totalspineseg", "20260429")
    chosen = {"name": "totalspineseg", "weights": "w", "executable": "env/bin/totalspineseg"}
    state = []
    for executable in (chosen["executable"], "conda"):
        content = {"mri": {**chosen, "executable": executable}}
        settings = load_config({"segmentation": {"backends": content}}).segmentation.backends
        state.append(outline_state(BACK_ENDS["totalspineseg"], "mri", settings.mri, tmp_path))
    assert state[0]["version"] == "20260429" and len(state[0]["weights"]) == 16
    assert state[1] == {"weights": state[0]["weights"]}


def test_a_shard_finds_weights_and_program_of_the_study(tmp_path):
    ct = {"name": "spine_segment", "weights": "w", "executable": "env/bin/spine-segment"}
    mri = {"name": "totalspineseg", "weights": "/data/w"}
    config = load_config({"segmentation": {"backends": {"ct": ct, "mri": mri}}})
    found = yaml.safe_load(_shard_config(tmp_path, config))["segmentation"]["backends"]
    assert found["ct"]["weights"] == str(tmp_path / "w")
    assert found["ct"]["executable"] == str(tmp_path / "env" / "bin" / "spine-segment")
    assert found["mri"]["weights"] == "/data/w"
    assert found["mri"]["executable"] is None
    assert load_config({"segmentation": {"backends": found}})


# --- in words


def test_the_methods_text_names_programs():
    ct, mri = {"name": "totalsegmentator", "task": None}, {"name": "spineps", "task": "t1w"}
    text = _outlined_text({"ct": ct, "mri": mri})
    assert "CT by TotalSegmentator (task vertebrae_body)" in text
    assert "MRI by SPINEPS (task t1w)" in text
    assert _outlined_text({"ct": None, "mri": None}) == ""


def test_the_guide_lists_every_task_that_may_be_chosen():
    text = (ROOT / "docs" / "how-to" / "segmentation-back-ends.md").read_text(encoding="utf-8")
    for _, _, task in TASKS:
        assert f"`{task}`" in text, task
    for name, version in VERSIONS.items():
        environment = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
        assert f"'{BACK_ENDS[name].distribution}=={version}'" in environment
        assert version in text
