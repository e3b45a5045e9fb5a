"""The application: predictions as JSON, files, a page, and what is known of itself."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from data.features.prediction_input import format_of
from data.io.errors import InputError
from data.io.tables import ReadingOptions
from encoder_ko.inference.output_lines import OUTPUT_FORMATS, default_format
from encoder_ko.inference.pieces import pieces_of
from encoder_ko.inference.predictor import NotFiniteError, Text
from korean_encoders.serving import messages, pages, tables
from korean_encoders.serving.batching import Batcher, OverloadedError
from korean_encoders.serving.guard import Guard
from korean_encoders.serving.runs import ServedRun
from korean_encoders.version import __version__

_SUMMARY = "Predictions of fine-tuned Korean encoders, for texts and for files."
_MEDIA_TYPES = {"tsv": "text/tab-separated-values", "jsonl": "application/x-ndjson"}
_SENT = {"text/plain": {"schema": {"type": "string", "format": "binary"}}}
_ERRORS: Any = {
    status: {"model": messages.ErrorResponse, "description": words}
    for status, words in (
        (404, "There is no such run."),
        (413, "More texts or bytes than the server takes at a time."),
        (422, "The request is not understood, or a text does not fit the task."),
        (503, "Too many texts wait: try again later."),
    )
}


class Limits(NamedTuple):
    """What the server takes on.

    Attributes:
      batch_size: texts of a batch. texts: of a request as JSON.
      bytes: of any request. waiting: texts of all requests together.
    """

    batch_size: int = 32
    texts: int = 1000
    bytes: int = 8 << 20
    waiting: int = 10000


class Service:
    """The runs and their queues. All runs share one thread, and so the processors."""

    def __init__(self, runs: Sequence[ServedRun], limits: Limits):
        self.limits = limits
        self.runs = {run.name: run for run in runs}
        self._thread = ThreadPoolExecutor(1, "prediction")
        self.batchers = {
            run.name: Batcher(
                run.predictor.predict, self._thread, limits.batch_size, limits.waiting
            )
            for run in runs
        }

    def run_of(self, name: Optional[str]) -> ServedRun:
        """The run of this name, or the only one."""
        if name is None and len(self.runs) == 1:
            return next(iter(self.runs.values()))
        if name not in self.runs:
            names = ", ".join(self.runs)
            problem = "Name a run in model" if name is None else f"No run {name!r}"
            raise HTTPException(404, f"{problem}: there are {names}.")
        return self.runs[name]

    async def predict(self, request: messages.PredictRequest) -> Dict[str, Any]:
        run, texts = self.run_of(request.model), request.texts()
        self._check(run, texts)
        batcher = self.batchers[run.name]
        batcher.require_room(len(texts))
        predictions = await batcher.predict(texts)
        answer: Dict[str, Any] = {"model": run.name, "predictions": predictions}
        if request.tokens:
            loop = asyncio.get_running_loop()
            answer["tokens"] = await loop.run_in_executor(
                self._thread, _pieces, run, texts
            )
        return answer

    def _check(self, run: ServedRun, texts: Sequence[Text]) -> None:
        if len(texts) > self.limits.texts:
            raise HTTPException(
                413,
                f"{len(texts):,} texts, expected at most {self.limits.texts:,}: send "
                "them in parts, or as a file to /predict/file.",
            )
        unsound = messages.unsound(texts)
        if unsound is not None:
            raise InputError(
                f"inputs[{unsound}]: half a character or a NUL in it, expected text."
            )
        for number, text in enumerate(texts):
            problem = run.predictor.problem_of(text)
            if problem:
                raise InputError(f"inputs[{number}]: {problem}.")

    def close(self) -> None:
        """Frees the sessions, once nothing is computed any more."""
        self._thread.shutdown()
        for run in self.runs.values():
            run.predictor.close()


def _pieces(run: ServedRun, texts: Sequence[Text]) -> List[List[List[Dict[str, Any]]]]:
    task_type = run.predictor.task_type
    return [
        [
            [piece._asdict() for piece in pieces]
            for pieces in pieces_of(
                task_type, [text] if isinstance(text, str) else text
            )
        ]
        for text in texts
    ]


def build_app(service: Service, local_only: bool = True) -> Guard:
    """The ASGI application.

    Args:
      local_only: see Guard.
    """
    app = FastAPI(
        title="Korean encoders",
        version=__version__,
        description=_SUMMARY,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
    )
    guard = Guard(app, local_only, service.limits.bytes)
    _add_errors(app)
    _add_predictions(app, service)
    _add_files(app, service)
    _add_facts(app, service, guard)
    _add_pages(app, service)
    return guard


def _add_predictions(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict",
        responses={
            200: {"model": messages.PredictResponse, "description": "The predictions."},
            **_ERRORS,
        },
        summary="Predict texts",
        tags=["predictions"],
    )
    async def predict(request: messages.PredictRequest, connection: Request) -> Any:
        """A prediction per text, in their order, as Predictor.predict gives them."""
        answer = asyncio.ensure_future(service.predict(request))
        left = asyncio.ensure_future(_disconnected(connection))
        await asyncio.wait([answer, left], return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if not answer.done():  # nobody waits for the texts that are in no batch yet
            answer.cancel()
            return Response(status_code=499)
        return JSONResponse(answer.result())


async def _disconnected(connection: Request) -> None:
    """Returns when the client has left."""
    while (await connection.receive())["type"] != "http.disconnect":
        pass


def _add_files(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict/file",
        responses={200: {"description": "Predictions, a line each."}, **_ERRORS},
        openapi_extra={"requestBody": {"required": True, "content": _SENT}},
        summary="Predict a file",
        tags=["predictions"],
    )
    async def predict_file(
        request: Request,
        model: Optional[str] = Query(None, description="Name of a run."),
        input_format: Optional[str] = Query(
            None, description="text (one per line), tsv, csv or jsonl."
        ),
        columns: Optional[str] = Query(
            None, description="One or two columns of a table's header: text,text_b."
        ),
        encoding: str = Query("utf-8", description="Of the file, such as cp949."),
        max_bad_rows: int = Query(0, description="Bad rows to skip.", ge=0),
        output_format: Optional[str] = Query(None, description="tsv or jsonl."),
    ) -> Any:
        """The file is the body; the answer is what predict.py writes of it."""
        run = service.run_of(model)
        names = tables.listed(columns)
        form = input_format or format_of("", names)
        _require("input_format", form, tables.INPUT_FORMATS)
        written = output_format or default_format(run.predictor.task.task_type)
        _require("output_format", written, OUTPUT_FORMATS)
        content = await request.body()
        upload = await run_in_threadpool(
            tables.read_upload,
            content,
            run,
            form,
            names,
            ReadingOptions(encoding, max_bad_rows),
        )
        batcher = service.batchers[run.name]
        batcher.require_room(min(len(upload.texts), tables.TEXTS_AT_A_TIME))
        headers = {
            "X-Texts": str(len(upload.texts)),
            "Content-Disposition": f'attachment; filename="predictions.{written}"',
        }
        if upload.skipped:
            skipped = upload.skipped.encode("ascii", "replace").decode()
            headers["X-Skipped"] = skipped
        return StreamingResponse(
            tables.predicted_lines(upload, run, batcher, written),
            media_type=_MEDIA_TYPES[written],
            headers=headers,
        )


def _require(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{name}={value}, expected one of {', '.join(allowed)}.")


def _add_facts(app: FastAPI, service: Service, guard: Guard) -> None:
    @app.get(
        "/models",
        summary="The runs that are served",
        tags=["server"],
        responses={200: {"description": "A list of them."}},
    )
    async def models() -> Any:
        """Name, task, labels and limits of each run."""
        return JSONResponse([run.facts for run in service.runs.values()])

    @app.get(
        "/health",
        summary="Whether the server takes requests",
        tags=["server"],
        responses={
            200: {"description": "It does."},
            503: {"description": "It is being stopped."},
        },
    )
    async def health() -> Any:
        """Counts since the start; texts that wait are in no batch yet."""
        batchers = service.batchers.values()
        facts = {
            "status": "stopping" if guard.is_stopping else "ok",
            "requests": guard.num_requests,
            "texts": sum(each.num_texts for each in batchers),
            "batches": sum(each.num_batches for each in batchers),
            "waiting": sum(each.waiting for each in batchers),
        }
        return JSONResponse(facts, 503 if guard.is_stopping else 200)


def _add_pages(app: FastAPI, service: Service) -> None:
    page = pages.trial_page(list(service.runs.values()), service.limits)
    manual = pages.manual_page(app.openapi())

    @app.get("/", include_in_schema=False)
    async def trial() -> Any:
        return HTMLResponse(page)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Any:
        return HTMLResponse(manual)


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, words: str, headers: Optional[Mapping] = None) -> Any:
        return JSONResponse({"error": words}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Any:
        kind = request.headers.get("content-type", "")
        if request.url.path == "/predict" and "json" not in kind:
            return answer(
                415,
                f"The request has the type {kind or 'of no name'}, expected "
                "application/json (curl -H 'Content-Type: application/json').",
            )
        return answer(422, messages.problem_of(error))

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> Any:
        if isinstance(error, NotFiniteError):
            return answer(500, f"Text {error.number}: {error}")
        return answer(422, messages.without_dashes(str(error)))

    @app.exception_handler(OverloadedError)
    async def overloaded(request: Request, error: OverloadedError) -> Any:
        words = "Too many texts wait for the model: try again later."
        return answer(503, words, {"Retry-After": "1"})

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Any:
        if error.status_code == 400:  # the body, before anything looks at it
            return answer(422, "The request is not JSON in UTF-8, or nested too deep.")
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Any:
        return answer(500, "The server failed on this request; its log says why.")
