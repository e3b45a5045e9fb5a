"""Dynamic batching: what is computed together, who waits, who fails."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from encoder_ko.inference.predictor import NotFiniteError
from korean_encoders.serving.batching import Batcher, OverloadedError


class Model:
    """Gives each text's length; a call waits until `gate` is open."""

    def __init__(self):
        self.calls = []
        self.gate = threading.Event()

    def predict(self, texts):
        assert self.gate.wait(10)
        self.calls.append(list(texts))
        if "bad" in texts:
            raise NotFiniteError(texts.index("bad"), "model.ckpt-1")
        return [{"length": len(text)} for text in texts]


def run(scenario, texts_at_a_time=4, most_waiting=100):
    """Runs `scenario(batcher, model)`; the calls of the model."""
    model = Model()
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(model.predict, executor, texts_at_a_time, most_waiting)

        async def main():
            await asyncio.wait_for(scenario(batcher, model), 20)

        asyncio.run(main())
    return model.calls


def started(batcher, *requests):
    return [asyncio.ensure_future(batcher.predict(texts)) for texts in requests]


def test_what_waits_is_the_next_batch():
    async def scenario(batcher, model):
        first = started(batcher, ["a"])
        await asyncio.sleep(0.05)  # its batch is under way
        others = started(batcher, ["bb"], ["ccc"], ["dddd"], ["e" * 5], ["f" * 6])
        await asyncio.sleep(0.05)
        assert batcher.waiting == 5
        model.gate.set()
        found = await asyncio.gather(*first, *others)
        assert [each[0]["length"] for each in found] == [1, 2, 3, 4, 5, 6]
        assert (batcher.num_batches, batcher.num_texts, batcher.waiting) == (3, 6, 0)

    assert run(scenario) == [["a"], ["bb", "ccc", "dddd", "eeeee"], ["ffffff"]]


def test_a_lone_request_waits_for_nobody():
    async def scenario(batcher, model):
        model.gate.set()
        assert await batcher.predict(["a", "b"]) == [{"length": 1}] * 2
        assert await batcher.predict([]) == []

    assert run(scenario) == [["a", "b"]]


def test_a_large_request_holds_up_no_small_one_and_is_sorted_by_length():
    sizes = [5, 1, 8, 3, 7, 2, 6, 4]

    async def scenario(batcher, model):
        large = started(batcher, ["x" * size for size in sizes])
        await asyncio.sleep(0.05)
        small = started(batcher, ["y"], ["zz"])
        await asyncio.sleep(0.05)
        model.gate.set()
        found = await asyncio.gather(*large, *small)
        assert [each["length"] for each in found[0]] == sizes
        assert [found[1], found[2]] == [[{"length": 1}], [{"length": 2}]]

    calls = run(scenario)
    # Of three that wait each gets a third of the room, those behind it what is left.
    assert [sorted(map(len, call)) for call in calls] == [
        [1, 2, 3, 4],
        [1, 2, 5],
        [6, 7, 8],
    ]


def test_pairs_are_sorted_by_their_length_together():
    async def scenario(batcher, model):
        model.gate.set()
        await batcher.predict([("aaa", "bbb"), ("a", "b"), ("aa", "bb")])

    assert run(scenario, texts_at_a_time=2) == [
        [("a", "b"), ("aa", "bb")],
        [("aaa", "bbb")],
    ]


def test_one_request_cannot_spoil_another():
    async def scenario(batcher, model):
        first = started(batcher, ["a"])
        await asyncio.sleep(0.05)
        good, spoilt = started(batcher, ["bbbbb"], ["cccc", "bad"])
        await asyncio.sleep(0.05)
        model.gate.set()
        await asyncio.gather(*first)
        assert await good == [{"length": 5}]
        with pytest.raises(NotFiniteError, match="model.ckpt-1 are broken") as caught:
            await spoilt
        assert caught.value.number == 1  # of its request, not of the batch
        assert await batcher.predict(["after"]) == [{"length": 5}]

    assert run(scenario)[1:4] == [["bbbbb", "bad", "cccc"], ["bbbbb"], ["bad", "cccc"]]


def test_what_nobody_waits_for_is_not_computed():
    async def scenario(batcher, model):
        first = started(batcher, ["a"])
        await asyncio.sleep(0.05)
        gone, kept = started(batcher, ["b"], ["c"])
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0.05)
        assert batcher.waiting == 1
        model.gate.set()
        await asyncio.gather(*first, kept)

    assert run(scenario) == [["a"], ["c"]]


def test_too_many_are_refused():
    async def scenario(batcher, model):
        first = started(batcher, ["a"])
        await asyncio.sleep(0.05)
        others = started(batcher, ["b"] * 3)
        await asyncio.sleep(0.05)
        batcher.require_room(2)
        with pytest.raises(OverloadedError):
            batcher.require_room(3)
        model.gate.set()
        await asyncio.gather(*first, *others)
        batcher.require_room(5)

    run(scenario, most_waiting=5)
