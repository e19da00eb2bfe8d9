"""A study's summary as text, for the terminal and the README."""

from . import phase_report, strength_report
from .text import aligned, short, words

TOLD = ("reconstruction_error", "fit_error", "specialization_ratio", "expelled_fraction")
LISTED = 20         # runs that diverged or disagree, at most
FEW = 10            # seeds: under these the bootstrap is too sure of itself
MARKS = {"better": "+", "worse": "-", "open": "?"}
LEGEND = """Of each claim, by size or setting: + better, - worse, ? open; the mean over seeds of the paired difference
[95 % interval], its median and sign-flip p-value; * where mean and median lie on different sides of the bound.
"""


def text(summary):
    """The claims with their figures, what was found beside them, and the runs that diverged."""
    lines = []
    if "means" in summary:
        lines += [mean_table(summary, metric) for metric in TOLD]
    if "readout" in summary:
        lines.append(readout_text(summary))
    seeds = [count for claim in summary["claims"] for count in seeds_of(claim)]
    lines += [LEGEND] if seeds else []
    for claim in summary["claims"]:
        lines.append(f"{claim['name']}: {claim['verdict'].upper()}{seeds_text(claim)}.  {claim['statement']}")
        lines += ["  " + part_text(part) for part in claim.get("parts", ())]
        for contrast in claim.get("contrasts", ()):
            lines.append(f"  {words(contrast['label'])}: {contrast['verdict']}")
            lines += ["    " + comparison_text(c) for c in contrast["comparisons"]]
    for onset in summary.get("onset", []):
        lines.append(onset_text(onset))
    if "inward_share" in summary:
        lines.append(inward_text(summary["inward_share"]))
    if summary.get("largest_marginal_error") is not None:
        lines.append("balanced coverage: at the last step the marginals are met to "
                     f"{short(summary['largest_marginal_error'])} (0 to 2) or better\n")
    if "contingency" in summary:
        lines.append(plateau_text(summary))
    if "repairs" in summary:
        lines.append(repairs_text(summary["repairs"]))
    if "frontiers" in summary:
        lines.append(phase_report.tables(summary) + "\n")
    if "arms" in summary:
        lines.append(strength_report.tables(summary) + "\n")
    first_look = f" (a first look: from fewer than {FEW} seeds)" if min(seeds, default=FEW) < FEW else ""
    lines.append(f"claims{first_look}: " + ", ".join(f"{claim['name']} {claim['verdict']}"
                                                     for claim in summary["claims"]))
    for name, title in (("diverged", "diverged runs"), ("disagreements", "disagreements")):
        if name in summary:
            lines.append(f"{title}: {len(summary[name])}" + "".join(
                f"\n  {run}" for run in summary[name][:LISTED]) + (
                "\n  and more, all in summary.json" if len(summary[name]) > LISTED else ""))
    return "\n".join(lines)


def seeds_of(claim):
    """How many seeds each of its comparisons has."""
    return [c["seeds"] for contrast in claim.get("contrasts", ()) for c in contrast["comparisons"]]


def seeds_text(claim):
    """ (10 seeds), or from the fewest to the most; nothing of a claim without comparisons."""
    seeds = sorted({*seeds_of(claim)})
    return f" ({' to '.join(map(str, seeds[:1] + seeds[1:][-1:]))} seeds)" if seeds else ""


def mean_table(summary, metric):
    """Mean of a metric over seeds, masks down and sizes across."""
    means = {(row["mask"], row["size"]): row["mean"] for row in summary["means"]
             if row["metric"] == metric}
    sizes = list(dict.fromkeys(size for _, size in means))
    masks = list(dict.fromkeys(mask for mask, _ in means))
    body = [[mask, *(short(means[mask, size]) for size in sizes)] for mask in masks]
    if metric == "expelled_fraction":
        start = {int(size): value for size, value in summary["expelled_at_start"].items()}
        body.append(["(2/(N+1), expected at the start)", *(short(start[size]) for size in sizes)])
    title = words(metric) + (" (arithmetic mean)" if metric == "fit_error" else "")
    return aligned([title, *(f"N={size}" for size in sizes)], body) + "\n"


def readout_text(summary):
    """What each arm of `minimlp images` reads out, means over seeds."""
    rows = [[row["arm"], f"N={row['size']}", short(row["error"]),
             "-" if row["low"] is None else f"[{row['low']:.3g}, {row['high']:.3g}]", short(row["own_error"]),
             *("-" if row[name] is None else f"{row[name]:.0%}" for name in (
                 "recovered", "specialization_ratio", "memorised"))]
            for row in summary["readout"]]
    units = ", ".join(f"{distance:.3g} at N={size}" for size, distance in summary["nearest_other"].items())
    return (aligned(["structural loss", "", "error", "95 % interval", "in units of x", "recovered",
                     "prototypes used", "labels right"], rows)
            + "\nerror: of the reconstruction, in mean distances to the nearest other sample, which are "
            + units + "\nrecovered: nearer than half of the distance to the nearest other sample\n")


def comparison_text(c):
    """One comparison on a line (see LEGEND)."""
    interval = "" if c["low"] is None else f" [{c['low']:+.3g}, {c['high']:+.3g}]"
    flag = " *" if c["flagged"] else ""
    where = f"N={c['size']:<4}" if isinstance(c["size"], int) else c["size"]
    return (f"{MARKS[c['verdict']]} {where} mean {c['mean']:+.3g}{interval}, "
            f"median {c['median']:+.3g}, p {c['p']:.2g}{flag}")


def part_text(part):
    """One part of a claim about splits on a line."""
    limit = f", failing points at most {part['failing_points_at_most']:.1%}" if part["points"] else ""
    return (f"{part['verdict']}: {part['name']}: {part['wrong']} wrong and {part['undecided']} undecided of "
            f"{part['cases']} splits of {part['points']} points (at least {part['enough']}){limit}")


def plateau_text(summary):
    """Predicted against observed, the points found, and what was seen of Gaussian units."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["points"]["kinds"].items())
    law, units = summary["inertia_law"], summary["gaussian"]
    trace = "-" if units["largest_trace"] is None else f"{units['largest_trace']:.1e}"
    return "\n".join([
        "", aligned(["point", "mu", "H", "predicted", "observed", "splits"],
                    [[row[name] for name in ("kind", "region", "inner", "predicted", "observed", "count")]
                     for row in summary["contingency"]]), "",
        f"stationary points: {kinds}",
        f"inertia of the wide Hessian as added up: {law['agrees']} splits, not so: {law['disagrees']}, "
        f"left open (a zero coefficient or eigenvalue): {law['open']}",
        f"Gaussian units with a bias: {units['units']}, largest trace of a bias block over |H| {trace}, "
        "H " + ", ".join(f"{name}: {count}" for name, count in units["inner"].items()), "",
        aligned(["centred Gaussian units: d", "mu", "k", "units", "descend", "with a proof"],
                [[row[name] for name in ("dimensions", "region", "k", "units", "descend", "proved")]
                 for row in summary["centred"]]), ""])


def repairs_text(repairs):
    """Births by repair, how many had no way down, and how much an act raised the fit."""
    header = ["repair", "N", "births a run", "no negative eigenvalue", "rise of the fit by an act (median)"]
    return "\n" + aligned(header, [[row["arm"], row["size"], short(row["births"]), f"{row['ascents']:.0%}",
                                    short(row["rise"])] for row in repairs]) + "\n"


def inward_text(shares):
    rows = [[mask, share["moves"], short(share["share"]), short(share["low"]), short(share["high"])]
            for mask, share in shares.items()]
    return "\n" + aligned(["under Adam, outside the hull", "moves", "share towards it", "low",
                           "high"], rows) + "\n"


def onset_text(onset):
    level = onset["level"]
    name = level if isinstance(level, str) else f"{level:.0%} of the prototypes"
    rows = [[row["size"], short(row["tau"]), short(row["low"]), short(row["high"]),
             short(row["ratio"])] for row in onset["sizes"]]
    law = "needs two sizes where it begins" if onset["exponent"] is None else \
        f"tau* ~ N^{onset['exponent']:.2f} [{short(onset['low'])}, {short(onset['high'])}] " \
        f"over N = {', '.join(map(str, onset['fitted']))}"
    return (f"expulsion begun = {name} more out than without separation: {law}; "
            f"tau* ~ N^-2: {onset['verdict'].upper()}\n"
            + aligned(["  N", "tau*", "low", "high", "tau* / (range/N)^2"], rows) + "\n")
