"""What `minimlp phase` prints beside the claims: the ratios tried, the frontiers, the law at each coefficient."""

from .text import aligned, short, words


def tables(summary):
    """The study's tables as text, from what `phase.summary` made."""
    return "\n\n".join([explored(summary["explored"]), price(summary["price"]), *frontiers(summary["frontiers"]),
                        laws(summary["laws"]), best(summary["best"])])


def explored(rows):
    """Mean gain over coverage alone with each c on the seeds of the choice, sizes across."""
    sizes = [cell["size"] for cell in rows[0]["sizes"]]
    body = [[f"c = {row['ratio']:g}", *(f"{cell['specialization_ratio']:+.3f} {cell['reconstruction_error']:+.4f}"
                                        for cell in row["sizes"])] for row in rows]
    return ("separation at tau = c (range/N)^2 beside coverage, less coverage alone, on the first seeds: "
            "specialization ratio, reconstruction error\n" + aligned(["", *(f"N={size}" for size in sizes)], body))


def price(rows):
    """How many prototypes more are outside at the claim's tau, by size."""
    return ("prototypes more outside at the claim's tau than under coverage alone, on the fresh seeds\n" + aligned(
        [f"N={row['size']}" for row in rows],
        [[short(row["mean"]) + ("" if row["low"] is None else f" [{short(row['low'])}, {short(row['high'])}]")
          for row in rows]]))


def frontiers(found):
    """One table for each frontier: lambda* [interval] at each temperature, sizes across."""
    for name, against, level in dict.fromkeys((line["diagram"], line["against"], line["level"]) for line in found):
        lines = [line for line in found if (line["diagram"], line["against"], line["level"]) == (
            name, against, level)]
        header = ["tau"] + [text for line in lines for text in (
            f"N={line['size']}", *(["predicted"] if line["predicted"] else []))]
        body = [[f"{tau:g}", *(text for line in lines for text in cells(line, k))]
                for k, tau in enumerate(lines[0]["temperatures"])]
        title = f"{name}: least lambda with {level_text(name, against, level)}"
        yield "\n".join([title, aligned(header, body), *(off_by_text(line) for line in lines if line["ratio"])])


def off_by_text(line):
    """How far the prediction is off."""
    off = line["ratio"]
    return (f"N={line['size']}: measured / predicted {off['mean']:.2f} ({off['least']:.2f} to {off['most']:.2f}) "
            "where tau >= (range/N)^2")


def cells(line, k):
    """The measured lambda* at one temperature, and the predicted one."""
    value, low, high = (line[name][k] for name in ("coefficient", "low", "high"))
    text = line["state"][k] if value is None else short(value)
    yield text if low is None else f"{text} [{short(low)}, {short(high)}]"
    if line["predicted"]:
        predicted = line["predicted"][k]
        yield short(predicted) if predicted is not None and predicted < 1e6 else "-"


def level_text(name, against, level):
    """In words, what a frontier's level counts."""
    amount = level if isinstance(level, str) else f"{level:.0%} of the prototypes"
    than = {"none": "without any structural loss", "coverage": "under coverage alone"}[against]
    if level == 0:
        return f"more out than {than}"
    return f"{amount} {'fewer' if name in ('coverage', 'balanced') else 'more'} out than {than}"


def laws(rows):
    """The exponent of tau* ~ N^exponent at each coefficient."""
    body = [[row["diagram"], f"{row['coefficient']:g}", ", ".join(map(str, row["fitted"])) or "-",
             short(row["exponent"]), short(row["low"]), short(row["high"]), row["verdict"]] for row in rows]
    return body and aligned(["tau* ~ N^exponent, one prototype", "lambda", "over N =", "exponent", "low", "high",
                             "tau* ~ N^-2"], body) or "no law: separation was not run"


def best(cells):
    """Where on each map the most prototypes specialize, and where the error is lowest."""
    body = [[cell["diagram"], cell["size"], words(cell["by"]), f"{cell['temperature']:g}",
             f"{cell['coefficient']:g}", f"{cell['specialization_ratio']:.3f}", f"{cell['reconstruction_error']:.3f}"]
            for cell in cells]
    return aligned(["best cell (picked on these seeds)", "N", "by", "tau", "lambda", "specialization ratio",
                    "reconstruction error"], body)
