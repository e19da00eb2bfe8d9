# %% [markdown]
# # 00. The story in five figures
#
# **Question.** What do the hidden neurons of a minimal network learn, and can it be read out of them?
#
# Three papers make claims about it, and so do we: A is by Alba and López-Rubio, B by Ding, Li and Sun, C by Yeom, Ha
# and Lee (all 2026). This page tells in five figures what the claims are about, and in a sixth which of them hold; the pages
# after it derive everything. Symbols: [notation](notation.md).
#
# ## 1. Neurons that stand somewhere
#
# ![The same network trained without a structural loss, with coverage, separation and overlap](../benchmarks/results/study/drift.gif)
#
# A Gaussian neuron answers most strongly at one point of the input space, its *prototype* (triangles). Twenty of
# them fit twenty samples closely in each panel. (Their height in the picture means nothing.) But they stand in
# different places, because each panel but the first adds a *structural loss* to the fit. *Overlap* asks neurons to answer to different samples, and drives
# prototypes out of the data. *Coverage* asks every sample to have a prototype near it, and keeps them in.
# *Separation* asks prototypes to keep their distance, and changes little here. So the data can be read back out of
# the weights, or not, and a small fit error does not tell which. Fitting alone leaves prototypes about as far from
# the samples as they started; coverage brings them a little nearer ([01](01_gaussian_units.md) to [05](05_the_study.md)).
#
# ## 2. Forces
#
# ![Forces on a probe prototype by its position](../benchmarks/results/study/forces.png)
#
# Why? Take the gradient of each loss in the position of one prototype. Coverage's force is a sum of pulls towards
# samples: outside the data it can only point back. Overlap's, while widths stay fixed, is a sum of pushes away from
# samples: outside it can only point further out. Separation pushes prototypes apart, but only over about a distance
# that one sets, the root of its temperature. These are three lines of algebra each ([03](03_coverage.md),
# [04](04_separation_and_overlap.md)).
#
# ## 3. One neuron becomes two
#
# ![The loss near a plateau, for each way of sharing the output weight](figures/08_surface.png)
#
# Copy a neuron and share its output weight among the copies: the network computes what it did, and where its gradient
# was zero it still is. Whether a minimum is still one is told by a small matrix, the *inner Hessian*, and the signs of
# the shares. Minima were split in thousands of ways, and no split contradicted the prediction ([08](08_splitting.md)).
#
# ## 4. How much should a neuron turn?
#
# ![Test error against the scale of the start, plain and with two controls](figures/09_answer.png)
#
# A ReLU neuron answers $\max(w \cdot x, 0)$. Start the weights small, and every $w$ turns to the data before it grows;
# start them large, and the network fits first. With enough noise the test error is lowest between. But under two fair controls (orange: a
# start whose output is zero, and an output of zero counted as half an error) much of the valley is gone: a claim that
# holds can still be less than it seems ([09](09_goldilocks.md)).
#
# ## 5. A face in the weights
#
# ![A photograph, and what is read out of the weights of four networks](../benchmarks/results/images-confirmation/pictures.png)
#
# Back to where neurons stand. If every prototype must serve as many samples as any other (*balanced coverage*, ours),
# most end near a sample of their own. Let the samples be patches of a photograph, and the weights show it: of 100
# patches 98 come back, of 225 82 % ([10](10_balanced_coverage.md)). The places of the patches come from the original; what is in them, from the weights.
#
# ## The verdicts, as computed
#
# ![The verdict on every claim](figures/00_answer.png)
#
# Every box is one claim: green where it holds (blue: in the mean), grey where the data do not decide, orange where
# they say something else. (Sep., noisy: two families of data for section 4.)
# No verdict is judged by eye. Runs are repeated over *seeds*, each with samples and a start of its own, and differences
# within a seed decide, with their intervals; for B, counts of contradictions do. This reads the published summaries:

# %%
import json
from collections import Counter
from pathlib import Path

from minimlp import plots

RESULTS = Path("../benchmarks/results")
ROWS = {"A: prototypes\n(a hundred seeds)": ("study-100", "sweep-100"), "B: splitting": ("split",),
        "C: scale of the start": ("strength",),
        "ours\n(fresh seeds)": ("balanced-confirmation", "images-confirmation", "phase", "repair-confirmation")}
SHADES = {"holds": "#009E73", "holds in the mean": "#56B4E9", "mixed": "#E69F00", "not shown": "#BBBBBB", "fails": "#D55E00",
          "not tested": "#F2F2F2"}
WORDS = {"A1": "coverage best", "A2": "specializes", "A3": "separation mixed", "A4": "overlap harms", "A5": "fit as good",
         "A6": "out, and in", "A7": "A6 at N = 100", "A8": "attractor pays", "A9 (ours)": "beats the start",
         "A6 (separation)": "if tau is high", "B1": "signs decide", "B2": "minima mix", "B3": "sure saddles",
         "B4": "saddles stay", "B5": "zero shares", "B6 (ours)": "better to grow", "C1": "U-shaped error", "C2": "alignment",
         "C3": "inherited", "C4": "two excesses", "C5": "validation too", "C6": "transfer law", "balanced": "5 x better",
         "D1": "read out", "D2": "not annealing", "D3": "not without", "D4": "bears noise", "P1": "both help",
         "P2": "from N = 20", "R1": "error falls", "R2": "more are used", "R3": "as balanced", "R4": "by direction"}

def plain(name):
    """A claim's short name; None for one of paper C under a control."""
    name = name.replace("separable", "sep.").replace("annealed coverage", "annealed").replace("cold coverage", "cold")
    return None if "," in name or "start" in name or "half" in name or "controls" in name else name.replace(" (plain)", "")


verdicts = {}
for row, studies in ROWS.items():
    claims = [claim for study in studies for claim in json.loads((RESULTS / study / "summary.json").read_text())["claims"]]
    verdicts[row] = {plain(claim["name"]): claim["verdict"] for claim in claims if plain(claim["name"])
                     and (row.startswith("A") or not claim["name"].startswith("A"))}
    print(row.replace("\n", " ") + ":", ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts[row].values()).items()))

with plots.saved("figures/00_answer.png", height=4.6) as (figure, [[axis]]):
    for k, (row, found) in enumerate(verdicts.items()):
        axis.text(0, -k, row, va="center", fontsize=9.5)
        noisy = [name for name in found if "noisy" in name or name == "C6"]
        names = [name for name in found if name not in noisy]
        for line, part in enumerate([names, noisy] if noisy else [names[:7], names[7:]]):
            for j, name in enumerate(part):
                words = WORDS.get(name) or WORDS[name.split()[0]]
                axis.text(0.24 + 0.118 * j, -k + 0.22 - 0.44 * line, f"{name}\n{words}", ha="center", va="center", fontsize=7,
                          bbox={"facecolor": SHADES[found[name]], "edgecolor": "none", "boxstyle": "round,pad=0.3"})
    found = {verdict for row in verdicts.values() for verdict in row.values()}
    for j, verdict in enumerate(verdict for verdict in SHADES if verdict in found):
        shade = SHADES[verdict]
        axis.text(0.24 + 0.165 * j, 0.8, verdict, ha="center", va="center", fontsize=9,
                  bbox={"facecolor": shade, "edgecolor": "none", "boxstyle": "round,pad=0.35"})
    axis.set(xlim=(0, 1), ylim=(-3.5, 1))
    axis.set_axis_off()

# %% [markdown]
# A claim *holds* if it does at every size or setting (*in the mean*: if every mean says so and no size the opposite), is
# *mixed* if it does at some sizes and the opposite at others, and *fails* if only the opposite is found (the rules:
# [05](05_the_study.md)). A3, for one, is the claim that separation is better at some sizes and worse at others; a hundred seeds find it
# better at none, and leave some sizes open. (The boxes of C are without the controls of section 4.) What A1 to R4 say stands in the
# [README](../README.md), with the evidence.
#
# ## How to read on
#
# | you are | read |
# |---|---|
# | giving a lecture | this page, then [01](01_gaussian_units.md) and [04](04_separation_and_overlap.md); the figures are made by the scripts |
# | a student | all pages in order, with the exercises; [02](02_backward.md) is the one not to skip |
# | checking a claim | [05](05_the_study.md), [08](08_splitting.md) or [09](09_goldilocks.md), then the command that the README names beside it |
# | checking a gradient of your own | [02](02_backward.md), then [When the gradient check fails](when_the_check_fails.md) |
# | writing kernels | [03](03_coverage.md), [06](06_fast_code.md), [07](07_gpu.md), then [minimlp/kernels](../minimlp/kernels) |

# %%
assert verdicts["A: prototypes\n(a hundred seeds)"]["A1"] == "holds" and len(verdicts["B: splitting"]) == 6
