"""The figures of `minimlp strength`, in the style of plots.py, from the study's stored results alone."""

import numpy as np
from matplotlib.figure import Figure

from . import feature_learning as fl
from .plots import animate, drawn, mean_interval, saved, styled, ticks_at
from .study import strength_claims as claims
from .study.curves import slopes
from .study.strength import DEMONSTRATION, KAPPA

# Okabe and Ito's colours, as in plots.py.
CONTROLS = {"plain": ("#555555", "o"), "f = 0 half an error": ("#56B4E9", "s"),
            "antisymmetric start": ("#E69F00", "^"), "both controls": ("#D55E00", "v")}
ON_TOP = {"zorder": 4, "linestyle": (0, (5, 2)), "markerfacecolor": "none"}     # lets what it covers be seen
PREDICTOR, POSITIVE, NEGATIVE = "#0072B2", "#0072B2", "#D55E00"
OA, OF = "#E69F00", "#0072B2"
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
TICKS = (1e-4, 1e-2, 1.0)
ERROR_TICKS = [power * digit for power in (1e-4, 1e-3, 1e-2, 1e-1) for digit in (1, 2, 5)]


def panels(count, columns):
    return -(-count // columns), min(count, columns)


def band(values, logarithmic=False):
    """Mean over seeds and its 95 % interval for each alpha (A, 3); nan where no seed has one."""
    return np.array([mean_interval(column[np.isfinite(column)], logarithmic)
                     if np.isfinite(column).any() else [np.nan] * 3 for column in values.T])


def by_alpha(axis, alphas, **options):
    axis.set(xscale="log", **options)
    axis.set_xticks([tick for tick in TICKS if min(alphas) <= tick <= max(alphas)] or [alphas[0]])
    axis.xaxis.minorticks_off()


def plain_ticks(axis):
    """Numbers as they are on a logarithmic axis, where they fit."""
    low, high = axis.get_ylim()
    ticks = [tick for tick in ERROR_TICKS if low <= tick <= high]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.yaxis.minorticks_off()


def line_with_band(axis, alphas, values, color, logarithmic=False, **options):
    stats = band(values, logarithmic)
    axis.plot(alphas, stats[:, 0], color=color, markersize=4, **options)
    axis.fill_between(alphas, stats[:, 1], stats[:, 2], color=color, alpha=0.15, linewidth=0)


def test_errors(path, groups, scale):
    """The network's error under each control and w_+'s alone, for each setting; and Bayes's."""
    rows, columns = panels(len(groups), 3 if len(groups) == 3 else 2)
    with saved(path, rows, columns, height=3.0 * rows + 0.7) as (figure, axes):
        for axis, (setting, of_setting) in zip(axes.flat, groups.items()):
            alphas = claims.alphas_of(of_setting)
            for control, (color, marker) in CONTROLS.items():
                line_with_band(axis, alphas, claims.test_error(of_setting, control), color, marker=marker,
                               label="network, " + control, **(ON_TOP if control == "plain" else {}))
            line_with_band(axis, alphas, claims.curve(of_setting, "linear_error"), PREDICTOR,
                           linestyle=(0, (4, 2)), label="linear predictor of a class, exact")
            bayes = fl.bayes_error(KAPPA, of_setting[0]["sigma"], of_setting[0]["angle"])
            axis.axhline(bayes, color="black", linewidth=1, linestyle=":", label="Bayes error")
            by_alpha(axis, alphas, title=setting, yscale=scale)
            axis.set_ylim(0, None) if scale == "linear" else plain_ticks(axis)
        for axis in axes[-1]:
            axis.set_xlabel("scale of the start, alpha")
        for row in axes:
            row[0].set_ylabel("test error")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)


def excess(path, groups):
    """Over-alignment and over-fitting of the linear predictor, stacked, for each setting.

    The axis ends at three times what the smallest alpha has: the right arm is far higher.
    """
    rows, columns = panels(len(groups), 4)
    with saved(path, rows, columns, height=2.6 * rows + 0.6) as (figure, axes):
        for axis in axes.flat[len(groups):]:
            axis.set_visible(False)
        for axis, (setting, of_setting) in zip(axes.flat, groups.items()):
            alphas = claims.alphas_of(of_setting)
            low, high = (band(claims.curve(of_setting, name))[:, 0]
                         for name in ("over_alignment", "over_fitting"))
            axis.stackplot(alphas, low, high, colors=(OA, OF), alpha=0.85,
                           labels=("over-alignment, OA", "over-fitting, OF"))
            first = (low + high)[0]
            by_alpha(axis, alphas, ylim=(0, 3 * first if first > 0 else None))
            axis.set_title(setting, fontsize=9, pad=16)
            axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2), useMathText=True)
            if len(alphas) > 1:
                axis.set_xlim(alphas[0], alphas[-1])
        for axis in axes.flat[max(0, len(groups) - columns):len(groups)]:
            axis.set_xlabel("alpha")
        for row in axes:
            row[0].set_ylabel("error above Phi(-kappa/sigma)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)


def plane(demo):
    """Two orthonormal directions (2, d): s_plus, and x_+ less its part along it."""
    total = fl.class_sum(demo["x"], demo["y"])
    across = total - np.einsum("k,k->", total, demo["s_plus"]) * demo["s_plus"]
    return np.stack([demo["s_plus"], across / np.linalg.norm(across)])


def shown_directions(demo, k):
    """Unit directions of the units over time in the plane (T, h, 2), and their norms (T, h)."""
    norms = np.linalg.norm(demo[f"w {k}"], axis=-1)
    return np.einsum("tjk,pk->tjp", demo[f"w {k}"] / norms[..., None], plane(demo)), norms


def plane_axes(axis, demo, alpha):
    """A circle of directions with s_+ and x_+, and the same of the other class."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axis.plot(np.cos(turn), np.sin(turn), color="black", linewidth=0.6)
    for label, color in ((1, POSITIVE), (-1, NEGATIVE)):
        total = fl.class_sum(demo["x"], demo["y"], label)
        tip = np.einsum("pk,k->p", plane(demo), total / np.linalg.norm(total))
        axis.plot([0, tip[0]], [0, tip[1]], color=color, linewidth=1.2, linestyle=":")
        axis.text(*(1.17 * tip), "x+" if label > 0 else "x-", color=color, ha="center", va="center")
    axis.plot([0, 1], [0, 0], color="black", linewidth=1)
    axis.text(1.13, -0.13, "s+", ha="center", va="center")
    axis.set(xlim=(-1.35, 1.35), ylim=(-1.2, 1.2), aspect="equal", title=f"alpha = {alpha:g}")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for side in axis.spines.values():
        side.set_visible(False)


def colours_of(demo, k):
    return np.where(demo[f"v {k}"][0] > 0, POSITIVE, NEGATIVE)


def sizes_of(norms):
    return 8 + 90 * (norms / norms.max()) ** 2


def directions(path, demo):
    """Where each unit's direction goes during training, for a small, a middle and a large alpha."""
    with saved(path, 1, 3, height=3.05) as (figure, axes):
        for k, (axis, alpha) in enumerate(zip(axes[0], demo["alphas"])):
            plane_axes(axis, demo, alpha)
            paths, norms = shown_directions(demo, k)
            for j, color in enumerate(colours_of(demo, k)):
                axis.plot(*paths[:, j].T, color=color, linewidth=0.9, alpha=0.6)
            colours = colours_of(demo, k)
            axis.scatter(*paths[0].T, s=10, color="white", edgecolor=colours, linewidth=0.8, zorder=3)
            axis.scatter(*paths[-1].T, s=sizes_of(norms[-1]), color=colours, edgecolor="white", linewidth=0.6,
                         zorder=4)
        figure.suptitle("Directions of the units in the plane of s+ and x+, from the start (rings) to the stop "
                        "(dots, area as ||w||^2);\nblue: v > 0, orange: v < 0; the circle: wholly in the plane",
                        x=0.01, ha="left", fontsize=10)


def alignments(path, demo):
    """psi_j of every unit against time, and the end of phase 1."""
    with saved(path, 1, 3, height=3.2, sharey=True) as (_, axes):
        for k, (axis, alpha) in enumerate(zip(axes[0], demo["alphas"])):
            times, w, v = (demo[f"{name} {k}"] for name in ("times", "w", "v"))
            for label, color in ((1, POSITIVE), (-1, NEGATIVE)):
                total = fl.class_sum(demo["x"], demo["y"], label)
                psi = np.einsum("tjk,k->tj", w, total) / np.linalg.norm(w, axis=-1) / np.linalg.norm(total)
                axis.plot(times, psi[:, label * v[0] > 0], color=color, linewidth=1)
                axis.plot([], [], color=color, label="v > 0, with x+" if label > 0 else "v < 0, with x-")
            grown = np.max(v ** 2, axis=1) >= alpha
            if grown.any() and not grown[0]:
                axis.axvline(times[np.argmax(grown)], color="black", linewidth=1, linestyle="--",
                             label="end of phase 1")
            axis.set(title=f"alpha = {alpha:g}", xlabel="time", ylim=(-1.05, 1.05))
        axes[0, 0].set_ylabel("alignment psi, cosine of w and\nits class's sum")
        axes[0, 0].legend(fontsize=8.5, loc="lower right")


def angle_law(path, families):
    """Angles at the end of phase 1 and at the last stop against alpha, with sqrt(alpha)."""
    with saved(path, 1, len(families), height=4.2, sharey=True) as (figure, axes):
        for axis, (family, groups) in zip(axes[0], families.items()):
            for color, (setting, rows) in zip(SERIES, groups.items()):
                alphas, growth = claims.alphas_of(rows), ("growth", None)
                phase_1 = claims.curve(rows, "time", growth) > 0
                units, predictor = (np.where(phase_1, claims.curve(rows, name, growth), np.nan)
                                    for name in ("unit_angle", "angle"))
                kept, _, [angles] = claims.phase_1(rows, ("unit_angle",))
                exponents = slopes(np.log(alphas[kept]), np.log(angles)) if kept.sum() > 1 else ()
                law = f": alpha^{exponents.mean():.2f}" if len(exponents) else ""
                line_with_band(axis, alphas, np.degrees(units), color, True, marker="o", label=setting + law)
                for values, style in ((predictor, "--"), (claims.curve(rows, "angle"), ":")):
                    axis.plot(alphas, band(np.degrees(values), True)[:, 0], color=color, linewidth=1.1,
                              linestyle=style)
            low = alphas[alphas <= claims.LAW_ALPHAS]
            axis.plot(low, 50 * np.sqrt(low), color="black", linewidth=1, label="law: alpha^0.5")
            by_alpha(axis, alphas, yscale="log", title=family, ylim=(0.05, 110),
                     xlabel="scale of the start, alpha")
            axis.legend(fontsize=8.5, loc="lower right")
        axes[0, 0].set_ylabel("angle to the class's sum, degrees")
        figure.suptitle("Solid: units at the end of phase 1 (mean); dashed: w_+ then; dotted: w_+ at the last "
                        "stop", x=0.01, ha="left", fontsize=10)


def transfer(path, cells, exponents, control="plain"):
    """The optimum against n for each h, and against h for each n, with the law's slopes."""
    cells = [cell for cell in cells if cell["control"] == control]
    with saved(path, 1, 2, height=3.8, sharey=True) as (_, axes):
        for axis, (along, other) in zip(axes[0], (("n", "h"), ("h", "n"))):
            for k, value in enumerate(sorted({cell[other] for cell in cells})):
                line = sorted((cell for cell in cells if cell[other] == value), key=lambda cell: cell[along])
                best, low, high = 10.0 ** np.array([[c["log10_alpha"], c["low"], c["high"]] for c in line]).T
                at = np.array([c[along] for c in line]) * 1.04 ** (k - 1)
                axis.errorbar(at, best, np.maximum([best - low, high - best], 0), color=SERIES[k], marker="o",
                              capsize=3, label=f"{other} = {value}")
            values = np.array(sorted({cell[along] for cell in cells}))
            middle = 10 ** np.mean([cell["log10_alpha"] for cell in cells])
            power, fitted = claims.TRANSFER_LAW[along], exponents.get(along)
            axis.plot(values, middle * (values / np.exp(np.mean(np.log(values)))) ** power, color="black",
                      linewidth=1, linestyle="--", label=f"law, {along}^{power:g}")
            axis.set(yscale="log", xlabel={"n": "samples, n", "h": "hidden units, h"}[along])
            axis.margins(y=0.3)
            if fitted:
                axis.set_title(f"fitted: alpha* ~ {along}^{fitted['mean']:.2f} [{fitted['low']:.2f}, "
                               f"{fitted['high']:.2f}]")
            plain_ticks(axis)
            ticks_at(axis, values)
            axis.legend(fontsize=8.5, ncols=2, loc="upper right")
        axes[0, 0].set_ylabel("optimal scale, alpha*")


def animation(path, demo):
    """The directions during training, the three alphas side by side, as a GIF; time runs from 0
    to each one's stop."""
    with styled(**{"figure.constrained_layout.use": False}):
        figure = Figure(figsize=(8.4, 3.2), dpi=100)
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.82, wspace=0.05)
        axes = figure.subplots(1, 3)
        paths = [shown_directions(demo, k) for k in range(3)]
        for axis, alpha in zip(axes, demo["alphas"]):
            plane_axes(axis, demo, alpha)
        dots = [axis.scatter(*paths[k][0][0].T, color=colours_of(demo, k), edgecolor="white", linewidth=0.6,
                             zorder=4) for k, axis in enumerate(axes)]
        texts = [axis.text(0.02, 0.02, "", transform=axis.transAxes, fontsize=9) for axis in axes]
        figure.suptitle("Directions of the units, area as ||w||^2; blue: v > 0, orange: v < 0", x=0.01, ha="left",
                        fontsize=10)

        def show(frame):
            for k, (dot, text) in enumerate(zip(dots, texts)):
                dot.set_offsets(paths[k][0][frame])
                dot.set_sizes(sizes_of(paths[k][1][frame]))
                text.set_text(f"time {demo[f'times {k}'][frame]:.1f}")

        animate(path, figure, [*dots, *texts], show, range(len(paths[0][0])), colours=32, wait=80, rest=1500)


def strength_figures(config, rows, summary, log):
    """All figures of `minimlp strength`, from its log; returns their paths."""
    demo = log.arrays("demonstration.npz", config.demonstration, DEMONSTRATION)
    families = {family: claims.of_family(rows, family) for family in ("separable", "noisy")}
    families = {family: groups for family, groups in families.items() if groups}
    scales = {"separable": "linear", "noisy": "log"}       # where no sample errs, no logarithm
    figures = {f"error_{family}.png": lambda path, family=family: test_errors(
        path, families[family], scales[family]) for family in families}
    both = {setting: of_setting for groups in families.values() for setting, of_setting in groups.items()}
    figures |= {"excess.png": lambda path: excess(path, both),
                "directions.png": lambda path: directions(path, demo),
                "alignment.png": lambda path: alignments(path, demo),
                "angle.png": lambda path: angle_law(path, families),
                "directions.gif": lambda path: animation(path, demo)}
    if not both:
        figures = {name: draw for name, draw in figures.items() if name not in ("excess.png", "angle.png")}
    if len(summary["transfer"]) > 2:
        law = [c for claim in summary["claims"] if claim["name"] == "C6 (plain)"
               for c in claim["contrasts"][0]["comparisons"]]
        exponents = dict(zip(claims.TRANSFER_LAW, law))
        figures["transfer.png"] = lambda path: transfer(path, summary["transfer"], exponents)
    return drawn(log.directory, figures)
