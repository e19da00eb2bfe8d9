"""The figures of `minimlp images`, in the style of plots.py, from the study's stored results alone."""

from math import isqrt

import numpy as np

from .gaussian import prototypes
from .images import ARMS, LEVELS, MOST_PATCHES, Scaling, mosaic
from .metrics import pairing
from .plots import COLOURS, drawn, mean_interval, saved
from .study.records import as_params
from .study.readout import HALF, NOISE
from .study.contrasts import metric_table

STYLES = {"none": {"color": COLOURS["none"], "marker": "o"},
          "coverage": {"color": COLOURS["coverage"], "marker": "s"},
          "coverage annealed": {"color": COLOURS["annealed coverage"], "marker": "D"},
          "balanced": {"color": COLOURS["balanced"], "marker": "^"}}
TITLES = {"none": "no structural loss", "coverage": "coverage", "coverage annealed": "coverage, annealed",
          "balanced": "balanced coverage"}
UNIT = "mean distances to the nearest other sample"
CAPTION = """Every picture but the first is made of
the {n} prototypes p = -b/w of a
network, each {k} x {k} pixels, in the
scale and about the mean of its inputs.

Their places come from the original
(best one-to-one pairing), their
content from the weights.

Error: mean distance, in mean distances
to the nearest other sample.
Recovered: nearer than half of the
distance to its nearest other sample.
Seed {seed}; one grey scale."""


def is_square(dimensions):
    return dimensions >= 4 and isqrt(dimensions) ** 2 == dimensions


def read_pictures(config, log, size):
    """What the first seed's weights say at that size: by arm the prototypes, each at its sample's place."""
    x, scaling = config.samples[size], Scaling.of(config.samples[size])
    found = {}
    for arm in ARMS:
        record = log[{"size": size, "arm": arm, "seed": config.first_seed}]
        if not record["result"]["diverged"]:
            p = scaling.back(prototypes(as_params(record["params"])))
            found[arm] = p[pairing(p, x)[0]], record["result"]
    return found


def pictures(path, x, found, grey, seed):
    """The samples as one picture, and the prototypes that each arm's weights hold in their places."""
    with saved(path, 2, 3, height=6.3) as (_, axes):
        for axis in axes.flat:
            axis.set_axis_off()
        panels = [("original", x, f"{len(x)} training samples")]
        panels += [(TITLES[arm], p, f"error {result['error']:.2g}, {result['recovered']:.0%} recovered")
                   for arm, (p, result) in found.items()]
        for axis, (title, images, note) in zip(axes.flat, panels):
            axis.imshow(mosaic(images[:MOST_PATCHES]), cmap="gray", vmin=grey[0], vmax=grey[1],
                        interpolation="nearest")
            axis.set_title(f"{title}\n{note}", fontsize=11)
        axes[1, 2].text(0, 0.97, CAPTION.format(n=len(x), k=isqrt(x.shape[1]), seed=seed), va="top",
                        fontsize=10.5)


def errors(path, rows, config):
    """How the error grows with noise on the weights, and with the number of samples."""
    largest = max(config.sizes)
    with saved(path, 1, 2, height=4.1, sharey=True) as (figure, [[noise, growth]]):
        at_largest = [row for row in rows if row["size"] == largest]
        for arm in ARMS:
            curves = [mean_interval(list(metric_table(at_largest, name, "arm")[largest][arm].values()))
                      for name in ("error", *NOISE)]
            levels = np.array([LEVELS[0] / 3, *LEVELS])
            by_size = [mean_interval(list(by_arm[arm].values()))
                       for by_arm in metric_table(rows, "error", "arm").values()]
            for axis, at, stats in ((noise, levels, curves), (growth, config.sizes, by_size)):
                stats = np.array(stats)
                half = np.maximum(stats[:, 0] - stats[:, 1], 0)
                low = np.minimum(half, 0.99 * stats[:, 0])         # a logarithmic axis ends above 0
                axis.errorbar(at, stats[:, 0], [low, half], markersize=5, capsize=2, label=TITLES[arm],
                              **STYLES[arm])
        for axis in (noise, growth):
            axis.axhline(HALF, color="black", linewidth=1, linestyle=":", label="half of the mean distance")
            axis.set(xscale="log", yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.xaxis.minorticks_off()
        ticks = [LEVELS[0] / 3, *LEVELS[::2], LEVELS[-1]]
        noise.set_xticks(ticks, ["0", *(f"{100 * level:g}%" for level in ticks[1:])])
        noise.set(xlabel="relative noise on every w and b", title=f"N = {largest}, after noise on the weights",
                  ylabel=f"error, in {UNIT.replace(' to', chr(10) + 'to')}")
        growth.set_xticks(config.sizes, [str(size) for size in config.sizes])
        growth.set(xlabel="N = M, samples and hidden units", title="without noise")
        figure.legend(*noise.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def images_figures(config, rows, summary, log):
    """All figures of `minimlp images`, from its log; returns their paths.

    The pictures are drawn where d is a square number, 4 or more: a sample is then shown row
    by row as a square image.
    """
    figures = {"errors.png": lambda path: errors(path, rows, config)}
    size = max(config.sizes)
    x = config.samples[size]
    if is_square(x.shape[1]):
        grey = (0, 1) if config.data is None else (x.min(), x.max())
        found = read_pictures(config, log, size)
        figures = {"pictures.png": lambda path: pictures(path, x, found, grey, config.first_seed), **figures}
    return drawn(log.directory, figures)
