"""Where Apache Beam's pipelines run, its options, and what it says when it fails."""

import contextlib
import difflib
import io
import logging
import re
import sys
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from absl import flags

from ..io.errors import InputError
from ..io.file_system import is_remote

RUNNERS = ("DirectRunner", "FlinkRunner", "SparkRunner", "DataflowRunner")
_OLDEST_PYTHON = (3, 10)  # that the tested version of Beam takes
# Options of these runners are known to their job servers alone.
_WITH_A_JOB_SERVER = ("FlinkRunner", "SparkRunner")
_AGAIN = (
    "Was a worker killed, perhaps for lack of memory? Give the same command again; "
    "records that are built stay."
)
# Beam adds the step to a worker's message, and passes it on with its traceback.
_STEP = re.compile(r" \[while running '.*", re.DOTALL)
_INPUT_ERROR = re.compile(r"\bInputError: (.+?)(?: \[while running '|\\n|\n|$)")


def split_options(argv: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The words of a command, and those after `--`, which are Beam's options."""
    words = list(argv)
    if "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


class BeamRunner:
    """Runs pipelines where Beam's options say.

    Args:
      name: one of `RUNNERS`.
      options: words such as "--direct_num_workers=2".

    Raises:
      InputError: Beam is not installed; an option is unknown or has no such value.
    """

    def __init__(self, name: str, options: Sequence[str]):
        self.name = name
        _require_beam()
        self._options = _parsed(name, options)
        self._pipeline()  # says now which options do not fit each other

    @classmethod
    def from_flags(
        cls, values: flags.FlagValues, options: Sequence[str]
    ) -> Optional["BeamRunner"]:
        """The runner of --runner; None = this machine's processes.

        Raises:
          InputError: as the constructor; flags do not fit each other.
        """
        if not values.runner:
            if options:
                raise InputError(
                    "What stands after -- are options of Apache Beam: pass --runner, "
                    "too."
                )
            return None
        if not values["num_processes"].using_default_value:
            raise InputError(
                "--num_processes is for this machine alone. With --runner, Beam's "
                "options say how many workers there are, such as -- "
                "--direct_num_workers=2."
            )
        return cls(values.runner, options)

    def require_reachable(self, **paths: Iterable[str]) -> None:
        """Raises InputError for files that workers cannot see.

        Args:
          paths: by the name of their flag.
        """
        if self.name != "DataflowRunner":
            return
        for flag, named in paths.items():
            for path in named:
                if not is_remote(path):
                    raise InputError(
                        f"--{flag}={path}: Dataflow's workers do not see the files of "
                        "this machine. Pass a URL, such as gs://bucket/corpus.txt."
                    )

    def run(self, construct: Callable[[Any], None]) -> None:
        """Builds a pipeline and waits for its end.

        Args:
          construct: is given an apache_beam.Pipeline to put transforms into.

        Raises:
          InputError: the pipeline failed; the message is that of the worker's
            InputError if there was one.
        """
        from apache_beam.error import BeamError
        from apache_beam.runners.dataflow.dataflow_runner import (
            DataflowRuntimeException,
        )
        from apache_beam.runners.runner import PipelineState
        from grpc import RpcError

        pipeline = self._pipeline()
        construct(pipeline)
        try:
            state = pipeline.run().wait_until_finish()
        except InputError as error:
            raise InputError(_STEP.sub("", str(error))) from error
        except (
            RuntimeError,
            OSError,
            RpcError,
            BeamError,
            DataflowRuntimeException,
        ) as error:
            raise InputError(self._reason(str(error))) from error
        if state != PipelineState.DONE:
            raise InputError(f"{self.name}: the pipeline ended as {state}. {_AGAIN}")

    def _pipeline(self) -> Any:
        import apache_beam as beam

        try:
            if self.name != "DirectRunner":
                return beam.Pipeline(self.name, self._options)
            return beam.Pipeline(_local_runner(self._options), self._options)
        except ValueError as error:
            raise InputError(
                f"Options of Beam: {' '.join(str(error).split())}"
            ) from None

    def _reason(self, said: str) -> str:
        """What a user should know of a failure."""
        found = _INPUT_ERROR.search(said)
        if found:
            return found.group(1)
        lines = [line for line in said.splitlines() if line.strip()]
        if len(lines) > 1:
            print(said, file=sys.stderr)
        last = lines[-1] if lines else "no reason was given"
        return f"{self.name} failed: {last} {_AGAIN}"


def _require_beam() -> None:
    if sys.version_info < _OLDEST_PYTHON:
        raise InputError(
            "--runner needs Apache Beam, which here is for Python 3.10 and 3.11, not "
            f"for {sys.version_info[0]}.{sys.version_info[1]}. Leave it out, or use "
            "another environment."
        )
    logging.disable(logging.WARNING)  # about packages that are not needed here
    try:
        import apache_beam  # noqa: F401
    except ImportError:
        raise InputError(
            "--runner needs Apache Beam, which is not installed: "
            "pip install 'korean-encoders[beam]' (in a checkout: pip install -e "
            "'.[beam]')."
        ) from None
    finally:
        logging.disable(logging.NOTSET)


def _parsed(name: str, words: Sequence[str]) -> Any:
    """Beam's PipelineOptions.

    Raises:
      InputError: what no option would do is said, rather than left out with a warning.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    before = "="
    for word in words:
        if not word.startswith("--") and "=" in before:
            raise InputError(
                f"Options of Beam are --name=value, which {word!r} is not."
            )
        before = word
    options = PipelineOptions(list(words), runner=name)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit:  # argparse
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise InputError(f"Options of Beam: {reason}.") from None
    unknown = sorted(set(given) - set(PipelineOptions([]).get_all_options()))
    if "--runner" in [word.partition("=")[0] for word in words]:
        raise InputError("--runner stands before --, Beam's other options after it.")
    if unknown and name not in _WITH_A_JOB_SERVER:
        near = difflib.get_close_matches(unknown[0], set(given) - set(unknown), 1)
        hint = f" Did you mean --{near[0]}?" if near else ""
        raise InputError(f"--{unknown[0]} is no option of Beam's {name}.{hint}")
    return options


def _local_runner(options: Any) -> Any:
    """Beam's runner of this machine, which says nothing as long as all goes well.

    What the name DirectRunner stands for in Beam may also be another runner, which
    knows nothing of --direct_num_workers.
    """
    from apache_beam.options.pipeline_options import DirectOptions, WorkerOptions
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    direct = options.view_as(DirectOptions)
    count = direct.direct_num_workers
    if count < 0:
        raise InputError(
            f"--direct_num_workers={count}: pass 1 or more, or 0 for one worker for "
            "each core."
        )
    if count != 1 and direct.direct_running_mode == "in_memory":
        direct.direct_running_mode = "multi_processing"  # else one does it all
    workers = options.view_as(WorkerOptions)
    if workers.default_sdk_harness_log_level is None:
        workers.default_sdk_harness_log_level = "CRITICAL"
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(
        provision_info=fn_runner.ExtendedProvisionInfo(provision)
    )
