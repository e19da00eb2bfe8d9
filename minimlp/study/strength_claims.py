"""Verdicts on C1 to C6 (paper C), from the rows of the feature learning study.

A curve is an array (seeds, alphas), nan where a training failed or a stop was not reached.
Only alphas that three seeds in four reached are compared, on the seeds that reached all of
them; a comparison names the alphas where these are not all.  The rules are ours, fixed before the
study was run but for those that page 09 names.
"""

import numpy as np

from .curves import (arms, common, from_resamples, interval, judged, optimum, resampled_means, slopes,
                     spearman, within, wrong_steps)
from .verdicts import Claim, Contrast, claim, compare

LAW_ALPHAS = 0.1            # C2 and C3 speak of alphas up to here
EXPONENT, EXPONENT_MARGIN = 0.5, 0.1
DURATION_MARGIN = 0.1       # of phase 1's length, as a share of E15's
KEPT = 5.0                  # degrees that phase 2 may turn the predictor away
SAME_PLACE = 0.5            # decades of alpha between two optima that count as one
TRANSFER_LAW = {"n": -1.0, "h": -0.5}
CONTROLS = {"plain": ("plain", 1.0), "f = 0 half an error": ("plain", 0.5),
            "antisymmetric start": ("antisymmetric", 1.0), "both controls": ("antisymmetric", 0.5)}


def of_family(rows, family):
    """{setting: its rows}, in the study's order."""
    found = {}
    for row in rows:
        if row["family"] == family:
            found.setdefault(row["setting"], []).append(row)
    return found


def curve(rows, metric, stop=None, start="plain"):
    """A metric of one setting at one stop, (kind, level): (seeds, alphas); the last training risk
    unless said."""
    stops = [tuple(s) for s in rows[0]["stops"]]
    place = stops.index(tuple(stop)) if stop else max(k for k, s in enumerate(stops) if s[0] == "training")
    return np.array([row[start][metric] for row in rows], dtype=float)[:, :, place]


def test_error(rows, control="plain", stop=None):
    """The network's error with one control or both: f = 0 counted in full or as half an error."""
    start, weight = CONTROLS[control]
    return curve(rows, "error", stop, start) - (1 - weight) * curve(rows, "zeros", stop, start)


def alphas_of(rows):
    return np.array(rows[0]["alphas"])


def u_shape(name, statement, alphas, curves):
    """C1: the error falls, then rises; curves is {setting: (S, A)}."""
    sides = {"smallest alpha - optimum": [], "largest alpha - optimum": []}
    for setting, error in curves.items():
        kept, seeds = common(error)
        if kept.sum() < 3 or seeds.sum() < 4:
            continue
        left, right, _ = arms(error[seeds][:, kept])
        for side, gain in zip(sides, (left, right)):
            sides[side].append(compare(gain, over(setting, alphas, kept), larger_is_better=True))
    return claim(name, statement, [Contrast(side, "better", True, c) for side, c in sides.items()],
                 "the optimum of one half of the seeds, its gain on the other half, both ways")


def over(setting, alphas, kept):
    """The setting's name, with the alphas that are compared where these are not all."""
    return setting if kept.all() else f"{setting}, alpha {alphas[kept][0]:.2g} to {alphas[kept][-1]:.2g}"


def phase_1(rows, metrics, stop=("growth", None)):
    """(alphas kept, of those up to LAW_ALPHAS; seeds; values (S, A) of each metric), on common alphas and seeds."""
    curves = [curve(rows, metric, stop) for metric in metrics]
    kept, _ = common(*curves)
    kept &= alphas_of(rows) <= LAW_ALPHAS
    seeds = np.logical_and.reduce([np.isfinite(values[:, kept]).all(axis=1) for values in curves])
    return kept, seeds, [values[seeds][:, kept] for values in curves]


def alignment_law(rows_by_setting, family):
    """C2: the angle of the units at the end of phase 1 ~ sqrt(alpha); its length by E15."""
    ranks, exponents, lengths = [], [], []
    for setting, rows in rows_by_setting.items():
        kept, seeds, (angle, time) = phase_1(rows, ("unit_angle", "time"))
        if kept.sum() < 3 or seeds.sum() < 4:
            continue
        alphas, low = alphas_of(rows), alphas_of(rows) <= LAW_ALPHAS
        logs, name = np.log(alphas[kept]), over(setting, alphas[low], kept[low])
        ranks.append(compare(spearman(logs, angle), name, larger_is_better=True))
        exponents.append(within(slopes(logs, np.log(angle)), name, EXPONENT, EXPONENT_MARGIN))
        rate = np.array([row["class_norm"] / row["samples"] for row in rows])[seeds]
        lengths.append(within(-slopes(logs, time) * rate, name, 1.0, DURATION_MARGIN))
    return claim(f"C2 ({family})", "the smaller alpha, the nearer is each unit to x_+, like sqrt(alpha), and "
                 "the longer phase 1, like log(1/alpha)",
                 [Contrast("rank correlation of alpha and the units' angle to x_+", "better", True, ranks),
                  Contrast("exponent of that angle, 0.5 +- 0.1", "better", False, exponents, EXPONENT_MARGIN),
                  Contrast("growth of the length of phase 1 with log(1/alpha), over n / ||x_+||, 1 +- 0.1",
                           "better", False, lengths, DURATION_MARGIN)],
                 "margins; the mean over units and classes; alphas up to 0.1")


def inheritance(rows_by_setting, family):
    """C3: phase 2 keeps the predictor's alignment."""
    turns, ranks = [], []
    for setting, rows in rows_by_setting.items():
        before, after = (curve(rows, "angle", stop) for stop in (("growth", None), None))
        kept, _ = common(before, after)
        low = alphas_of(rows) <= LAW_ALPHAS
        name = over(setting, alphas_of(rows)[low], kept[low])
        kept &= low
        seeds = np.isfinite(before + after)[:, kept].all(axis=1)
        if kept.sum() < 3 or seeds.sum() < 4:
            continue
        before, after = before[seeds][:, kept], after[seeds][:, kept]
        turns.append(compare(np.degrees(np.abs(after - before)).mean(axis=1), name, bound=KEPT))
        ranks.append(compare(spearman(np.log(alphas_of(rows)[kept]), after), name, larger_is_better=True))
    return claim(f"C3 ({family})", "phase 2 inherits the alignment: w_+ stays near x_+",
                 [Contrast("degrees by which the angle of w_+ and x_+ changes in phase 2, bound 5", "better",
                           False, turns),
                  Contrast("rank correlation of alpha and the angle of w_+ at the last stop", "better", True,
                           ranks)],
                 "the bound; alphas up to 0.1")


def excess_error(rows_by_setting, family):
    """C4: OA falls and OF rises with alpha; a significant wrong-way step spoils 'holds'."""
    contrasts, wrong = [], []
    for metric, name, rising in (("over_alignment", "OA", False), ("over_fitting", "OF", True)):
        comparisons = []
        for setting, rows in rows_by_setting.items():
            values = curve(rows, metric)
            kept, seeds = common(values)
            if kept.sum() < 3 or seeds.sum() < 4:
                continue
            values = values[seeds][:, kept]
            comparisons.append(compare(spearman(np.log(alphas_of(rows)[kept]), values),
                                       over(setting, alphas_of(rows), kept), larger_is_better=rising))
            wrong += [f"{name} {setting} from alpha {alphas_of(rows)[kept][k]:g}"
                      for k in wrong_steps(values, rising)]
        contrasts.append(Contrast(f"rank correlation of alpha and {name}", "better", rising, comparisons))
    verdict = claim("", "", contrasts, "").verdict
    if verdict == "holds" and wrong:
        verdict = "holds in the mean"
    return Claim(f"C4 ({family})", "over-alignment falls and over-fitting rises with alpha", verdict,
                 contrasts, "significant wrong-way steps, which 'holds' does not allow: "
                 + ("; ".join(wrong) or "none"))


def matched_stops(rows_by_setting, family):
    """C5: the optimum under a validation stop is where it is under a training stop of that risk."""
    contrasts, unreached = [], 0
    for level in [s[1] for s in next(iter(rows_by_setting.values()))[0]["stops"] if s[0] == "validation"]:
        comparisons = []
        for setting, rows in rows_by_setting.items():
            if ["training", level] not in [list(s) for s in rows[0]["stops"]]:
                continue
            pair = [curve(rows, "error" if family == "noisy" else "linear_error", (kind, level))
                    for kind in ("training", "validation")]
            unreached += int(np.isnan(pair[1]).sum())
            shift = optimum_shift(setting, alphas_of(rows), *pair)
            if shift is not None:
                comparisons.append(shift)
        contrasts.append(Contrast(f"risk {level:g}: decades from the optimum of the training stop to that of "
                                  f"the validation stop, 0 +- {SAME_PLACE:g}", "better", False, comparisons,
                                  SAME_PLACE))
    return claim(f"C5 ({family})", "stopping on a validation risk leaves the optimum where it is", contrasts,
                 "the margin; the same risk for both; common seeds; the network's error, in the separable family "
                 "that of w_+; only where the training stop's optimum is inside in 97.5 % of the resamples and half "
                 f"a decade from both ends; validation stops not met: {unreached}")


def optimum_shift(setting, alphas, training, validation):
    """Decades between two optima, on common alphas and seeds; None if these are too few, or the training
    stop's optimum is not surely inside, or so near to an end that it could not shift far."""
    kept, seeds = common(training, validation)
    if kept.sum() < 3 or seeds.sum() < 4:
        return None
    logs = np.log10(alphas[kept])
    before, after = (values[seeds][:, kept] for values in (training, validation))
    best, drawn = optimum(logs, before.mean(axis=0)), optimum(logs, resampled_means(before))
    if min(best - logs[0], logs[-1] - best) < SAME_PLACE or np.isin(drawn, logs[[0, -1]]).mean() > 0.025:
        return None
    shift = optimum(logs, after.mean(axis=0)) - best
    samples = optimum(logs, resampled_means(after)) - drawn
    label = f"{setting}, alpha {alphas[kept][0]:.2g} to {alphas[kept][-1]:.2g}"
    return from_resamples(shift, samples, int(seeds.sum()), label, 0.0,
                          judged(**interval(samples), target=0.0, margin=SAME_PLACE))


def transfer(rows, control="plain"):
    """The optimum for each n and h (C6)."""
    cells = []
    for of_setting in transfer_rows(rows).values():
        error = test_error(of_setting, control)
        kept, seeds = common(error)
        if kept.sum() < 3 or seeds.sum() < 4:
            continue
        logs, error = np.log10(alphas_of(of_setting)[kept]), error[seeds][:, kept]
        best, samples = optimum(logs, error.mean(axis=0)), optimum(logs, resampled_means(error, seeds))
        cells.append({"n": of_setting[0]["samples"], "h": of_setting[0]["width"], "log10_alpha": float(best),
                      **interval(samples), "samples": samples, "seeds": int(seeds.sum()),
                      "alphas": int(kept.sum()), "at_an_end": bool(best in (logs[0], logs[-1]))})
    return cells


def transfer_rows(rows):
    """The settings over which n and h vary, and the one of the study that they are taken around."""
    found = of_family(rows, "transfer")
    middle = of_family(rows, "noisy").get("noisy 0.5")
    return {**found, "n 40, h 16": middle} if found and middle else found


def fitted_law(cells):
    """{"n" and "h": (exponent, resamples (R,))}, least squares over the cells, seeds drawn anew."""
    design = np.array([[1, np.log10(cell["n"]), np.log10(cell["h"])] for cell in cells])
    if np.linalg.matrix_rank(design) < 3:
        return None
    solve = np.linalg.pinv(design)
    means = solve @ [cell["log10_alpha"] for cell in cells]
    samples = solve @ np.array([cell["samples"] for cell in cells])
    return {"n": (means[1], samples[1]), "h": (means[2], samples[2])}


def transfer_law(rows, control="plain"):
    """C6: alpha* ~ n^-1 h^-1/2, that is c* ~ n^-2 h^-1.

    An exponent is as the law says if its interval holds the law's and not 0; it is not if
    the interval excludes the law's.
    """
    cells = transfer(rows, control)
    law, comparisons = fitted_law(cells) if cells else None, []
    for name, target in TRANSFER_LAW.items() if law else ():
        mean, samples = law[name]
        bounds = interval(samples)
        holds = bounds["low"] <= target <= bounds["high"]
        verdict = "worse" if not holds else "better" if bounds["high"] < 0 else "open"
        comparisons.append(from_resamples(mean, samples, min(c["seeds"] for c in cells),
                                          f"exponent of {name}, law {target:g}", target, verdict))
    return claim(f"C6 ({control})", "the optimum follows alpha* ~ n^-1 h^-1/2",
                 [Contrast("alpha* over n and h, least squares", "better", False, comparisons, margin=0.0)],
                 "rows of W_0 have norm about 1 whatever h; optima at an end of the range: "
                 f"{sum(cell['at_an_end'] for cell in cells)} of {len(cells)}")


def claims(rows):
    """The claims C1 to C6 with their verdicts, for each family apart.

    Parameters
    ----------
    rows : list of dict
        As `run_study` returns them.

    Returns
    -------
    list of Claim
    """
    separable, noisy = of_family(rows, "separable"), of_family(rows, "noisy")
    found = []
    for family, group in (("separable", separable), ("noisy", noisy)):
        if not group:
            continue
        for control in CONTROLS:
            name = f"C1 ({family})" if control == "plain" else f"C1 ({family}, {control})"
            found.append(u_shape(name, "the test error is least strictly inside", alphas_of(rows),
                                 {s: test_error(r, control) for s, r in group.items()}))
        if family == "separable":
            found.append(u_shape("C1 (separable, w_+ alone)", "log10 of the predictor's error is least inside",
                                 alphas_of(rows),
                                 {s: np.log10(curve(r, "linear_error")) for s, r in group.items()}))
        found += [alignment_law(group, family), inheritance(group, family), excess_error(group, family),
                  matched_stops(group, family)]
    if transfer_rows(rows):
        found += [transfer_law(rows, control) for control in CONTROLS]
    return found


def findings(rows):
    """What is told beside the claims: the arms that controls leave, angles, errors, cells of C6."""
    both = {**of_family(rows, "separable"), **of_family(rows, "noisy")}
    return {"arms": [arm for setting, of_setting in both.items() for arm in remaining(setting, of_setting)],
            "angles": [angles(setting, of_setting) for setting, of_setting in both.items()],
            "errors": [errors(setting, of_setting) for setting, of_setting in both.items()],
            "transfer": [{"control": control, **{k: v for k, v in cell.items() if k != "samples"}}
                         for control in CONTROLS for cell in transfer(rows, control)]}


def remaining(setting, rows):
    """Both arms of the U under each control, and their share of the plain one's, with intervals."""
    curves = {control: test_error(rows, control) for control in CONTROLS}
    kept, seeds = common(*curves.values())
    if kept.sum() < 3 or seeds.sum() < 4:
        return
    plain = None
    for control, error in curves.items():
        error = error[seeds][:, kept]
        sides = np.stack(arms(error)[:2], -1)
        means, samples = sides.mean(axis=0), resampled_means(sides)
        plain = (means, samples) if plain is None else plain
        for k, side in enumerate(("left", "right")):
            with np.errstate(all="ignore"):
                share = {"share": float(means[k] / plain[0][k]), **interval(samples[:, k] / plain[1][:, k])}
            told = np.isfinite(list(share.values())).all()
            yield {"setting": setting, "control": control, "arm": side, "mean": float(means[k]),
                   "alpha": float(alphas_of(rows)[kept][np.argmin(error.mean(axis=0))]),
                   **(share if told else dict.fromkeys(share))}


def angles(setting, rows):
    """Separability, angle of x_+ and s_+, that of w_+ and x_+ at each stop at the smallest alpha
    (the floor of phase 2), and the units' exponent by the event of E15 and by the first risk."""
    stops = [tuple(s) for s in rows[0]["stops"] if s[0] != "validation"]
    found = {"setting": setting,
             "separability": [float(f([row["separability"] for row in rows])) for f in (min, np.mean, max)],
             "mean_angle": float(np.degrees(np.mean([row["mean_angle"] for row in rows]))),
             "floor": {f"{kind} {level or ''}".strip(): degrees(curve(rows, "angle", (kind, level))[:, 0])
                       for kind, level in stops}}
    for name, stop in (("exponent", stops[0]), ("exponent_by_risk", stops[1])):
        kept, _, [values] = phase_1(rows, ("unit_angle",), stop)
        logs = np.log(alphas_of(rows)[kept])
        found[name] = float(slopes(logs, np.log(values)).mean()) if values.size > len(values) else None
    return found


def degrees(values):
    return float(np.degrees(np.nanmean(values))) if np.isfinite(values).any() else None


def errors(setting, rows):
    """Mean curves at the last stop: the network's error with each control, w_+'s, OA and OF."""
    found = {"setting": setting, "alphas": rows[0]["alphas"],
             **{control: test_error(rows, control) for control in CONTROLS},
             **{name: curve(rows, name) for name in ("zeros", "linear_error", "over_alignment",
                                                     "over_fitting")}}
    return {name: [None if np.isnan(column).all() else float(np.nanmean(column)) for column in value.T]
            if isinstance(value, np.ndarray) else value for name, value in found.items()}
