"""Fine-tunes one pre-trained model on the Korean benchmarks and writes one report.

  python3 run_benchmark.py --model_type=electra --model_dir=models \
      --tasks=NSMC,HATE --seeds=1,2,3 --output_dir=runs/benchmark

Each task and seed is a run of run_classifier.py in <output_dir>/<task>/seed_<n>/, with
the task's defaults and what --task_settings changes. The report (report.md,
report.html, pictures/) is there from the first result on. The same command again goes
on where it stopped: finished runs are not run again, an interrupted one resumes.

--task_settings is a JSON file, or JSON itself: task -> flags of run_classifier.py, "*"
for every task. "note" says what is special about the data; such tasks are marked as not
comparable with published figures, and so are those whose files have the published names
and other content.

  {"*": {"compute_type": "bfloat16"},
   "KorQuAD": {"num_train_epochs": 2, "data_dir": "my/part", "note": "is a tenth."}}
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from absl import flags, logging

from albert_ko.finetuning import FAMILY as ALBERT
from bert_ko.finetuning import FAMILY as BERT
from data import plots, tasks
from data.errors import InputError
from data.files import new_file
from data.json_files import read_json_object
from electra_ko.finetuning import FAMILY as ELECTRA
from encoder_ko import benchmark_page, benchmark_report, benchmark_runs, command_line
from encoder_ko.benchmark_report import Benchmark, Picture, TaskResult
from encoder_ko.benchmark_runs import PlannedTask, RunRecord

FLAGS = flags.FlagValues()

_string, _integer, _boolean, _enum, _list = command_line.definers(
    FLAGS, "string", "integer", "boolean", "enum", "list"
)

FAMILIES = {family.name: family for family in (BERT, ALBERT, ELECTRA)}

_list("tasks", list(tasks.task_names()), "Benchmarks, or JSON files of your tasks.")
_list(
    "seeds",
    ["12345"],
    "A run of every task for each of these seeds. The first one also draws the dev set "
    "where there is no dev file, for all of them.",
)
_string("output_dir", None, "Folder of the report and of the runs.")
_string("task_settings", None, "JSON of flags for each task; see above.")
_string("data_root", "", "Folder of the tasks' data folders; default datasets/.")
_string("title", None, "Title of the report.")
_enum("model_type", "bert", sorted(FAMILIES), "Kind of encoder.")
_string("model_dir", "models", "The pre-trained model.")
for _name in FAMILIES:
    _string(f"{_name}_config_file", None, "Its configuration; alone: from scratch.")
_string("vocab_file", None, "Its vocabulary.")
_string("init_checkpoint", None, "Its checkpoint.")
_boolean("run", True, "False: run nothing, write the report of what is there.")

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_classifier.py")
_MODEL_FLAGS = (
    "model_type",
    "model_dir",
    "init_checkpoint",
    *(f"{name}_config_file" for name in FAMILIES),
    "vocab_file",
)


class Run(NamedTuple):
    """One task and seed: where it goes, and its flags."""

    planned: PlannedTask
    seed: int
    folder: str
    arguments: List[str]

    @property
    def name(self) -> str:
        return f"{self.planned.task.name}, seed {self.seed}"

    @property
    def command(self) -> List[str]:
        """The arguments of the Python interpreter, for the report."""
        return ["run_classifier.py", *self.arguments, f"--output_dir={self.folder}"]

    @property
    def is_finished(self) -> bool:
        if not FLAGS.run:
            return benchmark_runs.has_results(self.planned, self.folder)
        return benchmark_runs.is_finished(self.planned, self.folder, self.arguments)


def main():
    if not FLAGS.output_dir:
        raise InputError("--output_dir is missing.")
    seeds = _seeds()
    settings = _task_settings()
    runs = []
    for name in FLAGS.tasks:
        planned = benchmark_runs.plan_task(name, settings, FLAGS.data_root, seeds[0])
        logging.info(
            "%s: %s, baseline %s",
            planned.task.name,
            ", ".join(f"{size:,} {split}" for split, size in planned.sizes.items()),
            planned.baseline.rule,
        )
        runs += [_plan_run(planned, seed) for seed in seeds]
    problems = _run_all(runs) if FLAGS.run else {}
    _write_report(runs, problems)
    if problems:
        raise InputError(
            f"{len(problems)} of {len(runs)} runs failed ({'; '.join(problems)}), see "
            "above. Mend what is wrong and give the same command again: what is "
            "finished stays."
        )


# --- What to run ------------------------------------------------------------------


def _seeds() -> List[int]:
    try:
        seeds = [int(seed) for seed in FLAGS.seeds]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(
            f"--seeds={','.join(FLAGS.seeds)}, expected different whole numbers with "
            "commas between them, such as 1,2,3."
        )
    return seeds


def _task_settings() -> Dict[str, Dict[str, Any]]:
    source = FLAGS.task_settings
    if not FLAGS.tasks:
        raise InputError("--tasks is empty: name at least one task.")
    if not source:
        return {}
    settings = _parsed(source)
    settings = {name: v for name, v in settings.items() if not name.startswith("_")}
    names = [tasks.get_task(name).name for name in FLAGS.tasks]
    benchmark_runs.check_settings(settings, names, "--task_settings")
    return settings


def _parsed(source: str) -> Dict[str, Any]:
    if not source.lstrip().startswith("{"):
        return read_json_object(source)
    try:
        return json.loads(source)
    except ValueError as error:
        raise InputError(f"--task_settings is not valid JSON: {error}.") from None


def _plan_run(planned: PlannedTask, seed: int) -> Run:
    model = {name: FLAGS[name].value for name in _MODEL_FLAGS}
    if FLAGS["model_dir"].using_default_value and _is_all_named():
        del model["model_dir"]
    arguments = benchmark_runs.as_arguments(
        benchmark_runs.run_flags(planned, model, seed)
    )
    folder = os.path.join(
        FLAGS.output_dir, planned.task.name.lower(), f"seed_{seed}"
    ).replace(os.sep, "/")
    return Run(planned, seed, folder, arguments)


def _is_all_named() -> bool:
    """Whether configuration and vocabulary are named, so that no folder is read."""
    return bool(FLAGS[f"{FLAGS.model_type}_config_file"].value and FLAGS.vocab_file)


# --- Running ----------------------------------------------------------------------


def _run_all(runs: Sequence[Run]) -> Dict[str, str]:
    """Runs what is not finished; returns what failed: run -> what happened."""
    problems = {}
    for number, run in enumerate(runs, 1):
        place = f"[{number}/{len(runs)}] {run.name}"
        if run.is_finished:
            logging.info("%s: finished already", place)
            continue
        logging.info("%s%s", place, _time_left(runs[number - 1 :], runs))
        status, seconds = _run_one(run)
        if status:
            problems[run.name] = f"run_classifier.py ended with status {status}"
            logging.error("%s failed; going on with the others.", place)
            continue
        found = benchmark_runs.read_run(run.planned, run.folder, run.seed)
        metric = run.planned.task.metric
        logging.info(
            "%s: %s %s %.4f (baseline %.4f) in %.1f minutes",
            place,
            run.planned.split,
            benchmark_report.LABELS[metric],
            found.figures[metric],
            run.planned.baseline.figures[metric],
            seconds / 60,
        )
        _write_report(runs, problems)
    return problems


def _run_one(run: Run) -> Tuple[int, float]:
    """Status of the process, and wall time with that of earlier attempts."""
    earlier = benchmark_runs.read_record(run.folder)
    is_same = earlier is not None and list(earlier.arguments) == run.arguments
    before = earlier.seconds if is_same else 0.0
    logging.info("$ python3 %s", _shell(run.command))
    started = time.time()
    status = 1
    try:
        status = subprocess.call([sys.executable, SCRIPT, *run.command[1:]])
    finally:
        seconds = before + time.time() - started
        # A run that was refused leaves the record of the one that is there.
        if status == 0 or is_same or (earlier is None and os.path.isdir(run.folder)):
            record = RunRecord(run.arguments, round(seconds, 1), status == 0)
            benchmark_runs.write_record(run.folder, record)
    return status, seconds


def _time_left(remaining: Sequence[Run], runs: Sequence[Run]) -> str:
    """ "; about 12 minutes left", by what the finished runs took for their work."""
    seconds = work = 0.0
    for run in runs:
        if run.is_finished:
            seconds += benchmark_runs.read_record(run.folder).seconds
            work += run.planned.work
    if not work:
        return ""
    left = sum(run.planned.work for run in remaining if not run.is_finished)
    return f"; about {seconds / work * left / 60:.0f} minutes left for all"


def _shell(command: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, command))


# --- The report -------------------------------------------------------------------


def _write_report(runs: Sequence[Run], problems: Dict[str, str]) -> None:
    """report.md, report.html and pictures/ of the runs that are finished."""
    planned = list(dict.fromkeys(run.planned.task.name for run in runs))
    results = [
        _task_result([run for run in runs if run.planned.task.name == name], problems)
        for name in planned
    ]
    finished = [run for run in runs if run.is_finished]
    benchmark = Benchmark(_title(), _facts(finished), results)

    def read_picture(path):
        with open(os.path.join(FLAGS.output_dir, path), "rb") as stream:
            return stream.read()

    for name, text in (
        ("report.md", benchmark_report.markdown(benchmark)),
        ("report.html", benchmark_page.page(benchmark, read_picture)),
    ):
        path = os.path.join(FLAGS.output_dir, name)
        os.makedirs(FLAGS.output_dir, exist_ok=True)
        with new_file(path, overwrite=True) as stream:
            stream.write(text.encode("utf-8"))
    logging.info(
        "%d of %d runs in %s",
        len(finished),
        len(runs),
        os.path.join(FLAGS.output_dir, "report.html"),
    )


def _title() -> str:
    if FLAGS.title:
        return FLAGS.title
    folder = FLAGS.init_checkpoint or FLAGS.model_dir
    if _is_all_named() and not FLAGS.init_checkpoint:
        return f"Korean benchmarks: {FLAGS.model_type} from scratch"
    return f"Korean benchmarks: {os.path.basename(os.path.normpath(folder))}"


def _task_result(runs: Sequence[Run], problems: Dict[str, str]) -> TaskResult:
    planned = runs[0].planned
    finished = [run for run in runs if run.is_finished]
    failed = [f"{name}: {problems[name]}" for name in problems if name in _names(runs)]
    return TaskResult(
        planned.task,
        planned.split,
        planned.sizes,
        planned.note,
        planned.baseline,
        [benchmark_runs.read_run(planned, run.folder, run.seed) for run in finished],
        "; ".join(failed),
        benchmark_report.shell_command(["python3", *runs[0].command]),
        _pictures(finished),
    )


def _names(runs: Sequence[Run]) -> List[str]:
    return [run.name for run in runs]


def _pictures(finished: Sequence[Run]) -> List[Picture]:
    """Curves of all runs; the first one's picture of its predictions."""
    if not finished:
        return []
    planned = finished[0].planned
    folder = os.path.join(FLAGS.output_dir, "pictures")
    os.makedirs(folder, exist_ok=True)
    name = planned.task.name.lower()
    _draw_curves(finished, os.path.join(folder, f"{name}_curves.png"))
    pictures = [Picture("Course of the runs", f"pictures/{name}_curves.png")]
    suffix = "_test" if planned.split == "test" else ""
    for kind, what in (
        ("confusion_matrix", "How each class was predicted"),
        ("scores", "Predicted and true scores"),
    ):
        source = os.path.join(finished[0].folder, f"{kind}{suffix}.png")
        if os.path.exists(source):
            target = f"pictures/{name}_{kind}.png"
            shutil.copyfile(source, os.path.join(FLAGS.output_dir, target))
            caption = f"{what}: {planned.split}, seed {finished[0].seed}"
            pictures.append(Picture(caption, target))
    return pictures


def _draw_curves(finished: Sequence[Run], path: str) -> None:
    metric, losses = [], []
    for run in finished:
        of_seed = f", seed {run.seed}" if len(finished) > 1 else ""
        size = 1
        if FAMILIES[FLAGS.model_type].sums_losses:
            facts = benchmark_runs.read_facts(run.folder)
            size = facts["flags"]["train_batch_size"]
        found = benchmark_runs.read_curves(run.planned, run.folder, size)
        for panel, name, points, marked in (
            (metric, f"dev{of_seed}", found.metric, True),
            (losses, f"dev{of_seed}", found.dev_loss, True),
            (losses, f"train{of_seed}", found.training_loss, False),
        ):
            if points:
                panel.append(plots.Curve(name, *zip(*points), marked))
    planned = finished[0].planned
    panels = {benchmark_runs.curve_label(planned): metric, "loss": losses}
    plots.write_curves_png(path, panels, "Evaluations and training")


def _facts(finished: Sequence[Run]) -> List[Any]:
    """What the report says of model, settings and machine."""
    facts = [("Report of", time.strftime("%Y-%m-%d"))]
    if not finished:
        return facts
    found = benchmark_runs.read_facts(finished[0].folder)
    config, versions = found["model_config"], found["versions"]
    size = (
        f"{FLAGS.model_type}, {config['num_hidden_layers']} layers, hidden "
        f"{config['hidden_size']}, vocabulary {config['vocab_size']:,}"
    )
    start = found["init_checkpoint"] or "nothing: trained from scratch"
    minutes = sum(
        benchmark_runs.read_record(run.folder).seconds / 60 for run in finished
    )
    return facts + [
        ("Model", size),
        ("Started from", start),
        ("Seeds", ", ".join(FLAGS.seeds)),
        (
            "Software",
            f"TensorFlow {versions['tensorflow']}, Python {versions['python']}",
        ),
        ("Machine", f"{versions['platform']}, {os.cpu_count()} processors"),
        ("Time", f"{minutes:.0f} minutes for {len(finished)} runs"),
    ]


if __name__ == "__main__":
    command_line.run(main, FLAGS)
