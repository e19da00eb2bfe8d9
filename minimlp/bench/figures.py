"""The bench's figures, from its CSV files alone."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ..plots import saved
from .tables import read_table

# Okabe and Ito's colours, as everywhere; ours in blue, NumPy's in grey.
GPU_COLOURS = {"gpu": "#0072B2", "gpu, from host": "#56B4E9", "cpu simd": "#555555",
               "torch eager": "#D55E00", "torch compile": "#E69F00", "jax jit": "#CC79A7",
               "cupy": "#009E73"}
COLOURS = {"simd": "#0072B2", "plain": "#56B4E9", "reference": "#555555", "numpy gemm": "#999999",
           "torch eager": "#D55E00", "torch compile": "#E69F00", "jax jit": "#CC79A7",
           "keops": "#009E73"}
SHOWN = 4096                # N = M of the figures and the README's table
MULTIPLY_ADD, EXP = "#E69F00", "#0072B2"


def shown_size(rows):
    """4096, or the nearest size that there is."""
    return min({row["N"] for row in rows}, key=lambda size: abs(size - SHOWN))


def panels(rows):
    """The rows at the shown size by panel, types down and dimensions across."""
    dtypes, dimensions = (list(dict.fromkeys(row[name] for row in rows)) for name in ("dtype", "d"))
    size = shown_size(rows)
    return size, [[[row for row in rows if (row["N"], row["dtype"], row["d"]) == (size, dtype, d)]
                   for d in dimensions] for dtype in dtypes]


def kernel_bars(path, rows):
    """Nanoseconds a pair of every competitor, the gradient's error beside; failures marked."""
    size, grid = panels(rows)
    times = [row["ns_per_pair"] for line in grid for panel in line for row in panel
             if row["ns_per_pair"]] or [1.0]
    low, high = 0.5 * min(times), 40 * max(times)
    with saved(path, len(grid), len(grid[0]), height=0.9 + 2.5 * len(grid), sharex=True,
               sharey=True) as (figure, axes):
        figure.suptitle(f"Coverage and its gradient, N = M = {size}; beside each bar its time and "
                        "the gradient's relative error", x=0.01, ha="left", fontsize=10)
        for axis, panel in zip(axes.flat, (panel for line in grid for panel in line)):
            for k, row in enumerate(panel):
                ns, name = row["ns_per_pair"], row["competitor"]
                if ns:
                    axis.barh(-k, ns - low, left=low, color=COLOURS[name], height=0.7)
                error = f", {row['gradient_error']:.0e}" if row["gradient_error"] else ""
                axis.text(ns * 1.15 if ns else low * 1.1, -k,
                          f"{rounded(ns)}{error}" if ns else "none: " + reason(row), va="center",
                          fontsize=8, color="black" if ns else "#B00000")
            axis.set_yticks(range(0, -len(panel), -1), [row["competitor"] for row in panel])
            axis.set(xscale="log", xlim=(low, high), title=f"d = {panel[0]['d']}, {panel[0]['dtype']}")
            plain(axis.xaxis)
            axis.grid(False, axis="y")
            axis.set_axisbelow(True)
        for axis in axes[-1]:
            axis.set_xlabel("nanoseconds a pair (log)")


def rounded(value):
    """Two digits, without a power of ten."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def plain(axis):
    """Labels of a logarithmic axis as plain numbers, at its major ticks alone."""
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def reason(row):
    """Why a row has no time, in a few words."""
    failure = row["failure"] or ""
    memory = ("memory", "Memory", "allocate", "RESOURCE_EXHAUSTED", "signal 9")
    return "memory" if any(word in failure for word in memory) else \
        "too slow" if failure.startswith("about") else failure[:24]


def ceiling_shares(path, rows):
    """What share of the machine's multiply-adds and exponentials each competitor reaches."""
    size, grid = panels(rows)
    with saved(path, len(grid), len(grid[0]), height=1.3 + 2.3 * len(grid), sharex=True,
               sharey=True) as (figure, axes):
        for axis, panel in zip(axes.flat, (panel for line in grid for panel in line)):
            for k, row in enumerate(panel):
                exp, fma = (100 * (row[name] or 0) for name in ("exp_share", "multiply_add_share"))
                axis.barh(-k, exp, color=EXP, height=0.7)
                axis.barh(-k, fma, left=exp, color=MULTIPLY_ADD, height=0.7)
                axis.text(exp + fma + 2, -k, f"{rounded(exp + fma)} %" if exp else "none: " + reason(row), va="center",
                          fontsize=8)
            axis.axvline(100, color="black", linewidth=1, linestyle=":")
            axis.set_yticks(range(0, -len(panel), -1), [row["competitor"] for row in panel])
            axis.set(xlim=(0, 118), title=f"d = {panel[0]['d']}, {panel[0]['dtype']}")
            axis.grid(False, axis="y")
            axis.set_axisbelow(True)
        for axis in axes[-1]:
            axis.set_xlabel("% of the ceilings, N = M = " + str(size))
        handles = [Line2D([], [], color=EXP, linewidth=6), Line2D([], [], color=MULTIPLY_ADD, linewidth=6)]
        figure.legend(handles, ["one exponential a pair", "2 d multiply-adds a pair"],
                      loc="outside upper center", ncols=2)


def scaling(path, rows, ceilings):
    """The compiled kernels against N, d and threads."""
    with saved(path, 1, 3, height=3.5) as (figure, [axes]):
        for axis, kind in zip(axes, ("N", "d", "threads")):
            here = [row for row in rows if row["axis"] == kind and row["ns_per_pair"]]
            if here:
                speedups(axis, here) if kind == "threads" else times(axis, kind, here)
        bound(axes[1], rows, ceilings)
        names = list(dict.fromkeys(row["competitor"] for row in rows))
        handles = [Line2D([], [], color=COLOURS[name], marker="o", markersize=4) for name in names]
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))


def lines_of(rows):
    """Rows by competitor and d."""
    lines = {}
    for row in rows:
        lines.setdefault((row["competitor"], row["d"] if row["axis"] == "threads" else None),
                         []).append(row)
    return lines


def times(axis, kind, rows):
    """Nanoseconds a pair, with quartiles."""
    for (name, _), line in lines_of(rows).items():
        ns, low, high = ([row[column] for row in line]
                         for column in ("ns_per_pair", "ns_low", "ns_high"))
        errors = [[a - b for a, b in zip(ns, low)], [b - a for a, b in zip(ns, high)]]
        axis.errorbar([row[kind] for row in line], ns, errors, marker="o", markersize=4, capsize=2,
                      color=COLOURS[name])
    title = "d = 1" if kind == "N" else f"N = M = {rows[0]['N']}"
    axis.set(xscale="log", yscale="log", xlabel="N = M" if kind == "N" else kind,
             ylabel="nanoseconds a pair", title=f"{title}, all threads")
    plain(axis.xaxis)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plain(axis.yaxis)
    if kind == "d":
        ticks = sorted({row["d"] for row in rows})
        axis.set_xticks(ticks, [str(tick) for tick in ticks])


def speedups(axis, rows):
    """Times as fast as with one thread."""
    ticks = sorted({row["threads"] for row in rows})
    for (name, d), line in lines_of(rows).items():
        axis.plot([row["threads"] for row in line],
                  [line[0]["ns_per_pair"] / row["ns_per_pair"] for row in line], marker="o",
                  markersize=4, color=COLOURS[name], linestyle="-" if d == rows[0]["d"] else "--")
    axis.plot(ticks, ticks, "k:", linewidth=1)
    axis.annotate("ideal", (ticks[-1], ticks[-1]), (-34, -3), textcoords="offset points", fontsize=8)
    others = "".join(f"; dashed: d = {d}" for d in sorted({row["d"] for row in rows})[1:])
    axis.set(xlabel="threads", ylabel="times as fast as one", ylim=(0, None),
             title=f"N = M = {rows[0]['N']}{others}")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])


def bound(axis, rows, ceilings):
    """The time that one exponential and 2 d multiply-adds a pair take at the ceilings."""
    best = {row["operation"]: row["ns"] for row in ceilings if row["dtype"] == "float64"
            and row["threads"] == max(r["threads"] for r in ceilings)}
    d = sorted({row["d"] for row in rows if row["axis"] == "d"})
    if best:
        ns = [best["exp2"] + 2 * k * best["multiply-add"] for k in d]
        axis.plot(d, ns, "k:", linewidth=1)
        axis.annotate("ceilings", (d[-1], ns[-1]), (0, -38), textcoords="offset points", fontsize=8,
                      ha="right")


def figures(directory):
    """Draw every figure from the tables in a directory; returns their paths."""
    rows = {name: read_table(directory / f"{name}.csv")[1]
            for name in ("bench", "scaling", "ceilings")}
    paths = [directory / name for name in ("kernels.png", "ceilings.png", "scaling.png")]
    kernel_bars(paths[0], rows["bench"])
    ceiling_shares(paths[1], rows["bench"])
    scaling(paths[2], rows["scaling"], rows["ceilings"])
    return paths


def gpu_figures(directory):
    """Draw the GPU's figure from its table; returns the path in a list."""
    rows = read_table(directory / "gpu.csv")[1]
    path = directory / "gpu.png"
    gpu_times(path, rows)
    return [path]


def gpu_times(path, rows):
    """Milliseconds a call against N = M, where the GPU overtakes the processor marked."""
    dtypes, dimensions = (list(dict.fromkeys(row[name] for row in rows)) for name in ("dtype", "d"))
    with saved(path, len(dtypes), len(dimensions), height=1.0 + 2.6 * len(dtypes), sharex=True,
               sharey=True) as (figure, axes):
        for axis, (dtype, d) in zip(axes.flat, [(dtype, d) for dtype in dtypes for d in dimensions]):
            here = [row for row in rows if (row["dtype"], row["d"]) == (dtype, d) and row["ps_per_pair"]]
            lines = {}
            for row in here:
                lines.setdefault(row["competitor"], []).append(
                    (row["N"], row["ps_per_pair"] * row["N"] * row["M"] / 1e9))
            for name, line in lines.items():
                axis.plot(*zip(*line), marker="o", markersize=3.5, color=GPU_COLOURS[name])
            size = crossover(dict(lines.get("gpu, from host", ())), dict(lines.get("cpu simd", ())))
            if size:
                axis.axvline(size, color="black", linewidth=1, linestyle=":")
            axis.set(xscale="log", yscale="log", title=f"d = {d}, {dtype}")
            plain(axis.xaxis)
        for axis in axes[-1]:
            axis.set_xlabel("N = M")
        for axis in axes[:, 0]:
            axis.set_ylabel("milliseconds a call")
        names = list(dict.fromkeys(row["competitor"] for row in rows))
        handles = [Line2D([], [], color=GPU_COLOURS[name], marker="o", markersize=4) for name in names]
        figure.legend([*handles, Line2D([], [], color="black", linewidth=1, linestyle=":")],
                      [*names, "the GPU overtakes, transfers counted"],
                      loc="outside upper center", ncols=4)


def crossover(gpu, cpu):
    """The N where two lines of milliseconds cross, on logarithmic scales; None if they don't."""
    sizes = sorted(set(gpu) & set(cpu))
    gaps = [np.log(gpu[size] / cpu[size]) for size in sizes]
    for (a, b), (gap, following) in zip(zip(sizes, sizes[1:]), zip(gaps, gaps[1:])):
        if gap > 0 >= following:
            return float(a * (b / a) ** (gap / (gap - following)))
    return None
