"""The bench's tables: CSV with a header of comments, and text for the terminal."""

import csv
from pathlib import Path

from ..checks import InputError
from ..study.store import csv_text
from ..study.text import aligned, short, words

FUNCTIONS = ("function", "backend", "N", "M", "d", "dtype", "ns_per_pair", "ns_low", "ns_high", "timings",
             "ratio_to_numpy", "first_call_seconds", "error", "failure")
COLUMNS = {
    "bench.csv": ("competitor", "N", "M", "d", "dtype", "ns_per_pair", "ns_low", "ns_high", "timings",
                  "ratio_to_simd", "first_call_seconds", "value_error", "gradient_error",
                  "peak_megabytes", "multiply_add_share", "exp_share", "failure"),
    "study.csv": ("competitor", "side_by_side", "runs", "steps", "share_of_the_study", "seconds",
                  "seconds_low", "seconds_high", "timings", "seconds_whole_study", "ratio_to_simd",
                  "first_call_seconds", "error_after_20_steps", "failure"),
    "functions.csv": FUNCTIONS,
    "scaling.csv": ("axis", "competitor", "N", "M", "d", "dtype", "threads", "ns_per_pair", "ns_low",
                    "ns_high", "timings", "failure"),
    "ceilings.csv": ("operation", "dtype", "threads", "ns"),
    "gpu.csv": ("competitor", "N", "M", "d", "dtype", "ps_per_pair", "ps_low", "ps_high", "timings",
                "ratio_to_gpu", "first_call_seconds", "value_error", "gradient_error",
                "multiply_add_share", "exp_share", "failure"),
    "gpu_ceilings.csv": ("operation", "dtype", "ps"),
    "gpu_functions.csv": FUNCTIONS,
    "gpu_training.csv": ("backend", "N", "dtype", "steps", "seconds_a_step", "failure"),
}
CALLED = ("public functions by each backend, NumPy arrays in and out; sinkhorn: one iteration; train: a step, of ten "
          "with what stands around them; ns_low, ns_high: quartiles; ratio_to_numpy: median of the ratios within a "
          "round; error: the largest relative one of the result's arrays, against numpy's")
NOTES = {
    "bench.csv": "coverage and its gradient; ns_low, ns_high: quartiles; ratio_to_simd: median of the "
                 "ratios within a round; errors: relative, against np.longdouble; peak memory above "
                 "library, code and input; shares: of ceilings.csv, 2 d multiply-adds and an exp a pair",
    "study.csv": "trainings of 2000 Adam steps, sizes 3 to 100, eight masks, ten seeds; where a share "
                 "was timed, seconds_whole_study is seconds divided by that share; first calls: of 16 "
                 "runs of 20 steps and of that share, compilation in them",
    "functions.csv": CALLED,
    "scaling.csv": "coverage and its gradient, one of N = M, d and threads at a time",
    "gpu.csv": "coverage and its gradient on a GPU, data there before and after; 'gpu, from host': NumPy "
               "arrays in and out, with the transfers; 'cpu simd': the same machine's processor; "
               "ps_low, ps_high: quartiles; ratio_to_gpu: median of the ratios within a round; errors: "
               "relative, against np.longdouble; shares: of gpu_ceilings.csv, 2 d multiply-adds and an "
               "exp a pair (ours takes two exps)",
    "gpu_ceilings.csv": "picoseconds for one multiply-add, exponential or byte copied, the whole card, "
                        "at best",
    "gpu_functions.csv": CALLED,
    "gpu_training.csv": "one network with N = M, d = 1, all losses active: seconds a step; on the "
                        "CPU by one thread, as a training there",
    "ceilings.csv": "nanoseconds for one multiply-add or exponential, all threads together, at best",
}


def table_text(name, rows, notes):
    """A table as the text of its file."""
    header = "".join(f"# {note}\n" for note in (NOTES[name], *notes))
    rounded = [{column: f"{row[column]:.4g}" if isinstance(row.get(column), float)
                else row.get(column) for column in COLUMNS[name]} for row in rows]
    return header + csv_text(COLUMNS[name], rounded)


def read_table(path):
    """What `table_text` wrote: the notes and the rows, numbers as numbers, what is missing as None.

    Raises
    ------
    InputError
        If it is no such table.
    """
    path = Path(path)
    lines = path.read_text().splitlines()
    notes = [line[2:] for line in lines if line.startswith("# ")]
    reader = csv.DictReader(lines[len(notes):])
    if tuple(reader.fieldnames or ()) != COLUMNS.get(path.name):
        raise InputError(f"{path}: is not a table of minimlp bench")
    return notes, [{name: parsed(text) for name, text in row.items()} for row in reader]


def parsed(text):
    for kind in (int, float):
        try:
            return None if text == "nan" else kind(text)
        except ValueError:
            pass
    return text or None


def printed(name, rows):
    """A table for the terminal: the columns in which there is something, three digits each."""
    columns = [column for column in COLUMNS[name]
               if any(row.get(column) not in (None, "") for row in rows)]
    return aligned([words(column) for column in columns],
                   [[short(row.get(column)) for column in columns] for row in rows])
