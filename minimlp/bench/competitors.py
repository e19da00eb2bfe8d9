"""Coverage (E4) and its gradient, once for each competitor.

Each function here takes prototypes (M, d), samples (N, d) and the temperature, as NumPy
arrays, and returns a function without arguments that computes value and gradient and
comes back when they are there.  What a library has to do once, moving the data or
wrapping the function, it does before.  `minimlp.softmin` finds the nearest prototypes and
their distances in the same time; its competitors are not asked to.

Peers get the form that is fastest for them: direct differences in one dimension,
||x||^2 + ||p||^2 - 2 x.p in more.
"""

import numpy as np


def reference(prototypes, x, temperature):
    from .. import structural
    return lambda: structural.coverage(prototypes, x, temperature)


def numpy_gemm(prototypes, x, temperature):
    """NumPy as fast as we could: distances and gradient as matrix products, all in place."""
    tau = x.dtype.type(temperature)
    scale = x.dtype.type(2 / len(x))

    def compute():
        costs = x @ (-2 * prototypes.T)
        costs += np.einsum("ik,ik->i", x, x)[:, None]
        costs += np.einsum("jk,jk->j", prototypes, prototypes)
        least = costs.min(axis=1)
        costs -= least[:, None]
        costs *= -1 / tau
        weights = np.exp(costs, out=costs)
        total = weights.sum(axis=1)
        values = least - tau * np.log(total)
        weights *= (1 / total)[:, None]
        sums = np.ones(len(x), x.dtype) @ weights
        return values.mean(), scale * (sums[:, None] * prototypes - weights.T @ x)
    return compute


def plain(prototypes, x, temperature):
    from ..kernels import cpu as kernels
    return lambda: kernels.coverage(prototypes, x, temperature)


def simd(prototypes, x, temperature):
    from ..kernels import simd as kernels
    return lambda: kernels.coverage(prototypes, x, temperature)


def torch_eager(prototypes, x, temperature):
    import torch
    p, samples = torch.tensor(prototypes, requires_grad=True), torch.from_numpy(x)
    return torch_gradient(torch_loss, p, samples, temperature)


def torch_compile(prototypes, x, temperature):
    import torch
    torch._dynamo.reset()               # each shape its own code, as its first call is timed
    p, samples = torch.tensor(prototypes, requires_grad=True), torch.from_numpy(x)
    return torch_gradient(torch.compile(torch_loss, dynamic=False), p, samples, temperature)


def torch_loss(p, x, temperature):
    import torch
    if p.shape[1] == 1:
        costs = (x - p.T).square()
    else:
        costs = x.square().sum(1)[:, None] + p.square().sum(1) - 2 * x @ p.T
    return -temperature * torch.logsumexp(-costs / temperature, dim=1).mean()


def torch_gradient(loss, p, x, temperature):
    import torch

    def compute():
        value = loss(p, x, temperature)
        gradient, = torch.autograd.grad(value, p)
        return value.item(), gradient.numpy()
    return compute


def jax_jit(prototypes, x, temperature):
    import jax
    import jax.numpy as jnp
    jax.config.update("jax_enable_x64", True)

    def loss(p, x):
        if p.shape[1] == 1:
            costs = jnp.square(x - p.T)
        else:
            costs = jnp.square(x).sum(1)[:, None] + jnp.square(p).sum(1) - 2 * x @ p.T
        return -temperature * jax.nn.logsumexp(-costs / temperature, axis=1).mean()

    value_and_gradient = jax.jit(jax.value_and_grad(loss))
    p, samples = jnp.asarray(prototypes), jnp.asarray(x)
    return lambda: jax.block_until_ready(value_and_gradient(p, samples))


def keops(prototypes, x, temperature):
    import torch
    from pykeops.torch import LazyTensor
    p, samples = torch.tensor(prototypes, requires_grad=True), torch.from_numpy(x)

    def loss(p, x, temperature):
        costs = ((LazyTensor(x[:, None]) - LazyTensor(p[None])) ** 2).sum(-1)
        return -temperature * (-costs / temperature).logsumexp(dim=1).mean()
    return torch_gradient(loss, p, samples, temperature)


# In the order of the tables; the library that each needs beside minimlp's own.
COMPETITORS = {"simd": (simd, "numba"), "plain": (plain, "numba"), "reference": (reference, "numpy"),
               "numpy gemm": (numpy_gemm, "numpy"), "torch eager": (torch_eager, "torch"),
               "torch compile": (torch_compile, "torch"), "jax jit": (jax_jit, "jax"),
               "keops": (keops, "pykeops")}
