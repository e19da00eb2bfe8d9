"""The figures of `minimlp phase`, in the style of plots.py, from the study's stored results alone."""

import numpy as np
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.lines import Line2D

from .plots import drawn, mean_interval, saved, ticks_at, with_intervals
from .study import phase
from .study.frontier import predicted_frontier
from .study.temperature import ONE

# Perceptually uniform: one with a middle where 0 matters, two without.
CHANGE, ERROR, USAGE = "berlin", "cividis_r", "viridis"
PREDICTED = "#F0E442"           # Okabe and Ito's yellow: apart from every map beneath
LINES = {ONE: {}, phase.LEVEL: {"linestyle": (0, (4, 2))}, 0.0: {"color": "#CC79A7"}}
X_LABELS = {"coverage": "temperature tau", "separation": "temperature tau",
            "overlap": "2 / w^2 at the start", "balanced": "last temperature tau",
            phase.PAIR: "separation's temperature tau"}
TITLES = {phase.PAIR: "separation beside coverage", "balanced": "balanced coverage"}
SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
HELD_BACK = 0.02                # share of cells beyond each end of an error's colours


def edges(values):
    """Cell borders about the points of a logarithmic grid (G,): (G + 1,)."""
    logs = np.log(values)
    half = np.diff(logs) / 2 if len(logs) > 1 else np.array([0.5])
    return np.exp(np.concatenate([[logs[0] - half[0]], logs[:-1] + half[:len(logs) - 1], [logs[-1] + half[-1]]]))


def map_of(axis, config, name, values, **colours):
    """A diagram's map (temperatures, coefficients) in colours, both axes logarithmic."""
    mesh = axis.pcolormesh(edges(config.temperatures_of(name)), edges(config.coefficients), values.T, **colours)
    axis.set(xscale="log", yscale="log")
    axis.grid(False)
    axis.tick_params(which="minor", length=0)
    return mesh


def outlined(axis, x, y, color="white", width=1.6, **options):
    """A line that shows on every colour: over a wider black one, which is whole where it is dashed."""
    axis.plot(x, y, color="black", linewidth=width + 1.6)
    axis.plot(x, y, color=color, linewidth=width, **options)


def numbers(values):
    """None, which JSON has for what is missing, as nan."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def overlay(axis, config, lines, size):
    """The frontiers of one map, the predicted one, and where the reach is the mean spacing."""
    limits = axis.get_xlim(), axis.get_ylim()
    outlined(axis, [config.tied(1.0, size)] * 2, limits[1], width=1, linestyle=(0, (1, 1.5)),
             label="law: tau = (range/N)^2")
    for line in lines:
        tau, found, low, high = (numbers(line[name]) for name in ("temperatures", "coefficient", "low", "high"))
        axis.vlines(tau, low, high, color="white", linewidth=1)
        outlined(axis, tau, found, marker="o", markersize=2.5, label=line_label(line), **LINES[line["level"]])
    if lines and lines[0]["predicted"]:
        outlined(axis, lines[0]["temperatures"], numbers(lines[0]["predicted"]), PREDICTED,
                 label="predicted: push = pull")
        axis.plot(config.tied(config.ratio, size), config.coefficient, "*", color=PREDICTED, markersize=11,
                  markeredgecolor="black", label=f"the claim: tau = {config.ratio:g} (range/N)^2")
    axis.set(xlim=limits[0], ylim=limits[1])


def line_label(line):
    """A frontier in the legend."""
    if line["level"] == 0:
        return "as many out as with neither"
    amount = line["level"] if line["level"] == ONE else f"{line['level']:.0%}"
    than = "" if line["against"] == "none" else f" than under {line['against']}"
    return f"{amount} {'fewer' if line['diagram'] in phase.ATTRACTORS else 'more'} out{than}"


def legend(figure, handles, title):
    """Above the maps."""
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=2, fontsize=9, title=title,
                  alignment="left", handlelength=3)


def marks(axes):
    """Handles by label, a line's with the black one under it."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    return {label: handle if handle.get_linestyle() == "None" else
            (Line2D([], [], color="black", linewidth=handle.get_linewidth() + 1.6), handle)
            for label, handle in found.items()}


def change_norm(values):
    """Colours with 0 in the middle, as far to each side as the values go, and 0.2 at least."""
    return TwoSlopeNorm(0.0, min(-0.2, np.min(values)), max(0.2, np.max(values)))


def change_bar(figure, mesh, axes, label):
    """A colour bar with round numbers on both sides of 0."""
    bar = figure.colorbar(mesh, ax=axes, label=label, pad=0.01, aspect=14)
    low, high = mesh.norm.vmin, mesh.norm.vmax
    bar.set_ticks([*np.arange(-0.1, low - 1e-9, -0.1)[::-1], *np.arange(0, high + 1e-9, 0.2 if high > 0.4 else 0.1)])


def lines_of(summary, name, size):
    return [line for line in summary["frontiers"] if (line["diagram"], line["size"]) == (name, size)]


def limits_of(values, colours):
    """What the ends of the colours stand for."""
    if colours == CHANGE:
        return {"norm": change_norm(values)}
    if colours == ERROR:
        low, high = np.quantile(values, [HELD_BACK, 1 - HELD_BACK])
        return {"norm": LogNorm(low or 1e-300, max(high, 1.01 * low or 1.0))}
    return {"vmin": np.min(values), "vmax": np.max(values)}


def diagram(path, name, maps, summary):
    """One loss: what it changes in the expelled fraction, the error and the ratio, for each size."""
    config = maps.config
    table = {"expelled fraction, less the baseline's": (
                 lambda size: maps.excess(name, size, baseline_of(name)).mean(axis=0), CHANGE),
             "reconstruction error": (lambda size: maps.grid(name, size, "reconstruction_error").mean(axis=0), ERROR),
             "specialization ratio": (lambda size: maps.grid(name, size, "specialization_ratio").mean(axis=0), USAGE)}
    columns = len(config.sizes)
    with saved(path, 3, columns, height=8.6, sharex=True, sharey=True) as (figure, axes):
        for row, (title, (values, colours)) in zip(axes, table.items()):
            found = [values(size) for size in config.sizes]
            limits = limits_of(found, colours)
            for axis, size, values in zip(row, config.sizes, found):
                mesh = map_of(axis, config, name, values, cmap=colours, **limits)
                overlay(axis, config, lines_of(summary, name, size), size)
            if colours == CHANGE:
                change_bar(figure, mesh, list(row), title)
            else:
                figure.colorbar(mesh, ax=list(row), label=title, pad=0.01, aspect=14,
                                extend="both" if colours == ERROR else "neither")
            row[0].set_ylabel("coefficient lambda")
        for axis, size in zip(axes[0], config.sizes):
            axis.set_title(f"N = M = {size}")
        for axis in axes[-1]:
            axis.set_xlabel(X_LABELS[name])
        legend(figure, marks([axes[0, 0]]), f"{TITLES.get(name, name)}, mean over {config.seeds} seeds")


def baseline_of(name):
    """What a diagram's expelled fraction is held against on its map: its first frontier's baseline."""
    return phase.LEVELS[name][0][0]


def overview(path, maps, rows, summary):
    """All diagrams at about twenty units in one, and the claim."""
    config = maps.config
    size = min(config.sizes, key=lambda size: abs(size - 20))
    found = {name: maps.excess(name, size, baseline_of(name)).mean(axis=0) for name in config.losses}
    norm = change_norm(np.concatenate([values.ravel() for values in found.values()]))
    with saved(path, 2, 3, height=6.2) as (figure, axes):
        for axis in axes.flat[len(found):-1]:
            axis.set_visible(False)
        for axis, (name, values) in zip(axes.flat, found.items()):
            mesh = map_of(axis, config, name, values, cmap=CHANGE, norm=norm)
            overlay(axis, config, [line for line in lines_of(summary, name, size) if line["level"] == ONE], size)
            axis.set(title=TITLES.get(name, name), xlabel=X_LABELS[name])
        for axis in axes[:, 0]:
            axis.set_ylabel("coefficient lambda")
        change_bar(figure, mesh, list(axes[0]), "expelled fraction minus\nthat without the loss")
        gain_by_size(axes[1, 2], rows, config)
        shown = {label: handle for label, handle in marks(axes.flat[:-1]).items() if ONE not in label}
        shown["one prototype more out (coverages: fewer) than without the loss"] = next(
            handle for label, handle in marks(axes.flat[:-1]).items() if ONE in label)
        legend(figure, shown, f"N = M = {size}, mean over {config.seeds} seeds")


def gain_by_size(axis, rows, config):
    """What separation with its temperature tied to the data adds to coverage, on the fresh seeds."""
    seeds = config.fresh_range()
    sizes = np.array(config.claim_sizes)
    for metric, colour, nudge, label in (
            ("specialization_ratio", "#000000", 0.96, "specialization ratio"),
            ("reconstruction_error", "#E69F00", 1.04, "error, relative change")):
        differences = phase.gains(rows, config, seeds, config.ratio, metric)
        if metric == "reconstruction_error":
            negative = phase.gains(rows, config, seeds, config.ratio, metric, 0.0)
            with np.errstate(all="ignore"):         # where all runs diverged there is no error to compare
                differences = {size: d / np.mean(negative[size] - d) for size, d in differences.items()}
        stats = np.array([mean_interval(differences[size]) for size in sizes])
        with_intervals(axis, sizes * nudge, stats, fmt="o", markersize=4, color=colour, label=label)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xlabel="N = M", title=f"added by separation at\ntau = {config.ratio:g} (range/N)^2")
    ticks_at(axis, sizes)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.35 * (high - low))          # room for the legend
    axis.legend(fontsize=8.5, loc="upper right", handlelength=1)


def collapse(path, config, summary):
    """The frontier in the units of the law, tau / (range/N)^2: one curve for all sizes if it holds."""
    names = [name for name in ("separation", phase.PAIR) if name in config.losses]
    with saved(path, 1, len(names), height=3.9, sharey=True) as (_, axes):
        for axis, name in zip(axes[0], names):
            for size, shade in zip(config.sizes, SHADES):
                line = next(line for line in lines_of(summary, name, size) if line["level"] == ONE)
                scaled = np.array(line["temperatures"]) / config.tied(1.0, size)
                value, low, high = (numbers(line[name]) for name in ("coefficient", "low", "high"))
                axis.errorbar(scaled, value, [value - low, high - value], fmt="o", markersize=4, capsize=2,
                              color=shade, label=f"N = {size}, measured")
                if line["predicted"]:
                    fine = np.geomspace(config.temperatures[0], config.temperatures[-1], 300)
                    predicted = predicted_frontier(size, fine, config.coverage_temperature, config.coefficient)
                    axis.plot(fine / config.tied(1.0, size), numbers(predicted), color=shade,
                              label=f"N = {size}, predicted")
            axis.set(xscale="log", yscale="log", xlabel="tau / (range/N)^2", title=TITLES.get(name, name),
                     ylim=(config.coefficients[0] / 1.1, 1.1 * config.coefficients[-1]))
            axis.legend(fontsize=8.5)
        axes[0, 0].set_ylabel("least lambda with\none prototype more out")


def phase_figures(config, rows, summary, log):
    """All figures of `minimlp phase`, from its log; returns their paths."""
    maps = phase.Maps(rows, config)
    figures = {"phase.png": lambda path: overview(path, maps, rows, summary)}
    for name in config.losses:
        figures[f"{name.replace('+', '_')}.png"] = lambda path, name=name: diagram(path, name, maps, summary)
    if {"separation", phase.PAIR} & {*config.losses}:
        figures["frontier.png"] = lambda path: collapse(path, config, summary)
    return drawn(log.directory, figures)
