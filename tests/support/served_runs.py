"""A run of each task type, and a server in a thread of this process."""

import contextlib
import threading
import time

from encoder_ko.training.run_folder import RunFolder
from tests.support import fine_tuning_runs
from tests.support.made_up_models import fine_tuned_model

FAMILIES = {
    "classification": "bert",
    "regression": "albert",
    "tagging": "electra",
    "question_answering": "bert",
    "dependency_parsing": "electra",
}


def make(folder, task_types=tuple(FAMILIES)):
    """Runs with random weights, named by task type; NSMC's knows its dev set."""
    for task_type in task_types:
        fine_tuned_model(folder / task_type, FAMILIES[task_type], task_type)
    data = fine_tuning_runs.write_data(folder / "data")
    settings = {"task_name": "NSMC", "data_dir": str(data)}
    RunFolder(str(folder / "classification")).write_json("run_config.json", settings)
    return [str(folder / task_type) for task_type in task_types]


@contextlib.contextmanager
def running(guard):
    """(port, server) of a server that ends with the block."""
    from korean_encoders.serving import server

    bound = server.bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    made = server.DrainingServer(guard)
    thread = threading.Thread(target=made.run, args=([bound],))
    thread.start()
    while not made.started:
        time.sleep(0.01)
    try:
        yield port, made
    finally:
        made.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
