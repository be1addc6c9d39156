"""Stand-ins for segmentation programs: they take the programs' arguments and record the call.

Each accepts only arguments that the real program has (others end it with code 2), looks for
settings and weights where the real one does, and "sends" or "fetches" (which is recorded, not
done) where the real one would. The label maps that it makes are copies of files that the test
prepared. This text is written into an executable file; it needs the standard library alone.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOTALSEGMENTATOR_WEIGHTS = {
    "total": [
        "Dataset291_TotalSegmentator_part1_organs_1559subj",
        "Dataset292_TotalSegmentator_part2_vertebrae_1532subj",
        "Dataset293_TotalSegmentator_part3_cardiac_1559subj",
        "Dataset294_TotalSegmentator_part4_muscles_1559subj",
        "Dataset295_TotalSegmentator_part5_ribs_1559subj",
        "Dataset298_TotalSegmentator_total_6mm_1559subj",
    ],
    "vertebrae_body": ["Dataset305_vertebrae_discs_1559subj"],
    "vertebrae_pp": ["Dataset803_TotalSegmentator_vertebrae_inner_1559subj"],
    "vertebrae_pp_refined": [
        "Dataset803_TotalSegmentator_vertebrae_inner_1559subj",
        "Dataset305_vertebrae_discs_1559subj",
    ],
    "vertebrae_mr": ["Dataset756_mri_vertebrae_1076subj"],
}


class Program:
    """What every stand-in does: record, behave as told, answer."""

    def __init__(self):
        self.told = json.loads((HERE / "told.json").read_text())
        self.call = {
            "argv": sys.argv[1:],
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "fetched": [],
            "sent": False,
        }

    def need(self, path):
        if not Path(path).exists():
            self.call["fetched"].append(str(path))

    def answer(self, name, path):
        if name not in self.told.get("omit", []):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.told["results"][name], path)

    def end(self):
        with (HERE / "calls.jsonl").open("a") as handle:
            handle.write(json.dumps(self.call) + "\n")
        print(self.told.get("print", "done"))
        if self.told.get("kill"):
            os.kill(os.getpid(), self.told["kill"])
        sys.exit(self.told.get("exit", 0))


def stem(path):
    return Path(path).name.removesuffix(".nii.gz")


def totalsegmentator(program):
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", dest="input", required=True)
    parser.add_argument("-o", dest="output", required=True)
    parser.add_argument("-ml", "--ml", action="store_true")
    parser.add_argument("-ta", "--task", choices=list(TOTALSEGMENTATOR_WEIGHTS), default="total")
    parser.add_argument("-rs", "--roi_subset", nargs="+")
    parser.add_argument("-nr", "--nr_thr_resamp", type=int, default=1)
    parser.add_argument("-ns", "--nr_thr_saving", type=int, default=6)
    parser.add_argument("-d", "--device", choices=["cpu", "gpu"], default="gpu")
    given = parser.parse_args()
    assert given.ml and Path(given.input).is_file()
    assert given.roi_subset is None or given.task == "total"
    home = Path(os.environ.get("TOTALSEG_HOME_DIR", Path.home() / ".totalsegmentator"))
    settings = home / "config.json"
    program.call["config"] = json.loads(settings.read_text()) if settings.exists() else None
    program.call["sent"] = (
        program.call["config"] is None or program.call["config"]["send_usage_stats"]
    )
    weights = Path(os.environ.get("TOTALSEG_WEIGHTS_PATH", home / "nnunet" / "results"))
    weights.mkdir(parents=True, exist_ok=True)
    for name in TOTALSEGMENTATOR_WEIGHTS[given.task]:
        program.need(weights / name)
    # The real one counts its runs here.
    counted = {**program.call["config"], "prediction_counter": 1}
    settings.write_text(json.dumps(counted))
    program.answer(given.task, Path(given.output))


def totalspineseg(program):
    parser = argparse.ArgumentParser()
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data-dir", "-d", type=Path)
    parser.add_argument("--device", choices=["cuda", "cpu"])
    parser.add_argument("--max-workers", "-w", type=int)
    parser.add_argument("--max-workers-nnunet", type=int)
    parser.add_argument("--keep-only", "-k", nargs="+", default=[""])
    parser.add_argument("--quiet", "-q", action="store_true")
    given = parser.parse_args()
    results = given.data_dir / "nnUNet" / "results"
    (given.data_dir / "nnUNet" / "exports").mkdir(parents=True, exist_ok=True)
    for name in ("Dataset101_TotalSpineSeg_step1", "Dataset102_TotalSpineSeg_step2"):
        program.need(results / name)
    program.answer("step2", given.output / "step2_output" / given.input.name)


def spineps(program):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="cmd", required=True)
    sample = commands.add_parser("sample")
    sample.add_argument("-input", "-i", required=True)
    sample.add_argument("-model_semantic", "-ms", required=True)
    sample.add_argument("-model_instance", "-mv", default="instance")
    sample.add_argument("-model_labeling", "-ml", default="t2w_labeling")
    sample.add_argument("-der_name", "-dn", default="derivatives_seg")
    sample.add_argument("-ignore_inference_compatibility", "-iic", action="store_true")
    sample.add_argument("-cpu", action="store_true")
    given = parser.parse_args()
    for model in (given.model_semantic, given.model_instance, given.model_labeling):
        # A name instead of a folder is looked up, and fetched in the newest version.
        program.need(Path(model) / "inference_config.json" if "/" in model else model)
    image = Path(given.input)
    subject, _, kind = stem(image).rpartition("_")
    for part in ("vert", "spine"):
        made = image.parent / given.der_name
        program.answer(part, made / f"{subject}_mod-{kind}_seg-{part}_msk.nii.gz")
        raw = f"{subject}_mod-{kind}_seg-{part}-raw_msk.nii.gz"
        program.answer(part, made / f"output_raw_{kind}" / raw)


def spine_segment(program):
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--output", required=True)
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    parser.add_argument("--model-bundle", default="")
    parser.add_argument("--no-model-download", action="store_true")
    given = parser.parse_args()
    for name in (
        "spine-locator",
        "vertebra-locator",
        "vertebra-segmenter",
        "process-body-segmenter",
    ):
        program.need(Path(given.model_bundle) / "weights" / f"{name}.pt")
    (image,) = given.inputs
    for name, end in (("levels", "vertebral-level"), ("bodies", "process-body")):
        program.answer(name, Path(given.output) / f"{stem(image)}_{end}.nii.gz")


PROGRAMS = {
    "TotalSegmentator": totalsegmentator,
    "totalspineseg": totalspineseg,
    "spineps": spineps,
    "spine-segment": spine_segment,
}


def install(prefix, name, distribution, version, **told):
    """Put a stand-in into an environment folder, as pip does; its path.

    ``told``: ``results`` (name of a result -> label map), ``omit``, ``exit``, ``kill``, ``print``.
    """
    program = prefix / "bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!{sys.executable}\n" + Path(__file__).read_text(encoding="utf-8"))
    program.chmod(0o755)
    (program.parent / "told.json").write_text(json.dumps(told, default=str))
    about = prefix / "lib" / "python3.12" / "site-packages" / f"{distribution}-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    (about / "METADATA").write_text(text)
    return program


def calls(program):
    """What an installed stand-in recorded, one entry a call."""
    record = program.parent / "calls.jsonl"
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


if __name__ == "__main__":
    running = Program()
    PROGRAMS[Path(__file__).name](running)
    running.end()
