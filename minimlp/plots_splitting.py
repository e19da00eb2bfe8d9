"""The figures of `minimlp split`: the plane of coefficients, the loss over it, eigenvalues, growing."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from .evidence import plateau_form
from .growing import METHODS
from .landscape import derivatives, positions, with_vector
from .plots import HULL, drawn, mean_interval, saved
from .splitting import inner_hessian, plateau_table, split
from .study.plateau import cases, growth_values, inner_class
from .study.plateau_runs import SURE, problem

CLASSES = {"minimum": "#0072B2", "saddle": "#F5D28A", "sure saddle": "#D55E00"}
NAMES = {"+": "H positive definite", "-": "H negative definite", "+-": "H indefinite"}
SIGNS = {"+": "#0072B2", "-": "#D55E00", "+-": "#009E73"}
GROWING = dict(zip(METHODS, ("#0072B2", "#999999", "#E69F00")))
CORNERS = np.array([[-0.5, 0], [0.5, 0], [0, np.sqrt(0.75)]])      # of the simplex mu >= 0


def examples(rows):
    """{class of H: (params, x, y, unit)}: of the minima with the fewest units, that with the clearest H."""
    found = {}
    for row, _, point, case in cases(rows, kind="minimum"):
        rank = row["width"], -np.abs(case["inner"]).min()
        name = inner_class(case["inertia"])
        if name in NAMES and (name not in found or rank < found[name][0]):
            found[name] = rank, row, point, case["unit"]
    result = {}
    for name in (name for name in NAMES if name in found):
        _, row, point, unit = found[name]
        _, params, x, y = problem(row)
        result[name] = with_vector(params, np.array(point["theta"])), x, y, unit
    return result


def to_coefficients(position):
    """Barycentric coordinates mu (..., 3) of positions (..., 2) in the plane of the triangle."""
    edges = (CORNERS[:2] - CORNERS[2]).T
    first = np.linalg.solve(edges, (position - CORNERS[2]).reshape(-1, 2).T).T
    return np.column_stack([first, 1 - first.sum(axis=1)])


def directions_down(params, x, y, unit, mu):
    """How many eigenvalues of the wide Hessian are negative."""
    eigenvalues = np.linalg.eigvalsh(derivatives(split(params, unit, mu), x, y)[2])
    return int(np.sum(eigenvalues < -SURE * np.abs(eigenvalues).max()))


def region(inertia, mu):
    """What the table says, the sure-saddle region apart."""
    sure = np.sum(mu > 0) >= 2 and np.any(mu < 0)
    return "sure saddle" if sure else plateau_table(inertia, mu)


def coefficient_plane(path, examples, points=91):
    """Splits in three over the plane of coefficients: what the table predicts, what is observed."""
    horizontal, vertical = np.linspace(-1.3, 1.3, points), np.linspace(-0.8, 1.5, points)
    grid = to_coefficients(np.stack(np.meshgrid(horizontal, vertical), axis=-1))
    extent = horizontal[0], horizontal[-1], vertical[0], vertical[-1]
    names = list(CLASSES)
    shades = ["#0072B2", "#C8C8C8", "#888888", "#444444"]
    with saved(path, 2, len(examples), height=5.4) as (figure, axes):
        for (above, below), (name, (params, x, y, unit)) in zip(axes.T, examples.items()):
            eigenvalues = np.linalg.eigvalsh(inner_hessian(params, x, y, unit))
            inertia = [int(np.sum(eigenvalues > 0)), int(np.sum(eigenvalues < 0)), 0]
            predicted = [names.index(region(inertia, mu)) for mu in grid]
            seen = [min(directions_down(params, x, y, unit, mu), 3) for mu in grid]
            for axis, values, colours in ((above, predicted, list(CLASSES.values())), (below, seen, shades)):
                axis.imshow(np.reshape(values, (points, points)), origin="lower", extent=extent,
                            cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5,
                            interpolation="nearest")
                axis.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color="white", linewidth=1.5)
                for corner, text, shift in zip(CORNERS, ("1, 0, 0", "0, 1, 0", "0, 0, 1"),
                                               ((-0.08, -0.16), (0.08, -0.16), (0, 0.09))):
                    axis.text(*corner + shift, text, color="black", ha="center", fontsize=8,
                              bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8})
                axis.set(xticks=[], yticks=[])
                axis.grid(False)
            above.set_title(NAMES[name])
        axes[0, 0].set_ylabel("predicted by the table")
        axes[1, 0].set_ylabel("observed: negative\neigenvalues of the wide Hessian")
        above = [Patch(color=colour, label=name) for name, colour in CLASSES.items()]
        below = [Patch(color=colour, label=f"{n} negative" if n < 3 else "3 or more")
                 for n, colour in enumerate(shades)]
        for patches, place in ((above, "outside upper center"), (below, "outside lower center")):
            figure.legend(handles=patches, loc=place, ncols=4, fontsize=9)


def move_plane(params, x, y, unit, shares, moves):
    """Loss less the minimum's where mu = (m, 1 - m) and the copies move by s along H's largest direction."""
    values, vectors = np.linalg.eigh(inner_hessian(params, x, y, unit))
    e = vectors[:, np.argmax(np.abs(values))]
    least = derivatives(params, x, y)[0]
    surface = np.empty((len(moves), len(shares)))
    for column, m in enumerate(shares):
        wide = split(params, unit, np.array([m, 1 - m]))
        u, theta = positions(wide)[0][unit:unit + 2], wide.to_vector()
        for row, s in enumerate(moves):
            moved = theta.copy()
            moved[u] += s * np.outer([1 - m, -m], e)        # m (1 - m) - (1 - m) m = 0
            surface[row, column] = derivatives(with_vector(wide, moved), x, y)[0] - least
    return surface


def loss_surface(path, examples):
    """The loss over the first coefficient and the move of two copies: the plateau and its sides."""
    chosen = {name: examples[name] for name in ("+", "-") if name in examples}
    shares, moves = np.linspace(-1, 2, 91), np.linspace(-0.6, 0.6, 61)
    with saved(path, 1, max(len(chosen), 1), height=3.8, sharey=True) as (figure, axes):
        for axis, (name, example) in zip(axes[0], chosen.items()):
            surface = move_plane(*example, shares, moves)
            depth = max(-surface.min(), 1e-3 * surface.max())       # of the fall; what rises more is cut
            image = axis.pcolormesh(shares, moves, surface, cmap="PuOr_r", vmin=-depth, vmax=depth, shading="gouraud")
            inside, outside = (shares > 0) & (shares < 1), (shares < 0) | (shares > 1)
            kept = inside if name == "+" else outside
            for part, style in ((~kept, (0, (1.5, 1))), (kept, "-")):
                axis.plot(np.where(part, shares, np.nan), 0 * shares, color="black", linewidth=2.5, linestyle=style,
                          label="minima" if part is kept else "saddles")
            axis.set(title=NAMES[name], xlabel="coefficient of the first copy (the second: the rest)")
            axis.grid(False)
            bar = figure.colorbar(image, ax=axis, label="loss less the minimum's", extend="max")
            bar.formatter.set_powerlimits((0, 0))
        axes[0, 0].set_ylabel("move of the copies apart")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)


def eigenvalues_along(path, examples):
    """Eigenvalues of the wide Hessian along the plateau of a split in two, counted and predicted."""
    shares = np.linspace(-1, 2, 121)
    with saved(path, 1, max(len(examples), 1), height=3.4) as (figure, axes):
        for axis, (name, (params, x, y, unit)) in zip(axes[0], examples.items()):
            inner = np.linalg.eigvalsh(inner_hessian(params, x, y, unit))
            narrow = np.linalg.eigvalsh(derivatives(params, x, y)[2])
            counted = np.array([np.linalg.eigvalsh(derivatives(split(params, unit, np.array([m, 1 - m])),
                                                               x, y)[2]) for m in shares])
            predicted = np.array([plateau_form(np.array([m, 1 - m]))[0][0] * inner for m in shares])
            linear = max(np.abs(predicted).max() / 15, 1e-6)
            axis.plot(shares, counted, color="#999999", linewidth=3, alpha=0.6)
            axis.plot(shares, predicted, color=SIGNS[name], linewidth=1.3)
            axis.axhline(0, color="black", linewidth=0.8)
            axis.axvspan(0, 1, color=HULL, zorder=0)
            axis.set_yscale("symlog", linthresh=linear)
            powers = 10.0 ** np.arange(np.ceil(np.log10(linear)), 3)
            axis.set_yticks([*-powers, 0, *powers], minor=False)
            axis.yaxis.minorticks_off()
            axis.set(title=NAMES[name], xlabel="coefficient of the first copy", ylim=(
                3 * min(predicted.min(), -linear), 2 * narrow[-1]))
        axes[0, 0].plot([], [], color="#999999", linewidth=3, label="of the wide Hessian")
        axes[0, 0].plot([], [], color="black", linewidth=1.3, label="of the table's form (coloured)")
        axes[0, 0].set_ylabel("eigenvalue")
        figure.legend(loc="outside upper center", ncols=2)


def growth(path, values):
    """Loss against gradients while units are added, by each way of adding them."""
    with saved(path, 1, max(len(values), 1), height=3.4) as (figure, axes):
        for axis, (task, by_method) in zip(axes[0], values.items()):
            for method, losses in by_method.items():
                stats = np.array([mean_interval(column, True) for column in losses.T])
                evaluations = np.arange(1, len(stats) + 1)
                axis.plot(evaluations, stats[:, 0], color=GROWING[method], label=method)
                axis.fill_between(evaluations, stats[:, 1], stats[:, 2], color=GROWING[method], alpha=0.15)
            axis.set(yscale="log", title=f"{task}: geometric mean of {len(losses)} seeds, 95 %",
                     xlabel="gradients; a unit more every 100")
        axes[0, 0].set_ylabel("loss")
        axes[0, 0].legend()


def split_figures(config, rows, summary, log):
    """All figures of `minimlp split`; returns their paths."""
    found = examples(rows)
    return drawn(log.directory, {
        **({"plane.png": lambda path: coefficient_plane(path, found),
            "surface.png": lambda path: loss_surface(path, found),
            "eigenvalues.png": lambda path: eigenvalues_along(path, found)} if found else {}),
        "growth.png": lambda path: growth(path, growth_values(rows))})
