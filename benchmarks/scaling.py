"""Sequences per second of pre-training by one and by two processes of one core each.

Two processes by Horovod stand beside two independent ones that run at the same time:
what the machine gives when nobody waits for anybody.

  python3 benchmarks/scaling.py --json=scaling.json

Under a Python with Horovod (make test-scale makes one in .venv-scale).
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = (0, 1)
LOG_EVERY = 5
WORDS = 3000  # of the vocabulary

# Pins the process to a core, by its number where horovodrun started it.
_PINNED = """
import os, runpy, sys
core = int(os.environ.get("HOROVOD_LOCAL_RANK", os.environ.get("CORE", 0)))
os.sched_setaffinity(0, {core})
sys.argv = ["run_pretraining.py"] + sys.argv[1:]
runpy.run_path("run_pretraining.py", run_name="__main__")
"""
_ONE_THREAD = {
    name: "1"
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
}


def main():
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        _prepare(folder, options)
        rounds = [_round(folder, number, options) for number in range(options.rounds)]
    figures = {
        name: statistics.median(found[name] for found in rounds) for name in rounds[0]
    }
    figures["share_of_independent"] = figures["horovod"] / figures["independent"]
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")
    if options.json:
        with open(options.json, "w") as writer:
            json.dump({"figures": figures, "rounds": rounds}, writer, indent=2)


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    corpus = os.path.join(ROOT, "samples", "corpus", "*.txt")
    parser.add_argument("--corpus", default=corpus)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch_size", type=int, default=32, help="of a process")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file for the figures")
    return parser.parse_args()


def _prepare(folder, options):
    """Vocabulary, full records and configuration of a small BERT."""
    os.mkdir(f"{folder}/corpus")
    for number, path in enumerate(sorted(glob.glob(options.corpus))):
        # One document, cut into rows of the same length: what they wait for is not
        # that one of them has more tokens in its half of the batch.
        with open(path, encoding="utf-8") as reader:
            lines = [line for line in reader if line.strip()]
        with open(f"{folder}/corpus/{number}.txt", "w", encoding="utf-8") as writer:
            writer.writelines(lines)
    for command in (
        ["data.train_vocab", f"--vocab_size={WORDS}"],
        [
            "data.create_pretraining_data",
            f"--vocab_file={folder}/vocab.txt",
            "--short_seq_prob=0",
        ],
    ):
        output = folder if "train_vocab" in command[0] else f"{folder}/records"
        subprocess.run(
            [sys.executable, "-m", *command]
            + [f"--input_file={folder}/corpus/*.txt", f"--output_dir={output}"],
            cwd=ROOT,
            check=True,
        )
    with open(os.path.join(folder, "vocab.txt"), encoding="utf-8") as reader:
        size = len(reader.read().splitlines())
    config = {
        "vocab_size": size,
        "hidden_size": options.hidden,
        "num_hidden_layers": options.layers,
        "num_attention_heads": max(1, options.hidden // 64),
        "intermediate_size": 4 * options.hidden,
        "max_position_embeddings": 128,
        "type_vocab_size": 2,
    }
    with open(os.path.join(folder, "config.json"), "w") as writer:
        json.dump(config, writer)


def _round(folder, number, options):
    """Sequences per second of each way, one after another."""

    def output(name):
        return os.path.join(folder, f"{name}_{number}")

    def start(name, processes=1, core=0):
        command = [sys.executable, "-c", _PINNED]
        if processes > 1:
            launcher = os.path.join(os.path.dirname(sys.executable), "horovodrun")
            command = [launcher, "--gloo", "-np", str(processes)] + command
        flags = _flags(folder, options, processes) + [f"--output_dir={output(name)}"]
        environment = dict(os.environ, CORE=str(core), **_ONE_THREAD)
        return subprocess.Popen(
            command + flags, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    def rate(*names_and_processes):
        for process in [process for _, process in names_and_processes]:
            if process.wait():
                sys.exit(f"{process.args} ended with status {process.returncode}.")
        return sum(_rate(output(name)) for name, _ in names_and_processes)

    found = {"one": rate(("one", start("one")))}
    both = [(f"independent_{core}", core) for core in CORES]
    found["independent"] = rate(
        *[(name, start(name, core=core)) for name, core in both]
    )
    found["horovod"] = rate(("horovod", start("horovod", len(CORES))))
    return found


def _flags(folder, options, processes):
    return [
        "--model_type=bert",
        f"--bert_config_file={folder}/config.json",
        f"--input_file={folder}/records/*.tfrecord",
        f"--vocab_file={folder}/vocab.txt",
        f"--train_batch_size={options.batch_size * processes}",
        f"--num_train_steps={options.steps}",
        "--num_warmup_steps=10",
        f"--log_every_steps={LOG_EVERY}",
        f"--save_checkpoints_steps={10 * options.steps}",
    ]


def _rate(output):
    """The median over the log without its first third, when functions compile."""
    with open(os.path.join(output, "training_log.jsonl")) as reader:
        rates = [json.loads(line)["sequences_per_second"] for line in reader]
    return statistics.median(rates[len(rates) // 3 :])


if __name__ == "__main__":
    main()
