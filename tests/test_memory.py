"""Memory: the kernels hold O(N + M) points and no array of N x M."""

import subprocess
import sys

import pytest

# Rows of VmHWM, the most memory that the process has held, are Linux's.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PEAK = """
import re, sys
import numpy as np
import minimlp
from minimlp.kernels import cpu, simd, training

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024

def call(N):
    x, y = minimlp.uniform_samples(N, seed=1)
    params = minimlp.init_params(x, N, seed=2)
    p, losses = minimlp.prototypes(params), {name: 0.1 for name in ("coverage", "separation", "overlap", "balanced")}
    {call}

call({first})       # as large as training.LARGE: it compiles all that the next call runs
before = peak()
call({size})
print(peak() - before)
"""
CALLS = {
    "softmin": ("minimlp.softmin(p, x, 0.02, backend='cpu')", 32768),
    "plain softmin": ("cpu.softmin(p, x, 0.02)", 8192),
    "separation": ("minimlp.separation(p, 0.001, backend='cpu')", 8192),
    "sinkhorn": ("minimlp.sinkhorn(p, x, 1.0, iterations=2, tolerance=10.0, backend='cpu')", 8192),
    "objective": ("minimlp.objective(params, x, y, dict(list(losses.items())[:3]), {'coverage': 0.02, 'separation': 0.001}, "
                  "backend='cpu')", 8192),
    "train": ("minimlp.train(params, x, y, losses, {'coverage': 0.02, 'separation': 0.001, 'balanced': 1.0}, steps=1, "
              "iterations=1, backend='cpu')", 4096),
    "train, 64 dimensions": ("x = np.repeat(x, 64, 1); minimlp.train(minimlp.init_params(x, N, seed=2), x, y, {}, "
                             "{}, steps=1, backend='cpu')", 512)}


@pytest.mark.parametrize("name", CALLS)
def test_a_kernel_holds_no_array_of_samples_by_prototypes(name):
    (call, size), d = CALLS[name], 64 if "64" in name else 1
    first = 128 if d == 64 else 1024
    code = PEAK.replace("{call}", call).replace("{size}", str(size)).replace("{first}", str(first))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 8 * d * size ** 2 / 2 ** 20 > 100, "an array of N x M x d would be seen"
    assert float(done.stdout) < 32
