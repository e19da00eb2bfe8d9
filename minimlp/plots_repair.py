"""The figures of `minimlp repair`: the arms against size, and prototypes during training."""

import numpy as np
from matplotlib.lines import Line2D

from .plots import COLOURS, HULL, drawn, mean_interval, nudged, saved, ticks_at, with_intervals
from .study.contrasts import metric_table
from .study.repairing import SHOWN, TEMPERATURES, demonstration
from .study.text import words

# colour: the temperature; line: whether it is repaired
SHADES = {**{name: COLOURS[name] for name in TEMPERATURES}, "balanced coverage": COLOURS["balanced"]}
LINES = {"": ((0, (4, 2)), "o"), ", restarted": ((0, (1, 1.5)), "s"), ", repaired": ("-", "^"),
         ", repaired at random": ((0, (6, 1.5, 1, 1.5)), "v")}
COMPARED = (*TEMPERATURES, *(base + ", repaired" for base in TEMPERATURES), "balanced coverage")
FAR = 0.1           # a birth that shows
PANELS = ("reconstruction_error", "specialization_ratio")


def parts(arm):
    """The arm's loss with its temperature, and what became of it: ("cold coverage", ", repaired")."""
    base, comma, kind = arm.partition(",")
    return base, comma + kind


def curves(axis, rows, metric, arms):
    """A metric against N, one line an arm: means over seeds and their intervals."""
    table = metric_table(rows, metric, "arm")
    for k, arm in enumerate(arms):
        base, kind = parts(arm)
        line, marker = LINES[kind] if base in TEMPERATURES else ("-", "D")
        stats = np.array([mean_interval(list(table[size][arm].values())) for size in table])
        with_intervals(axis, nudged(list(table), k, len(arms), 1.025), stats, color=SHADES[base], linestyle=line,
                       marker=marker, markersize=4.5, label=arm)
    ticks_at(axis, list(table))


def arms_by_size(path, rows):
    """Reconstruction error and specialization ratio of coverage, repaired or not, and balanced coverage."""
    with saved(path, 1, 2, height=4.0) as (figure, [axes]):
        for axis, metric in zip(axes, PANELS):
            curves(axis, rows, metric, COMPARED)
            axis.set(title=words(metric), xlabel="N = M, samples and hidden units")
        logarithmic(axes[0], rows)
        axes[1].set_ylim(None, 1.02)
        handles, names = axes[0].get_legend_handles_labels()
        order = [*range(0, 6, 3), 6, *range(1, 6, 3), *range(2, 6, 3)]      # a column for each temperature
        figure.legend([handles[k] for k in order], [names[k] for k in order], loc="outside upper center", ncols=3)


def logarithmic(axis, rows):
    """A logarithmic axis of errors; intervals that reach 0 are cut below the least mean."""
    table = metric_table(rows, "reconstruction_error", "arm")
    means = [np.mean(list(values.values())) for by_arm in table.values() for values in by_arm.values()]
    if min(means) > 0:
        axis.set(yscale="log", ylim=(min(means) / 2, 2 * max(means)))


def controls_by_size(path, rows):
    """Repair against its controls: Adam restarted without it, and a random direction."""
    with saved(path, 2, 3, height=6.0, sharex=True, sharey="row") as (figure, axes):
        for row, metric in zip(axes, PANELS):
            for axis, base in zip(row, TEMPERATURES):
                curves(axis, rows, metric, [base + kind for kind in LINES])
            row[0].set_ylabel(words(metric))
        logarithmic(axes[0, 0], rows)
        for axis, base in zip(axes[0], TEMPERATURES):
            axis.set_title(base)
        for axis in axes[1]:
            axis.set_xlabel("N = M")
        handles = [Line2D([], [], color="#555555", linestyle=line, marker=marker, markersize=4.5,
                          label=kind.removeprefix(", ") or "as it is") for kind, (line, marker) in LINES.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)


def positions(path, demo):
    """Prototypes of one start during training; where a line begins anew its unit was born again."""
    x, steps, acts = demo["x"][:, 0], demo["steps"], demo["acts"]
    reach = min(2.5, 1.1 * max(np.abs(demo[arm]).max(initial=1) for arm in SHOWN))
    with saved(path, 1, len(SHOWN), height=3.8, sharey=True) as (figure, axes):
        figure.suptitle(f"One start, N = M = {len(x)}; dotted: acts of repair; where a line breaks its unit was "
                        f"born again (dots: over {FAR:g} away)", x=0.01, ha="left", fontsize=10)
        for axis, arm in zip(axes[0], SHOWN):
            (base, kind), p = parts(arm), demo[arm]
            axis.axhspan(x.min(), x.max(), color=HULL, zorder=0)
            for first, last in pieces(steps[:len(p)], acts if kind else ()):
                axis.plot(steps[first:last], p[first:last], color=SHADES[base], linewidth=1.0)
            if kind:
                mark_births(axis, steps, acts, p)
            axis.plot(np.full(len(x), 1.04 * steps[-1]), x, "k_", markersize=7, clip_on=False)
            axis.set(title=arm, xlabel="step", ylim=(-reach, reach))
            axis.set_xticks([0, steps[-1]])
            axis.grid(False)
        axes[0, 0].set_ylabel("prototype position\n(shaded: hull; dashes: samples)")


def pieces(steps, acts):
    """(first, last) of the stretches of training between acts."""
    cuts = [0, *(int(np.searchsorted(steps, act)) for act in acts), len(steps)]
    return zip(cuts, cuts[1:])


def mark_births(axis, steps, acts, p):
    """A line at each act, and a dot where a prototype is born again far away."""
    for act in acts:
        k = int(np.searchsorted(steps, act))
        axis.axvline(act, color="black", linewidth=0.8, linestyle=":")
        if k < len(p):
            born = np.abs(p[k] - p[k - 1]) > FAR
            axis.plot(np.full(born.sum(), act), p[k][born], "o", color=COLOURS["overlap"], markersize=4, zorder=3)


def repair_figures(config, rows, summary, log):
    """All figures of `minimlp repair`, from its log; returns their paths."""
    demo = demonstration(config, log)
    return drawn(log.directory, {"repair.png": lambda path: arms_by_size(path, rows),
                                 "controls.png": lambda path: controls_by_size(path, rows),
                                 "positions.png": lambda path: positions(path, demo)})
