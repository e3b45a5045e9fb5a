"""Fine-tunes one pre-trained model on the Korean benchmarks and writes one report.

  python3 run_benchmark.py --model_type=electra --model_dir=models \\
      --tasks=NSMC,HATE --seeds=1,2,3 --output_dir=runs/benchmark

Each task and seed is a run of run_classifier.py in <output_dir>/<task>/seed_<n>/, with
the task's defaults and what --task_settings changes. The report (report.md,
report.html, pictures/) is there from the first result on. The same command again goes
on where it stopped: finished runs are not run again, an interrupted one resumes.

--task_settings is a JSON file, or JSON itself: task -> flags of run_classifier.py, "*"
for every task. "note" says what is special about the data; such tasks are marked as not
comparable with published metrics, and so are those whose files are not the published
ones.

  {"*": {"compute_type": "bfloat16"},
   "KorQuAD": {"num_train_epochs": 2, "data_dir": "my/part", "note": "is a tenth."}}
"""

import os
import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from absl import flags, logging

from data import tasks
from data.io import files
from data.io.cli import require, require_local
from data.io.errors import InputError
from encoder_ko import cli
from encoder_ko.benchmark import folder as benchmark_folder
from encoder_ko.benchmark import page, pictures, plan, report
from encoder_ko.benchmark import runs as benchmark_runs
from encoder_ko.benchmark.plan import PlannedTask
from encoder_ko.benchmark.report import Benchmark, SeedRun, TaskResult
from encoder_ko.benchmark.runs import RunRecord
from encoder_ko.report import origin
from encoder_ko.report import page as html_page
from korean_encoders import launch
from korean_encoders.commands import finetune
from korean_encoders.model_types import FAMILIES

FLAGS = flags.FlagValues()

_string, _integer, _boolean, _enum, _list = cli.definers(
    FLAGS, "string", "integer", "boolean", "enum", "list"
)

_list(
    "tasks",
    list(tasks.ungrouped_names()),
    "Benchmarks, or JSON files of your tasks; klue for all of KLUE.",
)
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
    def changed_files(self) -> List[str]:
        """Data files that are not those of the results in the folder."""
        return benchmark_runs.changed_files(self.planned, self.folder)

    @property
    def has_results(self) -> bool:
        """Whether the folder has some, whatever the flags and data were."""
        return benchmark_runs.has_results(self.planned, self.folder)

    @property
    def changed_flags(self) -> List[str]:
        """Flags that are not those of the run in the folder."""
        return benchmark_runs.changed_flags(self.planned, self.folder, self.arguments)

    @property
    def is_finished(self) -> bool:
        if not FLAGS.run:
            return self.has_results and not self.changed_files
        return benchmark_runs.is_finished(self.planned, self.folder, self.arguments)


def main():
    require_local(FLAGS, "the benchmark")
    require(FLAGS, "output_dir")
    seeds = plan.parse_seeds(FLAGS.seeds)
    names = tasks.expand_groups(FLAGS.tasks)
    settings = plan.read_settings(
        FLAGS.task_settings, plan.task_names(names), list(finetune.FLAGS)
    )
    runs = []
    for name in names:
        planned = plan.plan_task(name, settings, FLAGS.data_root, seeds[0])
        logging.info(
            "%s: %s, baseline %s",
            planned.task.name,
            ", ".join(f"{size:,} {split}" for split, size in planned.sizes.items()),
            planned.baseline.rule,
        )
        runs += [_plan_run(planned, seed) for seed in seeds]
    if not FLAGS.run:
        _require_some_run(runs)
    benchmark_folder.claim(FLAGS.output_dir)
    problems = {run.name: _other_data(run) for run in runs if run.changed_files}
    if FLAGS.run:
        _run_all(runs, problems)
    _write_report(runs, problems)
    if problems:
        listed = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        raise InputError(
            f"{len(problems)} of {len(runs)} runs have no result ({listed}), see "
            "above. Fix what is wrong and give the same command again: what is "
            "finished stays."
        )


def _require_some_run(runs: Sequence[Run]) -> None:
    if not any(run.has_results for run in runs):
        raise InputError(
            f"--run=false: {FLAGS.output_dir} has no results of these tasks and seeds "
            f"to report, such as in {runs[0].folder}. Leave --run=false out to run "
            "them, or name the --output_dir of an earlier benchmark."
        )


# --- What to run ------------------------------------------------------------------


def _plan_run(planned: PlannedTask, seed: int) -> Run:
    model = {name: FLAGS[name].value for name in _MODEL_FLAGS}
    if FLAGS["model_dir"].using_default_value and _is_all_named():
        del model["model_dir"]
    arguments = plan.as_arguments(plan.run_flags(planned, model, seed))
    folder = os.path.join(
        FLAGS.output_dir, planned.task.name.lower(), f"seed_{seed}"
    ).replace(os.sep, "/")
    return Run(planned, seed, folder, arguments)


def _is_all_named() -> bool:
    """Whether configuration and vocabulary are named, so that no folder is read."""
    return bool(FLAGS[f"{FLAGS.model_type}_config_file"].value and FLAGS.vocab_file)


# --- Running ----------------------------------------------------------------------


def _other_data(run: Run) -> str:
    return (
        f"{run.folder} holds results of other data ({', '.join(run.changed_files)} "
        "changed since): put the data back, delete that folder, or choose another "
        "--output_dir"
    )


def _run_all(runs: Sequence[Run], problems: Dict[str, str]) -> None:
    """Runs what is not finished, and adds what failed: run -> what happened."""
    for number, run in enumerate(runs, 1):
        place = f"[{number}/{len(runs)}] {run.name}"
        if run.name in problems:
            logging.error("%s: %s", place, problems[run.name])
            continue
        if run.is_finished:
            logging.info("%s: finished already", place)
            continue
        logging.info("%s%s", place, _time_left(runs[number - 1 :], runs))
        status, seconds = _run_one(run)
        if status:
            problems[run.name] = _failure(run, status)
            logging.error("%s failed; going on with the others.", place)
            continue
        found = benchmark_runs.read_run(run.planned, run.folder, run.seed)
        metric = run.planned.task.metric
        logging.info(
            "%s: %s %s %.4f (baseline %.4f) in %.1f minutes",
            place,
            run.planned.split,
            report.LABELS[metric],
            found.metrics[metric],
            run.planned.baseline.metrics[metric],
            seconds / 60,
        )
        _write_report(runs, problems)


def _failure(run: Run, status: int) -> str:
    """What happened, and what to do where the folder is of a run that is kept."""
    failure = f"run_classifier.py ended with status {status}"
    other = ", ".join(f"--{name}" for name in run.changed_flags)
    other = f"flags ({other})" if other else ""
    if benchmark_runs.has_other_weights(run.folder, run.arguments):
        other = "weights"
    if not other:
        return failure
    return (
        f"{failure}: {run.folder} holds a run with other {other}; give another "
        "--output_dir, or delete that folder: there is no --overwrite here"
    )


def _run_one(run: Run) -> Tuple[int, float]:
    """Status of the process, and wall time with that of earlier attempts."""
    earlier = benchmark_runs.read_record(run.folder)
    is_same = earlier is not None and list(earlier.arguments) == run.arguments
    before = earlier.seconds if earlier is not None and is_same else 0.0
    logging.info("$ %s", launch.shell_command("finetune", run.command[1:]))
    started = time.time()
    status = 1
    try:
        status = launch.call("finetune", run.command[1:])
    finally:
        seconds = before + time.time() - started
        # A run that was refused leaves the record of the one that is there.
        if status == 0 or is_same or (earlier is None and files.is_folder(run.folder)):
            record = RunRecord(
                run.arguments, round(seconds, 1), status == 0, run.planned.digests
            )
            benchmark_runs.write_record(run.folder, record)
    return status, seconds


def _time_left(remaining: Sequence[Run], runs: Sequence[Run]) -> str:
    """ "; about 12 minutes left", by what the finished runs took for their work."""
    seconds = work = 0.0
    for run in runs:
        record = benchmark_runs.read_record(run.folder)
        if run.is_finished and record is not None:
            seconds += record.seconds
            work += run.planned.work
    if not work:
        return ""
    left = sum(run.planned.work for run in remaining if not run.is_finished)
    return f"; about {seconds / work * left / 60:.0f} minutes left for all"


# --- The report -------------------------------------------------------------------


def _write_report(runs: Sequence[Run], problems: Dict[str, str]) -> None:
    """report.md, report.html and pictures/ of the runs that are finished.

    Results of other flags that are there, and refused to these, stay in the report.
    """
    if FLAGS.run and any(run.has_results and run.changed_flags for run in runs):
        logging.warning("The report stays as it was, with results of other flags.")
        return
    planned = list(dict.fromkeys(run.planned.task.name for run in runs))
    results = [
        _task_result([run for run in runs if run.planned.task.name == name], problems)
        for name in planned
    ]
    finished = [run for run in runs if run.is_finished]
    title = _title(finished[0] if finished else runs[0])
    benchmark = Benchmark(title, _facts(finished), results)

    def read_picture(path):
        return files.read_bytes(os.path.join(FLAGS.output_dir, path))

    for name, text in (
        ("report.md", report.markdown(benchmark)),
        ("report.html", page.page(benchmark, read_picture)),
    ):
        files.write_text(os.path.join(FLAGS.output_dir, name), text)
    logging.info(
        "%d of %d runs in %s",
        len(finished),
        len(runs),
        os.path.join(FLAGS.output_dir, "report.html"),
    )


def _title(run: Run) -> str:
    """By what a run started from."""
    if FLAGS.title:
        return FLAGS.title
    record = benchmark_runs.read_record(run.folder) if run.is_finished else None
    used = benchmark_runs.flags_of(record.arguments if record else run.arguments)
    start = used.get("init_checkpoint") or used.get("model_dir")
    if not start:
        return f"Korean benchmarks: {FLAGS.model_type} from scratch"
    return f"Korean benchmarks: {os.path.basename(files.absolute(start))}"


def _task_result(runs: Sequence[Run], problems: Dict[str, str]) -> TaskResult:
    planned = runs[0].planned
    finished = [run for run in runs if run.is_finished]
    names = {run.name for run in runs}
    messages = [f"{name}: {what}" for name, what in problems.items() if name in names]
    folders = {run.seed: run.folder for run in finished}
    messages += benchmark_runs.unlike_the_first(planned, folders)
    reduction = FAMILIES[FLAGS.model_type].loss_reduction
    panels = pictures.curve_panels(planned, folders, reduction)
    return TaskResult(
        planned.task,
        planned.split,
        planned.sizes,
        planned.note,
        planned.baseline,
        [_seed_run(run) for run in finished],
        "; ".join(messages),
        _command(finished[0] if finished else runs[0]),
        pictures.write_pictures(planned, folders, FLAGS.output_dir, panels),
        panels,
    )


def _seed_run(run: Run) -> SeedRun:
    """The run's metrics, and where its page is."""
    found = benchmark_runs.read_run(run.planned, run.folder, run.seed)
    path = os.path.join(run.folder, html_page.FILE_NAME)
    if not files.exists(path):
        return found
    beside = [run.planned.task.name.lower(), f"seed_{run.seed}", html_page.FILE_NAME]
    return found._replace(page="/".join(beside))


def _command(run: Run) -> str:
    """The command that made the results, or would make them."""
    record = benchmark_runs.read_record(run.folder)
    if not run.is_finished:
        return origin.shell_command(["python3", *run.command])
    if record is None:
        path = benchmark_runs.results_file(run.planned, run.folder)
        return f"# Not run by this benchmark: the flags are in {path}."
    run = run._replace(arguments=list(record.arguments))
    return origin.shell_command(["python3", *run.command])


def _facts(finished: Sequence[Run]) -> List[Any]:
    """What the report says of model, settings and machine."""
    facts = [("Report of", time.strftime("%Y-%m-%d"))]
    if not finished:
        return facts
    found = [benchmark_runs.read_facts(run.planned, run.folder) for run in finished]
    config, versions = found[0]["model_config"], found[0]["versions"]
    size = (
        f"{FLAGS.model_type}, {config['num_hidden_layers']} layers, hidden "
        f"{config['hidden_size']}, vocabulary {config['vocab_size']:,}"
    )
    starts = [
        each["init_checkpoint"] or "nothing: trained from scratch" for each in found
    ]
    start = ", ".join(dict.fromkeys(starts))
    minutes = sum(
        benchmark_runs.read_run(run.planned, run.folder, run.seed).seconds / 60
        for run in finished
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
