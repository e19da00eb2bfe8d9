"""The figures of `minimlp repair`: the arms against size, and prototypes during training."""

import numpy as np
from matplotlib.lines import Line2D

from .plots import COLOURS, HULL, drawn, mean_interval, saved
from .study.repairing import SHOWN, TEMPERATURES, demonstration
from .study.specialization import metric_table

# colour: the temperature; line: whether it is repaired
SHADES = {"coverage": COLOURS["coverage"], "cold coverage": COLOURS["overlap"],
          "annealed coverage": COLOURS["separation"], "balanced coverage": "#000000"}
LINES = {"": ((0, (4, 2)), "o"), ", restarted": ((0, (1, 1.5)), "s"), ", repaired": ("-", "^"),
         ", repaired at random": ((0, (6, 1.5, 1, 1.5)), "v")}
COMPARED = (*(base + kind for kind in ("", ", repaired") for base in TEMPERATURES), "balanced coverage")
PANELS = (("reconstruction_error", "reconstruction error"), ("specialization_ratio", "specialization ratio"))


def parts(arm):
    """The arm's loss with its temperature, and what became of it: ("cold coverage", ", repaired")."""
    base, comma, kind = arm.partition(",")
    return base, comma + kind


def curves(axis, rows, metric, arms):
    """A metric against N, one line an arm: means over seeds and their intervals."""
    table = metric_table(rows, metric, "arm")
    sizes = np.array(list(table))
    for k, arm in enumerate(arms):
        base, kind = parts(arm)
        line, marker = LINES[kind] if base in TEMPERATURES else ("-", "D")
        stats = np.array([mean_interval(list(table[size][arm].values())) for size in sizes])
        nudged = sizes * 1.025 ** (k - (len(arms) - 1) / 2)         # keeps intervals apart
        axis.errorbar(nudged, stats[:, 0], abs(stats[:, 1:] - stats[:, :1]).T, color=SHADES[base],
                      linestyle=line, marker=marker, markersize=4.5, capsize=2, label=arm)
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
    with saved(path, 2, 3, height=6.0, sharex=True, sharey="row") as (figure, axes):
        for row, (metric, title) in zip(axes, PANELS):
            for axis, base in zip(row, TEMPERATURES):
                curves(axis, rows, metric, [base + kind for kind in LINES])
                axis.set(title=base if row is axes[0] else "")
            row[0].set_ylabel(title)
        if any(row["reconstruction_error"] for row in rows):
            axes[0, 0].set_yscale("log")
        for axis in axes[1]:
            axis.set_xlabel("N = M")
        handles = [Line2D([], [], color="#555555", linestyle=line, marker=marker, markersize=4.5,
                          label=kind.removeprefix(", ") or "as it is") for kind, (line, marker) in LINES.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)


def positions(path, demo):
    """Prototypes of one start during training; where a line begins anew its unit was born again."""
    x, steps, acts = demo["x"][:, 0], demo["steps"], demo["acts"]
    with saved(path, 1, len(SHOWN), height=3.8, sharey=True) as (figure, axes):
        figure.suptitle(f"Prototypes of the same start, N = M = {len(x)}; dots: born again at an act of repair",
                        x=0.01, ha="left", fontsize=10)
        for axis, arm in zip(axes[0], SHOWN):
            p, colour = demo[arm], SHADES[parts(arm)[0]]
            axis.axhspan(x.min(), x.max(), color=HULL, zorder=0)
            for first, last in pieces(steps[:len(p)], acts if "repaired" in arm else ()):
                axis.plot(steps[first:last], p[first:last], color=colour, linewidth=1.0)
            if "repaired" in arm:
                mark_births(axis, steps, acts, p)
            axis.plot(np.full(len(x), 1.04 * steps[-1]), x, "k_", markersize=7, clip_on=False)
            axis.set(title=arm, xlabel="step", ylim=(-1.7, 1.7))
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
