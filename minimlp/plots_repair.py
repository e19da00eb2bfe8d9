"""The figures of `minimlp repair`: the arms against size, and prototypes during training."""

import numpy as np

from .plots import COLOURS, HULL, drawn, mean_interval, saved
from .study.repairing import SHOWN, demonstration
from .study.specialization import metric_table

# colour: the loss and what became of it; solid: repaired; dashed: not, or at random
STYLES = {"coverage": (COLOURS["coverage"], (0, (4, 2)), "o"),
          "restarted": (COLOURS["coverage"], (0, (1, 1.5)), "s"),
          "repaired": (COLOURS["coverage"], "-", "^"),
          "repaired at random": (COLOURS["coverage"], (0, (6, 1.5, 1, 1.5)), "v"),
          "annealed": (COLOURS["overlap"], (0, (4, 2)), "o"),
          "annealed, restarted": (COLOURS["overlap"], (0, (1, 1.5)), "s"),
          "annealed, repaired": (COLOURS["overlap"], "-", "^"),
          "annealed, repaired at random": (COLOURS["overlap"], (0, (6, 1.5, 1, 1.5)), "v"),
          "balanced": ("#000000", "-", "D")}
COMPARED = ("coverage", "repaired", "annealed", "annealed, repaired", "balanced")
CONTROLS = (("restarted", "repaired at random", "repaired"),
            ("annealed, restarted", "annealed, repaired at random", "annealed, repaired"))
NAMES = {"coverage": "coverage", "repaired": "coverage, repaired", "annealed": "annealed coverage",
         "annealed, repaired": "annealed coverage, repaired", "balanced": "balanced coverage",
         "restarted": "coverage, Adam restarted", "repaired at random": "coverage, repaired at random",
         "annealed, restarted": "annealed, Adam restarted",
         "annealed, repaired at random": "annealed, repaired at random"}
PANELS = (("reconstruction_error", "reconstruction error"), ("specialization_ratio", "specialization ratio"))


def curves(axis, rows, metric, arms):
    """A metric against N, one line an arm: means over seeds and their intervals."""
    table = metric_table(rows, metric, "arm")
    sizes = np.array(list(table))
    for k, arm in enumerate(arms):
        colour, line, marker = STYLES[arm]
        stats = np.array([mean_interval(list(table[size][arm].values())) for size in sizes])
        nudged = sizes * 1.025 ** (k - (len(arms) - 1) / 2)         # keeps intervals apart
        axis.errorbar(nudged, stats[:, 0], abs(stats[:, 1:] - stats[:, :1]).T, color=colour, linestyle=line,
                      marker=marker, markersize=4.5, capsize=2, label=NAMES[arm])
    axis.set(xscale="log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.xaxis.minorticks_off()


def arms_by_size(path, rows):
    """Reconstruction error and specialization ratio of coverage, repaired or not, and balanced coverage."""
    with saved(path, 1, 2, height=4.0) as (figure, [axes]):
        for axis, (metric, title) in zip(axes, PANELS):
            curves(axis, rows, metric, COMPARED)
            axis.set(title=title, xlabel="N = M, samples and hidden units")
        if any(row["reconstruction_error"] for row in rows):
            axes[0].set_yscale("log")
        axes[1].set_ylim(None, 1.02)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def controls_by_size(path, rows):
    """Repair against its controls: Adam restarted without it, and a random direction."""
    with saved(path, 2, 2, height=6.4) as (figure, axes):
        for row, (metric, title) in zip(axes, PANELS):
            for axis, arms in zip(row, CONTROLS):
                curves(axis, rows, metric, arms)
                axis.set(title=f"{title}, {'annealed' if arms is CONTROLS[1] else 'constant'} temperature")
                if metric == "reconstruction_error" and any(r[metric] for r in rows):
                    axis.set_yscale("log")
            low, high = zip(*(axis.get_ylim() for axis in row))
            for axis in row:
                axis.set_ylim(min(low), max(high))
        for axis in axes[1]:
            axis.set_xlabel("N = M, samples and hidden units")
        handles = {label.split(", ")[-1]: handle for axis in axes[0][:1]
                   for handle, label in zip(*axis.get_legend_handles_labels())}
        for axis in axes[0]:
            axis.legend(fontsize=8.5)


def positions(path, demo):
    """Prototypes of one start during training; where a line begins anew its unit was born again."""
    x, steps, acts = demo["x"][:, 0], demo["steps"], demo["acts"]
    with saved(path, 1, len(SHOWN), height=3.8, sharey=True) as (figure, axes):
        figure.suptitle(f"Prototypes of the same start, N = M = {len(x)}; dots: born again at an act of repair",
                        x=0.01, ha="left", fontsize=10)
        for axis, arm in zip(axes[0], SHOWN):
            p, colour = demo[arm], STYLES[arm][0]
            axis.axhspan(x.min(), x.max(), color=HULL, zorder=0)
            for first, last in pieces(steps[:len(p)], acts if "repaired" in arm else ()):
                axis.plot(steps[first:last], p[first:last], color=colour, linewidth=1.0)
            if "repaired" in arm:
                mark_births(axis, steps, acts, p)
            axis.plot(np.full(len(x), 1.04 * steps[-1]), x, "k_", markersize=7, clip_on=False)
            axis.set(title=NAMES[arm].replace(" coverage, ", ",\n"), xlabel="step", ylim=(-1.7, 1.7))
            axis.set_xticks([0, *(acts if "repaired" in arm else ()), steps[-1]])
        axes[0, 0].set_ylabel("prototype position\n(shaded: hull; dashes: samples)")


def pieces(steps, acts):
    """(first, last) of the stretches of training between acts."""
    cuts = [0, *(int(np.searchsorted(steps, act)) for act in acts), len(steps)]
    return zip(cuts, cuts[1:])


def mark_births(axis, steps, acts, p):
    """A dot where a prototype begins that was not within reach of a step's move."""
    for act in acts:
        k = int(np.searchsorted(steps, act))
        if k < len(p):
            born = np.abs(p[k] - p[k - 1]) > 0.1
            axis.plot(np.full(born.sum(), act), p[k][born], "o", color="black", markersize=3, zorder=3)


def repair_figures(config, rows, summary, log):
    """All figures of `minimlp repair`, from its log; returns their paths."""
    demo = demonstration(config, log)
    return drawn(log.directory, {"repair.png": lambda path: arms_by_size(path, rows),
                                 "controls.png": lambda path: controls_by_size(path, rows),
                                 "positions.png": lambda path: positions(path, demo)})
