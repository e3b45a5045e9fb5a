"""Texts of concurrent requests in common batches (dynamic batching)."""

import asyncio
import collections
from concurrent.futures import Executor
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Sequence

from encoder_ko.inference.predictor import NotFiniteError, Text

Prediction = Dict[str, Any]


class OverloadedError(Exception):
    """More texts wait than the server takes on."""


class _Request:
    """Texts of one request and what is known of them.

    They are predicted in the order of their lengths, so that each batch of a large
    request is of similar ones.
    """

    def __init__(self, texts: Sequence[Text], done: "asyncio.Future"):
        self.texts = texts
        self.done = done
        self.order = sorted(range(len(texts)), key=lambda n: _length(texts[n]))
        self.taken = 0  # of `order`
        self._found: List[Any] = [None] * len(texts)
        self._missing = len(texts)

    @property
    def left(self) -> int:
        """How many texts are still to be predicted; 0 if nobody waits for them."""
        return 0 if self.done.done() else len(self.texts) - self.taken

    def take(self, count: int) -> "_Share":
        numbers = self.order[self.taken : self.taken + count]
        self.taken += len(numbers)
        return _Share(self, numbers)

    def receive(self, numbers: Sequence[int], found: Sequence[Prediction]) -> None:
        for number, prediction in zip(numbers, found):
            self._found[number] = prediction
        self._missing -= len(numbers)
        if not self._missing and not self.done.done():
            self.done.set_result(self._found)

    def fail(self, numbers: Sequence[int], error: BaseException) -> None:
        if isinstance(error, NotFiniteError):
            error.number = numbers[error.number]
        if not self.done.done():
            self.done.set_exception(error)


class _Share(NamedTuple):
    """Some texts of a request, by their numbers in it."""

    request: _Request
    numbers: Sequence[int]

    @property
    def texts(self) -> List[Text]:
        return [self.request.texts[number] for number in self.numbers]


class Batcher:
    """Predicts the texts of many requests together.

    While a batch is computed, requests collect, and what waits by its end is the next
    one. Nobody waits for company: a lone request is computed at once. A batch has a
    share of every request that waits, so that a large one holds up no small ones.

    Args:
      predict: a list of texts to a list of predictions. It is called in `executor`,
        never twice at a time; if it raises, the requests are tried one by one, so that
        one cannot spoil another.
      texts_at_a_time: of a batch. most_waiting: texts of all requests together.
    """

    def __init__(
        self,
        predict: Callable[[List[Text]], List[Prediction]],
        executor: Executor,
        texts_at_a_time: int,
        most_waiting: int,
    ):
        self._predict = predict
        self._executor = executor
        self._texts_at_a_time = texts_at_a_time
        self._most_waiting = most_waiting
        self._requests: Deque[_Request] = collections.deque()
        self._work: Any = None
        self.num_texts = self.num_batches = 0  # so far

    @property
    def waiting(self) -> int:
        """Texts that are not yet in a batch."""
        return sum(request.left for request in self._requests)

    def require_room(self, count: int) -> None:
        """Raises OverloadedError where `count` more texts would be too many."""
        if self.waiting + count > self._most_waiting:
            raise OverloadedError()

    async def predict(self, texts: Sequence[Text]) -> List[Prediction]:
        """A prediction per text, in their order.

        Raises:
          as the function that predicts.
        """
        if not texts:
            return []
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        if self._work is None:
            self._work = asyncio.ensure_future(self._predict_all())
        return await request.done

    async def _predict_all(self) -> None:
        while self._requests:
            shares = self._next_batch()
            if shares:
                await self._predict_batch(shares)
        self._work = None

    def _next_batch(self) -> List[_Share]:
        shares, room = [], self._texts_at_a_time
        for others in range(len(self._requests), 0, -1):
            if not room:
                break
            request = self._requests.popleft()
            count = min(request.left, max(1, room // others))
            if count:
                shares.append(request.take(count))
                room -= count
            if request.left:
                self._requests.append(request)
        return shares

    async def _predict_batch(self, shares: Sequence[_Share]) -> None:
        texts = [text for share in shares for text in share.texts]
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, self._predict, texts)
        await asyncio.wait([future])
        error = future.exception()
        if error is None:
            self.num_batches += 1
            self.num_texts += len(texts)
            found = iter(future.result())
            for share in shares:
                share.request.receive(share.numbers, [next(found) for _ in share[1]])
        elif len(shares) == 1:
            shares[0].request.fail(shares[0].numbers, error)
        else:
            for share in shares:
                await self._predict_batch([share])


def _length(text: Text) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))
