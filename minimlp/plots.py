"""What all figures share: one style, one colour for each loss, the same bytes for the same data."""

from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from .study.store import replace

# Okabe and Ito's colours: apart for every kind of colour vision.
COLOURS = {"none": "#555555", "coverage": "#0072B2", "separation": "#009E73",
           "overlap": "#D55E00", "separation+overlap": "#CC79A7", "balanced": "#56B4E9",
           "cold coverage": "#000000", "annealed coverage": "#CC79A7", "fit": "#E69F00"}
PROTOTYPES = ("#56B4E9", "#E69F00", "#CC79A7", "#000000")      # where units are told apart
HULL = "#F0E9C8"
STYLE = {"font.size": 10, "axes.titlesize": 10, "axes.spines.top": False,
         "axes.spines.right": False, "axes.titlelocation": "left", "figure.dpi": 100,
         "savefig.dpi": 140, "legend.frameon": False, "lines.linewidth": 1.6,
         "axes.grid": True, "grid.alpha": 0.25, "figure.constrained_layout.use": True}
WIDTH = 8.4     # inches; with 140 dots an inch, a little over a README's width


@contextmanager
def saved(path, rows=1, columns=1, height=3.2, **options):
    """A figure and its axes, written to path as a PNG that depends on the data alone."""
    with styled():
        figure = Figure(figsize=(WIDTH, height))
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)
        content = BytesIO()
        figure.savefig(content, metadata={"Software": None})
        replace(Path(path), content.getvalue())


def styled(**options):
    """This style, whatever the user's matplotlib is set to."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg", **options})


def mask_style(mask):
    """The repulsive losses give the colour; coverage added to them makes the line dashed,
    balanced coverage dotted."""
    losses = mask.split("+")
    colour = "+".join(loss for loss in losses if loss in ("separation", "overlap")) or losses[-1]
    added = None if colour == mask else losses[-1] if losses[-1] == "balanced" else "coverage"
    lines = {None: "-", "coverage": (0, (4, 2)), "balanced": (0, (1, 1.2))}
    return {"color": COLOURS[colour], "linestyle": lines[added]}


def mean_interval(values, logarithmic=False):
    """Mean over seeds and its 95 % interval, 1.96 standard errors; geometric for logarithms."""
    values = np.asarray(values, dtype=float)
    if logarithmic:
        values = np.log(np.maximum(values, 1e-300))
    mean = values.mean()
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    result = np.array([mean, mean - half, mean + half])
    return np.exp(result) if logarithmic else result


def with_intervals(axis, x, stats, **options):
    """Means (X, 3), as `mean_interval` gives them, with their intervals."""
    axis.errorbar(x, stats[:, 0], abs(stats[:, 1:] - stats[:, :1]).T, capsize=2, **options)


def nudged(sizes, k, lines, factor):
    """Where line k of so many has its points, so that their intervals stand beside each other."""
    return np.array(sizes) * factor ** (k - (lines - 1) / 2)


def ticks_at(axis, sizes):
    """A logarithmic x axis with these sizes as its only ticks."""
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.xaxis.minorticks_off()


def animate(path, figure, moving, show, frames, colours, wait, rest):
    """Write a GIF: what stands still is drawn once, the moving artists after show(frame) for each frame.

    It waits `wait` milliseconds after each frame and `rest` after the last.
    """
    canvas = FigureCanvasAgg(figure)
    show(frames[0])
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still, images = canvas.copy_from_bbox(figure.bbox), []
    for frame in frames:
        canvas.restore_region(still)
        show(frame)
        for artist in moving:
            figure.draw_artist(artist)
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        images.append(image.quantize(colours, dither=Image.Dither.NONE))
    content = BytesIO()
    images[0].save(content, "GIF", save_all=True, append_images=images[1:], loop=0,
                   duration=[wait] * (len(images) - 1) + [rest])
    replace(Path(path), content.getvalue())


def step_errors(path, sweeps):
    """Error of central differences against their step, with the two slopes of the V."""
    with saved(path, height=4.2) as (_, [[axis]]):
        for name, report in sweeps.items():
            axis.plot(report.steps, report.step_errors, marker="o", markersize=3,
                      color=COLOURS[name], label=f"fit + {name}" if name != "fit" else "fit")
        h = sweeps["fit"].steps
        axis.plot(h[:17], 0.3 * h[:17] ** 2, "k--", linewidth=1, label="truncation, h^2")
        axis.plot(h[20:], 2e-16 / h[20:], "k:", linewidth=1.5, label="round-off, eps / h")
        axis.set(xscale="log", yscale="log", xlabel="step h of the central difference",
                 ylabel="relative error", title="The gradient against central differences")
        axis.legend(ncols=2)


def drawn(directory, figures):
    """Draw each figure, a function (path) by its file's name; returns their paths."""
    for name, draw in figures.items():
        draw(directory / name)
    return [directory / name for name in figures]
