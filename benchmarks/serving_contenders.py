"""What `serving.py` and `prediction_throughput.py` compare: predictors of one model.

Served, all of them have the web application, the queue and the batches of
`korean_encoders.serving`, so that what differs is how texts become probabilities. Each
runs in a process of its own, under an interpreter of its own: hence the imports inside
the classes.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple

import numpy as np

# Folders in the work folder.
RUN, HUGGING_FACE, ONNX, SAVED_MODEL = "run", "hugging_face", "onnx", "saved_model"


class Work(NamedTuple):
    """What the parent prepared, as `work.json` holds it.

    Attributes:
      folder: where the model is, in its forms. texts: reviews, a request each.
      max_seq_length: tokens. batch_size: texts of a batch at most.
    """

    folder: str
    texts: List[str]
    max_seq_length: int
    batch_size: int

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def save(self) -> None:
        with open(self.path("work.json"), "w", encoding="utf-8") as stream:
            json.dump(self._asdict(), stream)

    @classmethod
    def load(cls, folder: str) -> "Work":
        with open(os.path.join(folder, "work.json"), encoding="utf-8") as stream:
            return cls(**json.load(stream))


class _Predictor:
    """What the application asks of a predictor."""

    def __init__(self, work: Work):
        from encoder_ko.finetuning.saved_run import FineTunedModel
        from korean_encoders.model_types import FAMILIES

        self.task_type = FineTunedModel.load(work.path(RUN), FAMILIES).task_type
        self.task = self.task_type.task
        self._work = work

    def problem_of(self, text: Any) -> str:
        return ""

    def close(self) -> None:
        pass


class Pipeline(_Predictor):
    """transformers.pipeline, which pads each batch to its longest text."""

    def __init__(self, work: Work, precision: str):
        import torch
        import transformers

        super().__init__(work)
        self.software = (
            f"PyTorch {torch.__version__}, Transformers {transformers.__version__}"
        )
        self._pipeline = transformers.pipeline(
            "text-classification",
            model=work.path(HUGGING_FACE),
            torch_dtype=getattr(torch, precision),
            device="cpu",
            top_k=None,
        )

    def predict(self, texts: List[str]) -> List[Dict[str, Any]]:
        found = self._pipeline(
            texts,
            batch_size=self._work.batch_size,
            truncation=True,
            max_length=self._work.max_seq_length,
        )
        return [
            {"probabilities": {each["label"]: each["score"] for each in of_text}}
            for of_text in found
        ]


class _Export(_Predictor):
    """An exported model; the batch is padded to its longest text."""

    def _run(self, inputs: Dict[str, np.ndarray]) -> Dict[str, Any]:
        raise NotImplementedError

    def predict(self, texts: List[str]) -> List[Dict[str, Any]]:
        examples = [self.task_type.example("", text) for text in texts]
        records = [each.values for each in self.task_type.encode(examples)]
        lengths = np.array([record["num_tokens"] for record in records])
        mask = np.arange(lengths.max()) < lengths[:, np.newaxis]
        ids = np.full(mask.shape, self.task_type.tokenizer.pad_id, np.int32)
        ids[mask] = np.concatenate([record["input_ids"] for record in records])
        inputs = {
            "input_ids": ids,
            "input_mask": mask.astype(np.int32),
            "segment_ids": np.zeros_like(ids),
        }
        names = self.task.label_names
        return [
            {"probabilities": dict(zip(names, map(float, row)))}
            for row in self._run(inputs)["probabilities"]
        ]


class Onnx(_Export):
    """ONNX Runtime."""

    def __init__(self, work: Work, precision: str):
        import onnxruntime

        from encoder_ko.inference import onnx_file

        super().__init__(work)
        self.software = f"ONNX Runtime {onnxruntime.__version__}"
        self._run = onnx_file.onnx_runner(
            os.path.join(work.path(ONNX), onnx_file.FILE_NAME)
        )


class SavedModel(_Export):
    """TensorFlow without this project's code."""

    def __init__(self, work: Work, precision: str):
        from encoder_ko.compat import tf
        from encoder_ko.inference import saved_model, throughput

        super().__init__(work)
        self.software = f"TensorFlow {tf.__version__}"
        signature = saved_model.SIGNATURES[self.task.task_type]
        self._run = throughput.saved_model_runner(work.path(SAVED_MODEL), signature)


class Ours(_Predictor):
    """`Predictor`, which sorts and batches by itself."""

    def __init__(self, work: Work, precision: str):
        from encoder_ko.compat import tf
        from korean_encoders import Predictor

        super().__init__(work)
        self.software = f"TensorFlow {tf.__version__}"
        self._predictor = Predictor.load(
            work.path(RUN), batch_size=work.batch_size, dtype=getattr(tf, precision)
        )

    def predict(self, texts: List[str]) -> List[Dict[str, Any]]:
        return self._predictor.predict(texts)


def serve(work: Work, worker: str, precision: str) -> None:
    """Serves another predictor as `serve.py` serves ours.

    Args:
      worker: "hf", "hf_single" (a text at a time) or "onnx".
    """
    import logging

    from absl import logging as absl_logging

    from korean_encoders.serving import app, server
    from korean_encoders.serving.runs import ServedRun

    absl_logging.set_verbosity(absl_logging.INFO)
    logging.getLogger().setLevel(logging.INFO)
    predictor = (Onnx if worker == "onnx" else Pipeline)(work, precision)
    predictor.predict(["가"])
    facts = {"name": RUN, "summary": predictor.software}
    batch_size = 1 if worker == "hf_single" else work.batch_size
    service = app.Service(
        [ServedRun(RUN, predictor, facts, [])], app.Limits(batch_size=batch_size)
    )
    bound = server.bind("127.0.0.1", 0)
    server.serve(app.build_app(service), bound)
    service.close()
