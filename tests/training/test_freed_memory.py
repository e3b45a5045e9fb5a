"""Memory that is freed: blocks stay, in pages that may be huge; graphs go."""

import gc
import os
import platform
import subprocess
import sys
import weakref

import pytest

from bert_ko.modeling import BertConfig, BertModel
from encoder_ko.compat import tf
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

# Reports of a block of a thread, before and after freeing it and giving back whatever
# the C library thinks fit: whether it lies in the heap, and the kernel's flags there.
PROGRAM = """
import ctypes, os, re, threading
from encoder_ko import compat

compat.keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def report(address):
    with open("/proc/self/smaps") as lines:
        for area in re.split(r"\\n(?=[0-9a-f]+-[0-9a-f]+ )", lines.read()):
            first, last = (int(x, 16) for x in area.split()[0].split("-"))
            if first <= address < last:
                flags = area.split("VmFlags:")[1].split()
                print("[heap]" in area, "hg" in flags)

def run():
    size = 2**27
    block = library.malloc(size)
    ctypes.memset(block, 1, size)
    report(block + size // 2)
    library.free(block)
    library.malloc_trim(0)
    report(block + size // 2)

thread = threading.Thread(target=run)
thread.start()
thread.join()

def address_space():
    with open("/proc/self/statm") as reader:
        return int(reader.read().split()[0])

# In what was asked for the first time there is no room for as much again.
library.malloc(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4)
before = address_space()
compat.keep_freed_memory()
print(address_space() == before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_of_all_threads_stay_in_a_heap_with_huge_pages():
    environment = dict(os.environ, PYTHONPATH=ROOT)
    printed = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], env=environment
    )
    huge = os.path.exists("/sys/kernel/mm/transparent_hugepage")
    assert printed.decode().splitlines() == [f"True {huge}"] * 2 + ["True"]


def test_graphs_are_freed_with_their_gradients_and_compiled_functions():
    """A run builds two for each evaluation."""
    with tf.Graph().as_default() as graph:
        config = BertConfig(40, 16, 1, 2, 32)
        model = BertModel(config, True, tf.ones([2, 8], tf.int32))
        variables = tf.trainable_variables()
        found = tf.gradients(model.get_pooled_output(), variables)
        assert any(gradient is not None for gradient in found)
    graph = weakref.ref(graph)
    del config, model, variables, found
    gc.collect()
    assert graph() is None
