"""What `minimlp strength` prints beside the claims: arms of the U, angles, optima by n and h."""

from .text import aligned, short


def tables(summary):
    """The study's tables as text, from what `strength.summary` made."""
    made = (arms(summary["arms"]), angles(summary["angles"]), errors(summary["errors"]),
            transfer(summary["transfer"]))
    return "\n\n".join(table for table in made if table)


def arms(rows):
    """Both arms of the U with each control, and the share of the plain one's that is left."""
    body = []
    for left, right in zip(rows[::2], rows[1::2]):
        body.append([left["setting"], left["control"], f"{left['alpha']:g}",
                     f"{left['mean']:+.2g}", share(left), f"{right['mean']:+.2g}", share(right)])
    return body and aligned(["setting", "control", "optimum", "left arm", "share left", "right arm",
                             "share left"], body)


def share(arm):
    return "-" if arm["share"] is None else f"{arm['share']:.0%} [{arm['low']:.0%}, {arm['high']:.0%}]"


def angles(rows):
    """Degrees: x_+ from s_+; w_+ from x_+ at each stop at the smallest alpha; and exponents."""
    if not rows:
        return ""
    stops = list(rows[0]["floor"])
    body = [[row["setting"], short(row["separability"][1]), short(row["mean_angle"]),
             *(short(row["floor"][stop]) for stop in stops), short(row["exponent"]),
             short(row["exponent_by_risk"])] for row in rows]
    return aligned(["setting", "separability", "x+ from s+", *stops, "exponent", "by risk"], body)


def errors(rows):
    """At the smallest alpha, the largest and the network's best: both errors, OA and OF."""
    body = []
    for row in rows:
        told = [k for k, error in enumerate(row["plain"]) if error is not None]
        if not told:
            continue
        for k in dict.fromkeys((told[0], min(told, key=lambda k: row["plain"][k]), told[-1])):
            body.append([row["setting"], f"{row['alphas'][k]:g}", *(short(row[name][k]) for name in (
                "plain", "both controls", "zeros", "linear_error", "over_alignment", "over_fitting"))])
    return body and aligned(["setting", "alpha", "network", "both controls", "f = 0", "predictor", "OA", "OF"],
                            body)


def transfer(cells):
    """The optimal alpha by n and h."""
    body = [[cell["control"], cell["n"], cell["h"], *(short(10 ** cell[name]) for name in (
        "log10_alpha", "low", "high")), cell["seeds"]] for cell in cells]
    return body and aligned(["control", "n", "h", "alpha*", "low", "high", "seeds"], body)
