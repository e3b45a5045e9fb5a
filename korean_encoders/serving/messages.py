"""What goes in and out as JSON, and what is said of a request that does not fit."""

import re
from typing import Any, Dict, List, Optional, Sequence, Union

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from data.io.tables import is_text
from encoder_ko.inference.predictor import Text

_EXPECTED = (
    'expected a text, {"text": ..., "text_b": ...} or {"question": ..., "context": ...}'
)


class TextInput(BaseModel):
    """A text, or a pair of texts."""

    model_config = ConfigDict(extra="forbid")

    text: str
    text_b: Optional[str] = None

    def value(self) -> Text:
        return self.text if self.text_b is None else (self.text, self.text_b)


class QuestionInput(BaseModel):
    """A question on a passage."""

    model_config = ConfigDict(extra="forbid")

    question: str
    context: str

    def value(self) -> Text:
        return self.question, self.context


class PredictRequest(BaseModel):
    """Texts to predict."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"inputs": ["정말 재미있는 영화", "별로"]}]},
    )

    inputs: List[Union[str, TextInput, QuestionInput]] = Field(
        description="Texts; objects for pairs (text, text_b) and questions."
    )
    model: Optional[str] = Field(
        None, description="Name of a run; needed where several are served."
    )
    tokens: bool = Field(
        False, description="Whether to give the token pieces of each text, too."
    )

    def texts(self) -> List[Text]:
        return [each if isinstance(each, str) else each.value() for each in self.inputs]


class PieceOutput(BaseModel):
    """A token piece; start and end count characters of the text."""

    piece: str
    id: int
    start: Optional[int]
    end: Optional[int]
    is_unknown: bool
    is_cut: bool


class PredictResponse(BaseModel):
    """A prediction per text, in their order; what is in it depends on the task type."""

    model: str
    predictions: List[Dict[str, Any]]
    tokens: Optional[List[List[List[PieceOutput]]]] = Field(
        None, description="Where asked for: for each input, for each of its texts."
    )


class ErrorResponse(BaseModel):
    """What is wrong with the request, in one line."""

    error: str


def problem_of(error: RequestValidationError) -> str:
    """The first thing that is wrong with a request, in one line."""
    first = error.errors()[0]
    place = [part for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return f"The request is no JSON ({first['ctx']['error']})."
    if len(place) > 1 and place[0] == "inputs":
        return f"inputs[{place[1]}]: {_EXPECTED}."
    where = ".".join(map(str, place))
    if not where:
        return 'The request is no JSON object, expected {"inputs": ["text", ...]}.'
    if first["type"] == "missing":
        return f'"{where}" is missing, expected such as {{"inputs": ["text", ...]}}.'
    if first["type"] == "extra_forbidden":
        known = ", ".join(PredictRequest.model_fields)
        return f'There is no "{where}", expected {known}.'
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}."


def unsound(texts: Sequence[Text]) -> Optional[int]:
    """The number of the first text that holds a NUL or half a character."""
    for number, text in enumerate(texts):
        parts = (text,) if isinstance(text, str) else text
        if not all(map(is_text, parts)):
            return number
    return None


def without_dashes(message: str) -> str:
    """A command's message with the names of parameters: --columns=a, columns=a."""
    return re.sub(r"--([a-z_]+)", r"\1", message)
