"""The figures of the study of prototypes and of its sweep, from their stored results alone."""

from itertools import chain

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .forces import forces
from .gaussian import Params, forward, prototypes
from .metrics import hull_distance
from .plots import (COLOURS, HULL, animate, drawn, mask_style, mean_interval, nudged, saved, styled, ticks_at,
                    with_intervals)
from .study import temperature
from .study.contrasts import METRICS, metric_table
from .study.records import as_params
from .study.specialization import MASKS, UNTRAINED, demonstration
from .study.text import words

DRIFT_FRAMES = 60


def metrics_by_size(path, rows, masks, means):
    """The four metrics against N, one line a mask; dotted the untrained start, from the summary's means."""
    masks = [mask for mask in masks if any(row["mask"] == mask for row in rows)]
    with saved(path, 2, 2, height=6.4) as (figure, axes):
        for axis, metric in zip(axes.flat, ("reconstruction_error", *METRICS[2:], "fit_error")):
            table = metric_table(rows, metric)
            sizes = np.array(list(table))
            for k, mask in enumerate(masks):
                stats = np.array([mean_interval(list(table[size][mask].values()),
                                                metric == "fit_error") for size in sizes])
                with_intervals(axis, nudged(sizes, k, len(masks), 1.02), stats, marker="o", markersize=4,
                               label=mask, **mask_style(mask))
            start = {row["size"]: row["mean"] for row in means if (row["mask"], row["metric"]) == (UNTRAINED, metric)}
            if metric != "fit_error":
                axis.plot(sizes, [start[size] for size in sizes], color="black", linewidth=1, linestyle=":",
                          label=UNTRAINED)
            axis.set(title=words(metric))
            ticks_at(axis, sizes)
            logarithmic = metric in ("reconstruction_error", "fit_error") and any(
                row[metric] for row in rows)
            axis.set_yscale("log" if logarithmic else "linear")
            if metric == "fit_error":
                axis.set_ylim(bottom=1e-8)
                axis.set(title="fit error (MSE, geometric mean; cut at 1e-8)")
        for axis in axes[1]:
            axis.set_xlabel("N = M, samples and hidden units")
        handles = {label: handle for axis in axes.flat
                   for handle, label in zip(*axis.get_legend_handles_labels())}
        figure.legend(handles.values(), handles.keys(), loc="outside upper center",
                      ncols=min(len(handles), 3 if len(masks) > 4 else 5))


def prototype_positions(path, parameters, samples):
    """Where the prototypes of every mask ended, at one size, over all seeds (claim A7).

    parameters[mask] and samples are lists over seeds, of Params and of x.
    """
    low, high = min(x.min() for x in samples), max(x.max() for x in samples)
    edge = 4.0
    with saved(path, height=0.55 * len(parameters) + 1.2) as (_, [[axis]]):
        axis.axvspan(low, high, color=HULL, zorder=0)
        for k, (mask, runs) in enumerate(parameters.items()):
            color = mask_style(mask)["color"]
            positions = [prototypes(params).ravel() for params in runs]
            for seed, p in enumerate(positions):
                height = np.full(p.shape, -k + 0.3 - 0.6 * (seed + 0.5) / len(runs))
                axis.plot(p, height, "|", color=color, markersize=4, markeredgewidth=0.7, alpha=0.8)
            everywhere = np.concatenate(positions)
            for sign, text, align in ((-1, "< {}", "left"), (1, "{} >", "right")):
                beyond = np.sum(sign * everywhere > edge)
                if beyond:
                    axis.text(sign * edge, -k, text.format(beyond), color=color, ha=align,
                              va="center", fontsize=10, weight="bold",
                              bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        axis.set(xlim=(-edge, edge), xlabel="position p = -b/w (at the edges: how many lie beyond)")
        axis.set_yticks(range(0, -len(parameters), -1), list(parameters))
        axis.set_title(f"Prototypes after training, N = M = {len(samples[0])}, one row a seed; "
                       "shaded: where the data lie")
        axis.grid(False)


def frames_of(demo, mask):
    """Params at each stored step of a demonstration's mask; fewer if the run diverged."""
    theta = demo[mask]
    units = (theta.shape[1] - 1) // 3
    like = Params(np.empty(units), np.empty((units, 1)), np.empty(units), np.empty(()))
    return [Params.from_vector(row, like) for row in theta]


def trajectories(path, demo):
    """Prototype positions during training under each single loss, the hull shaded."""
    x = demo["x"]
    with saved(path, 1, 4, height=3.6, sharey=True) as (figure, axes):
        figure.suptitle(f"Prototypes of the same start, N = M = {len(x)}", x=0.01, ha="left",
                        fontsize=10)
        for axis, mask in zip(axes[0], MASKS[:4]):
            steps = demo["steps"]
            p = np.reshape([prototypes(params) for params in frames_of(demo, mask)], (-1, len(x)))
            axis.axhspan(x.min(), x.max(), color=HULL, zorder=0)
            axis.plot(steps[:len(p)], p, color=COLOURS[mask], linewidth=1.1)
            axis.plot(np.full(len(x), 1.04 * steps[-1]), x, "k_", markersize=7, clip_on=False)
            axis.set(title=mask, xlabel="step", ylim=(-3.5, 3.5))
            axis.set_xticks([0, steps[-1]])
        axes[0, 0].set_ylabel("prototype position\n(shaded: hull; dashes: samples)")


def sweep(path, rows, onsets):
    """Expelled fraction against the temperature for each size, with tau*; and tau* against N."""
    with saved(path, 1, 2, height=3.9) as (_, [[curves, law]]):
        expelled_by_temperature(curves, rows, next(found for found in onsets if found["level"] == temperature.ONE))
        onset_by_size(law, onsets)


def expelled_by_temperature(axis, rows, begun):
    """One line a size, its baseline dotted, a triangle where one prototype more is out."""
    onsets = {found["size"]: found["tau"] for found in begun["sizes"]}
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(onsets)))
    for (size, by_tau), shade in zip(metric_table(rows, "expelled_fraction", "temperature").items(), shades):
        taus = sorted(tau for tau in by_tau if tau != temperature.BASELINE)
        stats = np.array([mean_interval(list(by_tau[tau].values())) for tau in taus])
        axis.plot(taus, stats[:, 0], color=shade, label=f"N = {size}")
        axis.fill_between(taus, stats[:, 1], stats[:, 2], color=shade, alpha=0.15)
        base = np.mean(list(by_tau[temperature.BASELINE].values()))
        axis.axhline(base, color=shade, linewidth=0.8, linestyle=":")
        tau = onsets[size]
        if tau:
            axis.plot(tau, np.interp(np.log(tau), np.log(taus), stats[:, 0]), "v", color=shade, markersize=9,
                      markeredgecolor="white")
    axis.set(xscale="log", xlabel="temperature of separation, tau", ylabel="expelled fraction", ylim=(0, 1),
             title="separation alone (dotted: without it)\ntriangles: tau*, one prototype more")
    axis.legend(fontsize=8.5, loc="upper left")


def onset_by_size(axis, onsets):
    """tau* by two of its definitions, with the power of N that each follows, and the law's."""
    by_level = {found["level"]: found for found in onsets}
    for level, marker, size, shade in ((temperature.LEVEL, "s", 10, COLOURS["none"]),
                                       (temperature.ONE, "v", 6, COLOURS["separation"])):
        onset = by_level[level]
        found = [row for row in onset["sizes"] if row["tau"] and row["low"]]
        n, tau, low, high = np.array([[row[name] for name in ("size", "tau", "low", "high")]
                                      for row in found]).T if found else np.empty((4, 0))
        name = level if level == temperature.ONE else f"{level:.0%} of the prototypes"
        slope = "" if onset["low"] is None else \
            f"\nN^{onset['exponent']:.2f} [{onset['low']:.2f}, {onset['high']:.2f}]"
        axis.errorbar(n, tau, [tau - low, high - tau], fmt=marker, capsize=3, color=shade, markersize=size,
                      label=name + slope)
    begun = by_level[temperature.ONE]
    ratios = [row["ratio"] for row in begun["sizes"] if row["size"] in begun["fitted"]]
    if ratios:
        scale = np.exp(np.mean(np.log(ratios)))
        n = np.array([min(begun["fitted"]), max(begun["fitted"])])
        axis.plot(n, scale * (temperature.RANGE / n) ** 2, color="black", linewidth=1, linestyle=":",
                  label=f"{scale:.2f} (range/N)^2")
    fitted = {size for found in onsets for size in found["fitted"]}
    axis.set(yscale="log" if fitted else "linear", xlabel="N = M, samples and hidden units",
             ylabel="tau*, in squared units of x", title="where expulsion begins,\nby how many more are out")
    sizes = [row["size"] for row in begun["sizes"]]
    ticks_at(axis, [size for size in sizes if size in fitted] or sizes)
    axis.legend(fontsize=8.5, loc="lower left", frameon=True)


def force_fields(path):
    """The forces on one probe prototype by its position; and where two dimensions differ."""
    random = np.random.default_rng(3)
    x = np.sort(random.uniform(-1, 1, 8))[:, None]
    others = x[:-1, 0] + 0.05
    positions = np.linspace(-3, 3, 601)
    w = np.full(len(x), 3.0)
    field = {name: {"direct": [], "through_weights": []}
             for name in ("coverage", "separation", "overlap")}
    for q in positions:
        p = np.append(others, q)
        for name, force in forces(Params.at(p, w), x, {"coverage": 0.02, "separation": 0.1}).items():
            field[name]["direct"].append(force.direct[-1, 0])
            field[name]["through_weights"].append(force.through_weights[-1, 0])
    with saved(path, 2, 3, height=5.1, sharex=True) as (figure, axes):
        figure.suptitle("One probe among 7 other prototypes; w = 3, tau 0.02 (coverage) and 0.1 "
                        "(separation)", x=0.01, ha="left", fontsize=10)
        for row, (kind, title) in zip(axes, (("direct", "in p-space: -dL/dp"),
                                             ("through_weights", "through w and b: dp/dt"))):
            for axis, name in zip(row, field):
                force = np.array(field[name][kind])
                axis.axvspan(x.min(), x.max(), color=HULL, zorder=0)
                axis.axhline(0, color="black", linewidth=0.8)
                axis.plot(positions, force, color=COLOURS[name])
                outside = (positions < x.min()) | (positions > x.max())
                axis.fill_between(positions, force, where=outside & (positions * force > 0),
                                  color=COLOURS[name], alpha=0.3)
                axis.plot(x[:, 0], np.zeros(len(x)), "k|", markersize=9)
                axis.set_title(f"{name}, {title}" if kind == "direct" else title, fontsize=9)
        for axis in axes[1]:
            axis.set_xlabel("position of the probe prototype")
        for row in axes:
            row[0].set_ylabel("force to the right")


def counterexample(path):
    """In two dimensions coverage's step through the weights can lead away from the hull."""
    x = np.array([[2.0, 0.0], [10.0, 0.0], [6.0, -3.0]])
    p = np.array([[4.0, 1.0]])
    force = forces(Params.at(p, np.ones(1)), x, {"coverage": 1.0})["coverage"]
    with saved(path, height=3.4) as (_, [[axis]]):
        axis.fill(*x.T, color=HULL, zorder=0)
        axis.plot(*x.T, "ko", label="samples (shaded: hull)")
        axis.plot(*p[0], "^", color=COLOURS["coverage"], markersize=10, label="prototype, w = 1")
        for arrow, style, label in ((force.direct, "-", "direction in p-space: nearer"),
                                    (force.through_weights, ":",
                                     "direction through w and b: further away")):
            tip = p[0] + 1.6 * arrow[0] / np.linalg.norm(arrow[0])
            axis.annotate("", tip, p[0], arrowprops={
                "arrowstyle": "-|>", "linestyle": style, "linewidth": 2, "shrinkA": 6,
                "color": COLOURS["coverage"]})
            axis.plot([], [], linestyle=style, color=COLOURS["coverage"], label=label)
        axis.axhline(p[0, 1], color="black", linewidth=0.8, linestyle="--")
        axis.set(xlim=(0, 17), ylim=(-3.3, 2.6), aspect="equal", xlabel="first coordinate",
                 ylabel="second coordinate",
                 title="Coverage in two dimensions; above the dashed line is further from the hull")
        axis.legend(loc="lower right", fontsize=9)


def drift_animation(path, demo):
    """The same start under none, coverage, separation and overlap, side by side, as a GIF."""
    steps = demo["steps"]
    with styled():
        figure = Figure(figsize=(9.6, 3.1), dpi=90)
        axes = figure.subplots(1, 4, sharey=True)
        artists, shows = zip(*(drift_panel(axis, demo, mask) for axis, mask in zip(axes, MASKS)))
        caption = figure.suptitle("", fontsize=10, x=0.01, ha="left")

        def show(frame):
            for show_panel in shows:
                show_panel(frame)
            caption.set_text(f"step {steps[frame]}: fitted curve, samples (dots), "
                             "prototypes (triangles), hull of the data (shaded)")

        shown = np.unique(np.round(np.geomspace(1, len(steps), DRIFT_FRAMES)).astype(int) - 1)
        animate(path, figure, [*chain(*artists), caption], show, shown, colours=64, wait=100, rest=1300)


def drift_panel(axis, demo, mask):
    """The axes of one mask: its moving artists, and the function (frame) that moves them."""
    x, run, edge = demo["x"], frames_of(demo, mask), 3.5
    grid = np.linspace(-edge, edge, 301)[:, None]
    axis.axvspan(x.min(), x.max(), color=HULL, zorder=0)
    axis.plot(x[:, 0], demo["y"], "o", color="black", markersize=4)
    [curve] = axis.plot([], [], color=COLOURS[mask], linewidth=1.4)
    [dots] = axis.plot([], [], "^", color=COLOURS[mask], markersize=7, clip_on=False, markeredgecolor="white",
                       markeredgewidth=0.6)
    count = axis.text(0.03, 0.03, "", transform=axis.transAxes, fontsize=9)
    axis.set(title=mask, xlim=(-edge, edge), ylim=(-1.9, 1.6), xlabel="x")
    axis.set_xticks([-3, -1, 1, 3])
    axis.grid(False)

    def show(frame):
        if not run:
            count.set_text("diverged")
            return
        params = run[min(frame, len(run) - 1)]
        p = prototypes(params)
        curve.set_data(grid[:, 0], forward(params, grid)[0])
        dots.set_data(np.clip(p[:, 0], -edge, edge), np.full(len(p), -1.4))
        count.set_text(f"{np.sum(hull_distance(p, x) > 0)} of {len(p)} outside the data")

    return (curve, dots, count), show


def study_figures(config, rows, summary, log):
    """All figures of `minimlp study`, from its log; returns their paths."""
    demo = demonstration(config, log)
    size = max(config.sizes)
    parameters = {mask: [as_params(log[run]["params"]) for run in config.runs()
                         if (run["size"], run["mask"]) == (size, mask)] for mask in config.masks}
    samples = [config.samples(size, seed)[0] for seed in config.seed_range()]
    return drawn(log.directory, {
        "metrics.png": lambda path: metrics_by_size(path, rows, (*MASKS[:4], "balanced"), summary["means"]),
        "combinations.png": lambda path: metrics_by_size(
            path, rows, [mask for mask in config.masks if mask != "none"], summary["means"]),
        "positions.png": lambda path: prototype_positions(path, parameters, samples),
        "trajectories.png": lambda path: trajectories(path, demo),
        "forces.png": force_fields,
        "counterexample.png": counterexample,
        "drift.gif": lambda path: drift_animation(path, demo),
    })


def sweep_figures(config, rows, summary, log):
    """The figure of `minimlp sweep`; returns its path."""
    return drawn(log.directory, {"sweep.png": lambda path: sweep(path, rows, summary["onset"])})
