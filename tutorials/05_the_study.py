# %% [markdown]
# # 05. The study
#
# **Question.** On [page 01](01_gaussian_units.md) one network kept its data and another lost them.
# Is that the loss, or the luck of one start?
#
# ![Three paired comparisons at six sizes](figures/05_verdicts.png)
#
# Each mark is the mean of ten differences in reconstruction error, with the loss less without, each bar its 95 %
# interval. Pointing down: the loss makes it better; up: worse; hollow: open. (Mind the three scales.) This page says
# how a mark gets its bar, and a claim its verdict. Symbols: [notation](notation.md).
#
# ## 480 runs
#
# Six sizes $N = M$ from 3 to 100, the eight combinations of coverage, separation and overlap, ten seeds:
# $6 \cdot 8 \cdot 10 = 480$ networks, trained by `minimlp study` in seconds. This page reads the published table.

# %%
import csv
import json
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np

from minimlp import plots
from minimlp.study import StudyConfig, run_study, verdicts

published = Path("../benchmarks/results/study")
rows = list(csv.DictReader((published / "results.csv").read_text().splitlines()))
summary = json.loads((published / "summary.json").read_text())
sizes = summary["settings"]["sizes"]
LOSSES = ("coverage", "separation", "overlap")


def values(metric, mask, size):
    """A metric over the ten seeds, in their order."""
    return np.array([float(row[metric]) for row in rows if int(row["size"]) == size
                     and all(int(row[loss]) == (loss in mask) for loss in LOSSES)])


def errors(mask, size):
    return values("reconstruction_error", mask, size)


a, b = errors("coverage", 3)[0], errors("none", 3)[0]
print(len(rows), "runs; N = 3, seed 0:", f"{a:.4f} - {b:.4f} = {a - b:+.4f}")
again = run_study(StudyConfig(sizes=(3,), seeds=1, masks=("none", "coverage")))
print("trained again:", *(f"{row['mask']} {row['reconstruction_error']:.3f}" for row in again))

# %% [markdown]
# Seed 0 draws three samples and a start. Trained from it without structural loss, and then from the
# same start with coverage, the second network reconstructs better, by 0.17. Everything else is the
# same, so this difference is due to the loss. Ten seeds give ten differences.
#
# ## Why paired
#
# How far would the mean of the ten differences move with ten other seeds? The **bootstrap** draws ten of the ten with
# replacement and takes their mean, many times; the middle 95 % of these means is the interval. *Better*: it lies below
# zero; *worse*: above; else *open*. Here it is for the differences, and for the two groups of ten drawn apart:

# %%
def resampled_means(values, seed):
    random = np.random.default_rng(seed)
    return np.array([random.choice(values, len(values)).mean() for _ in range(4_000)])


middle, paired, unpaired = [2.5, 97.5], {}, {}
for size in sizes:
    a, b = errors("coverage", size), errors("none", size)
    paired[size] = np.percentile(resampled_means(a - b, 1), middle)
    unpaired[size] = np.percentile(resampled_means(a, 1) - resampled_means(b, 2), middle)
    print(f"N = {size:3}: mean {np.mean(a - b):+.3f}, interval {np.ptp(paired[size]):.2f} wide "
          f"paired, {np.ptp(unpaired[size]):.2f} unpaired")

# %%
with plots.saved("figures/05_paired.png", 1, 2, height=3.2) as (_, [[left, right]]):
    left.plot([0, 1], [errors("none", 100), errors("coverage", 100)], "o-", markersize=5,
              color=plots.COLOURS["coverage"])
    left.set(xticks=[0, 1], xticklabels=["none", "coverage"], xlim=(-0.3, 1.3), ylim=(0, None),
             ylabel="reconstruction error", title="N = 100, one line a seed")
    for shift, bounds, color, label in ((-0.12, paired, plots.COLOURS["coverage"], "paired"),
                                        (0.12, unpaired, plots.COLOURS["none"], "unpaired")):
        low, high = np.array([bounds[size] for size in sizes]).T
        right.vlines(np.arange(6) + shift, low, high, color=color, linewidth=4, label=label)
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xticks=range(6), xticklabels=sizes, xlabel="N",
              title="coverage - none: 95 % intervals of the mean")
    right.legend(loc="lower right")

# %% [markdown]
# ![Ten pairs of runs, and intervals with and without pairing](figures/05_paired.png)
#
# Left: some seeds (samples and start) are hard and some are easy, for both networks. That spread is larger than the
# effect, but every line falls. Subtracting within a seed removes the spread; comparing the two groups of ten does not.
# The means are the same.
#
# ## The p-value
#
# A second look asks how surprising the mean is if the loss does nothing. Then each difference could as well have the
# other sign, and all $2^{10} = 1024$ sign patterns are equally likely. The **p-value** is the share of them whose mean
# is at least as far from zero.

# %%
d = errors("coverage", 5) - errors("none", 5)
flips = np.array(list(product((-1, 1), repeat=len(d)))) @ d / len(d)
extreme = np.sum(abs(flips) >= abs(d.mean()) - 1e-12)
compared = verdicts.compare(d)
print("N = 5:", *(f"{one:+.2f}" for one in d))
for name, low, high, p in (("by hand", *paired[5], extreme / 1024),
                           ("compare", compared.low, compared.high, compared.p)):
    print(f"{name}: [{low:.2f}, {high:.2f}], p = {p:.4f} = {1024 * p:.0f}/1024")

# %% [markdown]
# `verdicts.compare` agrees up to the noise of resampling. Two of ten seeds went the other way, yet only 8 patterns of
# 1024 reach such a mean. The least that ten seeds can give is $2/1024$, when all agree.
#
# ## Every size

# %%
MARKERS = {"better": "v", "worse": "^", "open": "o"}
against_none = {loss: [verdicts.compare(errors(loss, size) - errors("none", size), size)
                       for size in sizes] for loss in LOSSES}
with plots.saved("figures/05_verdicts.png", 1, 3, height=3.2) as (figure, [axes]):
    for axis, (loss, comparisons) in zip(axes, against_none.items()):
        axis.axhline(0, color="black", linewidth=0.8)
        for k, c in enumerate(comparisons):
            axis.vlines(k, c.low, c.high, color=plots.COLOURS[loss], linewidth=2.5)
            axis.plot(k, c.mean, MARKERS[c.verdict], color=plots.COLOURS[loss], markersize=6, markeredgewidth=1.6,
                      markerfacecolor="white" if c.verdict == "open" else plots.COLOURS[loss])
        axis.set(xticks=range(6), xticklabels=sizes, xlabel="N", title=f"{loss} - none")
    axes[0].set_ylabel("difference in\nreconstruction error")
    figure.legend([matplotlib.lines.Line2D([], [], color="black", marker=marker, markersize=6, markeredgewidth=1.6,
                                           markerfacecolor="white" if verdict == "open" else "black")
                   for verdict, marker in MARKERS.items()], MARKERS, loc="outside upper center", ncols=3)

# %% [markdown]
# That is the figure at the top. The verdict on a claim, over sizes:
#
# - *holds*: every comparison is as expected;
# - *holds in the mean*: every mean has the expected sign, and no comparison is decided the other way;
# - *mixed*: some are decided as expected, some the other way;
# - *fails*: some are decided the other way, none as expected;
# - *not shown*: else.
#
# (A3 claims *mixed*, and so has a rule of its own: it holds where this list says mixed, fails if all sizes are decided
# and alike, else is not shown. That rule was changed after A3 had failed with a hundred seeds: README, *settings that
# were tried*.)
#
# Here are the eight claims about prototypes and one of ours, each with two verdicts: by the ten seeds, and by a hundred
# (0 to 99: the ten are among them). Below it **b**etter, **w**orse or **o**pen at the six sizes, for ten seeds and for a hundred. (Better
# is a lower error, more specialization, fewer expelled. *Masks with ... - without*: per seed, the mean over four of the
# eight combinations less that over the other four. In A5 'as well' is a ratio under 2, so the bound is log10 2 and not
# 0: b is surely less, w surely more.)

# %%
hundred = json.loads((published.parent / "study-100" / "summary.json").read_text())
suspects = []
for c, with_hundred in zip(summary["claims"], hundred["claims"]):
    print(f"{c['name']} {c['verdict']} | {with_hundred['verdict']}: {c['statement']}")
    for contrast, other in zip(c["contrasts"], with_hundred["contrasts"]):
        letters = [" ".join(one["verdict"][0] for one in each["comparisons"]) for each in (contrast, other)]
        print("    ", " | ".join(letters), "", contrast["label"])
        suspects += [f"{c['name']} at N = {one['size']}: p = {one['p']:.3f}, {contrast['label']}"
                     for one in contrast["comparisons"] if one["verdict"] != "open" and one["p"] > 0.05]
print("ten seeds, decided by the interval, but p > 0.05:", *suspects, sep="\n     ")

# %% [markdown]
# The last lines are a warning: with ten seeds this interval is somewhat too narrow, most of all where few seeds differ,
# or one differs much. Exercise 2 asks what hangs on it.
#
# ## What is mixed or open, and why

# %%
tau, fits = summary["settings"]["separation_temperature"], values("fit_error", "none", 3)
for size, c in zip(sizes, against_none["separation"]):
    off, on = (np.median(values("fit_error", mask, size)) for mask in ("none", "overlap"))
    print(f"N = {size:3}: 2/N = {2 / size:.2f}, kernel {np.exp(-(2 / size) ** 2 / tau):6.0e}, "
          f"separation {c.mean:+.3f} {c.verdict:6}  median fit: none {off:.0e}, overlap {on:.0e}")

# %% [markdown]
# **A3.** Samples and prototypes start in [-1, 1], about $2/N$ apart, and separation reaches about
# $\sqrt{\tau} = 0.032$ (E5). Up to $N = 20$ its kernel between neighbours is 5e-05 or less, and whatever it does is
# small. From $N = 50$ on neighbours are in reach, and the outermost prototypes are pushed out. The gain of 0.006 at
# $N = 5$ counts by the rule, but a hundred seeds do not find it. ([Page 04](04_separation_and_overlap.md) puts the
# onset of expulsion at $0.14 \, (2/N)^2$, which is the $\tau$ used here, 0.001, at $N = 24$.)
#
# **A5.** At $N = 3$ seven of ten networks without structural loss fit to round-off, below 1e-17. The claim is about the
# ratio, so such factors count, though overlap's 5e-07 is a good fit too. From $N = 10$ on the medians are within a
# factor of four.
#
# **A2** stays open for coverage alone at $N = 100$, where the mean of a hundred seeds even has the other sign (so *not
# shown*). A guess that the study does not test: coverage's own reach, $\sqrt{0.02} = 0.14$, spans several samples
# there, so a prototype near the data need not be the nearest of any one sample.
#
# **A4** is open at $N = 3$ with ten seeds, **A6** at 3 (overlap) and 10 (coverage); a hundred decide all of them as claimed. One seed can carry
# a mean: of overlap's ten differences in reconstruction error at $N = 3$ nine are below 0.5 and one is 3.2.
#
# **A9** asks what the papers leave out: is it training that brings prototypes to the samples? They start at random
# over the range of the data, so the untrained network is the measure. Coverage improves on it in reconstruction at
# every size, in specialization up to $N = 20$ only (with a hundred seeds it is below it at 100). And the fit alone?

# %%
means = {(row["mask"], row["size"]): row["mean"] for row in hundred["means"] if row["metric"] == "reconstruction_error"}
for mask in ("untrained", "none", "coverage"):
    print(f"{mask:9}", *(f"{means[mask, size]:.3f}" for size in sizes), " mean reconstruction error, a hundred seeds")

# %% [markdown]
# It adds next to nothing, and at large sizes takes a little. To read data out of weights in earnest needs more than coverage:
# [page 10](10_balanced_coverage.md).
#
# ## The design principle

# %%
below, shades = {}, matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(sizes)))
with plots.saved("figures/05_principle.png", 1, 2, height=3.9) as (figure, axes):
    for axis, loss in zip(axes[0], ("overlap", "separation")):
        pairs = {size: (errors(loss, size), errors("coverage+" + loss, size)) for size in sizes}
        below[loss] = sum(np.sum(more < alone) for alone, more in pairs.values())
        for (size, pair), shade, marker in zip(pairs.items(), shades, "osD^vP"):
            axis.plot(*pair, marker, color=shade, markersize=5, label=f"N = {size}")
        axis.axline((0.1, 0.1), (1, 1), color="black", linewidth=1)
        axis.set(xscale="log", yscale="log", aspect="equal", xlim=(0.03, 6), ylim=(0.03, 6),
                 xlabel=f"{loss} alone", title=f"{below[loss]} of 60 below the line")
    axes[0, 0].set_ylabel("reconstruction error\nwith coverage added")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center")
for size in sizes:
    print(f"N = {size:3}:", *(f"{mask} {errors(mask, size).mean():.2f}" for mask in
                              ("none", "overlap", "coverage+overlap", "coverage")), sep="  ")

# %% [markdown]
# ![Error with coverage added against error without](figures/05_principle.png)
#
# Each mark is a pair of runs. Nearly all lie below the line: beside a repulsive loss an attractor pays (A8; a hundred
# seeds leave one of its twelve comparisons open). That it is *needed*, or that another attractor would not do, is not
# tested. It repairs a part only: from $N = 5$ on, the mean of overlap and
# coverage together is above that of no structural loss, and coverage alone is below both at every size. Nothing here
# shows a use for overlap in reconstruction.
#
# ## Limits
#
# One dimension, one smooth target, $M = N$, one coefficient and one temperature for every size, one optimiser. None of
# the 92 comparisons by ten seeds is corrected for the others, so single cells may be chance; that every size agrees is
# what counts. Intervals speak about new seeds, not about other settings.

# %%
assert (len(rows), *below.values()) == (480, 59, 59) and sum(fits < 1e-17) == 7
assert abs(again[1]["reconstruction_error"] - errors("coverage", 3)[0]) < 1e-3
assert all(np.ptp(paired[size]) < 0.6 * np.ptp(unpaired[size]) for size in sizes)
assert np.allclose(paired[5], (compared.low, compared.high), atol=0.005) and extreme == 8
assert abs(extreme / 1024 - compared.p) < 1e-12
assert [c.verdict for c in against_none["coverage"]] == ["better"] * 6
assert all(errors("coverage+overlap", n).mean() > errors("none", n).mean() for n in sizes[1:])
assert np.sum(errors("overlap", 3) - errors("none", 3) < 0.5) == 9
assert max(errors("overlap", 3) - errors("none", 3)).round(1) == 3.2
assert sum(len(k["comparisons"]) for c in summary["claims"] for k in c["contrasts"]) == 92
assert hundred["claims"][1]["contrasts"][0]["comparisons"][-1]["mean"] < 0
assert hundred["settings"] | {"seeds": 10} == summary["settings"]

# %% [markdown]
# ## Exercises
#
# 1. Pair the wrong seeds: subtract from each coverage run at $N = 100$ the plain run of the next
#    seed. What stays the same, and what becomes of the verdict?
# 2. Call a comparison open unless also $p < 0.05$. Which claims change their verdict?
#
# ## Answers

# %%
# 1: the mean stays, the interval is as wide as without pairs, and the verdict is open.
wrong = verdicts.compare(errors("coverage", 100) - np.roll(errors("none", 100), -1))
right = verdicts.compare(errors("coverage", 100) - errors("none", 100))
assert abs(wrong.mean - right.mean) < 1e-12 and (right.verdict, wrong.verdict) == ("better", "open")

# 2: none: the comparisons in question belong to claims that hold only in the mean.
for c in summary["claims"]:
    contrasts = []
    for contrast in c["contrasts"]:
        strict = [verdicts.Comparison(**one | ({} if one["p"] < 0.05 else {"verdict": "open"}))
                  for one in contrast["comparisons"]]
        contrasts.append(verdicts.Contrast(contrast["label"], contrast["expected"],
                                           contrast["larger_is_better"], strict))
    verdict = verdicts.claim(c["name"], "", contrasts, "", expect_mixed=c["name"] == "A3").verdict
    assert verdict == c["verdict"]
