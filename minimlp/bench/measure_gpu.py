"""What is measured on a GPU: the kernels' table, the card's ceilings, the public functions, one large training."""

from dataclasses import dataclass

from .gpu import COMPETITORS
from .measure import Bench, BenchConfig, write_tables
from .processes import Field

# JAX would take most of the card's memory for itself.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TORCHINDUCTOR_COMPILE_THREADS": "1"}


@dataclass(frozen=True)
class GpuConfig(BenchConfig):
    """Settings of the GPU's part; what a full one takes.

    Attributes
    ----------
    training_size, training_steps : int
        N = M of the training, and how many of its steps are timed.
    ceilings : tuple of (str, int)
        Arguments of `gpu_ceilings.ceilings` that are not its defaults.

    And those of BenchConfig.
    """

    sizes: tuple = (1024, 4096, 16384, 65536, 131072)
    dtypes: tuple = ("float32", "float64")
    competitors: tuple = tuple(COMPETITORS)
    trainings: tuple = ()
    call_limit: float = 1.0
    budget: float = 1.0
    truth_pairs: int = 1024**2
    memory_sizes: tuple = ()
    backends: tuple = ("numpy", "cpu", "gpu")
    functions_dimensions: tuple = (1,)
    new_caches: bool = False
    training_size: int = 65536
    training_steps: int = 10
    ceilings: tuple = ()


FULL = GpuConfig()
# So small that the simulator gets through it.
QUICK = GpuConfig(sizes=(8, 16), dimensions=(1, 2), dtypes=("float32",), rounds=2, budget=0.1, truth_pairs=16**2,
                  call_limit=60.0, functions_size=8, training_size=8, training_steps=1,
                  competitors=("gpu", "gpu, from host", "cpu simd"),
                  ceilings=(("blocks", 2), ("threads", 4), ("steps", 3), ("copied", 1000)))


class GpuBench(Bench):
    """One run of the GPU's part."""

    kind, competitors, base = "gpu", COMPETITORS, "gpu"
    unit, units = "ps", 1e12

    def __enter__(self):
        super().__enter__()
        self.environment = ENVIRONMENT
        return self

    def run(self):
        ceilings = self.ceilings()
        return {"gpu.csv": self.kernels(ceilings), "gpu_ceilings.csv": ceilings,
                "gpu_functions.csv": self.functions(), "gpu_training.csv": self.training()}

    def ceilings(self):
        return self.ask("ceiling", "gpu", "ceilings of the GPU", kinds=self.config.dtypes,
                        **dict(self.config.ceilings)).get("ceilings", [])

    def ask(self, kind, name, text, **task):
        """The reply of a process for this task alone."""
        self.line.show(text)
        with Field({name: (kind, name, self.environment)}) as field:
            return field.competitors[name].ask(do="prepare", task=task, expected=60.0)

    def training(self):
        rows, size = [], self.config.training_size
        for dtype in self.config.dtypes:
            for backend in ("gpu", "cpu"):
                steps = self.config.training_steps if backend == "gpu" else 1
                reply = self.ask("step", backend, f"training, N = M = {size}, {dtype}, {backend}",
                                 size=size, dtype=dtype, steps=steps)
                rows.append({"backend": backend, "N": size, "dtype": dtype, "steps": steps,
                             "seconds_a_step": reply.get("step"), "failure": reply.get("failure", "")})
        return rows


def run_gpu_bench(directory, config=FULL, progress=False):
    """As `measure.run_bench`, of the GPU."""
    from ..kernels.gpu import diagnosis
    from .figures import gpu_figures
    with GpuBench(config, progress) as bench:
        rows, missing = bench.run(), bench.missing()
    found = diagnosis()
    notes = [f"GPU: {found.get('device', 'simulated, so the times mean nothing')}; "
             f"driver {found.get('driver', 'none')}"]
    return rows, missing, [*write_tables(directory, rows, config, notes), *gpu_figures(directory)]
