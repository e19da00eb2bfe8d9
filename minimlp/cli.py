"""The command line: `minimlp study`, `sweep`, `phase`, `repair`, `images`, `split`, `strength`, and checks."""

import argparse
import json
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from . import __doc__ as about
from . import __version__, checks
from .bench.machine import cores
from .dispatch import BACKENDS, available_backends

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(arguments=None):
    """Run a command; returns its exit status: 0, 1 a check failed, 2 bad input, 130 Ctrl-C."""
    os.environ["MPLBACKEND"] = "agg"        # figures go to files alone
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.error("expected a command; minimlp --help lists them")
    try:
        status = args.run(args) or 0
        print(end="", flush=True)           # sys.stdout may be None
        return status
    except BrokenPipeError:                 # as in `minimlp study | head`: all files are written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        return failed(args, f"not enough memory: {error}")
    except checks.InputError as error:
        return failed(args, error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return failed(args, f"{where}{error.strerror or error}")
    except BrokenProcessPool:
        return failed(args, f"a worker process died; {resume_hint(args)}", FAILED)
    except KeyboardInterrupt:
        print(f"\nminimlp {args.command}: stopped; {resume_hint(args)}", file=sys.stderr)
        return INTERRUPTED


def failed(args, message, status=BAD_INPUT):
    print(f"minimlp {args.command}: error: {one_line(message)}", file=sys.stderr)
    return status


def one_line(message):
    """The message without the line breaks that a path may hold."""
    return " ".join(str(message).splitlines())


def resume_hint(args):
    if not hasattr(args, "resume"):
        return "nothing was kept"
    return "finished runs are kept: the same command with --resume goes on"


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, which names the command."""

    def error(self, message):
        self.exit(BAD_INPUT, f"{self.prog}: error: {one_line(message)}\n")

    def parse_known_args(self, args=None, namespace=None):
        """Refuses what is unknown at once: argparse leaves it to the parser above, which names no command."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def build_parser():
    parser = OneLineParser(prog="minimlp", description=(about or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"minimlp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    add_trainings(commands)
    add_images(commands)
    add_further_studies(commands)
    for name, command in commands.choices.items():
        add_study_options(command, seeds=20 if name == "strength" else 10)
    add_checks(commands)
    for name, command in commands.choices.items():
        command.add_argument("--out", type=Path, default=Path("results", name),
                             help="folder of the results (%(default)s)")
        if name in ("bench", "split"):  # one runs all backends against each other, one NumPy alone
            continue
        choices = {"gradcheck": ["numpy", *BACKENDS], "strength": ["auto", "numpy", "cpu"]}.get(
            name, ["auto", "numpy", *BACKENDS])
        auto = "; auto: the compiled CPU kernels where they load, else numpy, the reference"
        command.add_argument("--backend", default=choices[0], choices=choices,
                             help=f"what computes{auto if 'auto' in choices else ''} (%(default)s)")
    info = commands.add_parser("info", help="versions, hardware and backends")
    info.set_defaults(run=run_info_command)
    return parser


def add_trainings(commands):
    """The studies of one-dimensional trainings: paper A's two, and two of ours."""
    study = commands.add_parser("study", help="train over sizes, masks and seeds; judge claims "
                                "A1 to A9", description="The specialization study: by default "
                              "480 runs (sizes 3, 5, 10, 20, 50, 100; eight masks; ten seeds).")
    study.add_argument("--masks", type=comma_list(str), help="active losses joined by +, comma-"
                       "separated, or none (default: all eight)")
    study.add_argument("--coverage-temperature", type=float, help="tau of coverage (0.02)")
    study.add_argument("--separation-temperature", type=float, help="tau of separation (0.001)")
    study.set_defaults(run=run_study_command)

    sweep = commands.add_parser("sweep", help="train under separation alone over temperatures; "
                                "find where expulsion begins",
                                description="The temperature sweep: by default 800 "
                                "runs (sizes 3, 10, 30, 100; 19 temperatures and none; ten seeds).")
    sweep.add_argument("--temperatures", type=comma_list(float), help="tau of separation, comma-"
                       "separated (default: 19 from 1e-5 to 10)")
    sweep.set_defaults(run=run_sweep_command)

    for command in (study, sweep, add_phase(commands), add_repair(commands)):
        command.add_argument("--sizes", type=comma_list(int), help="N = M, comma-separated")
        command.add_argument("--steps", type=int, help="steps of Adam (2000)")
        command.add_argument("--rate", type=float, help="Adam's step size (0.01)")
        command.add_argument("--coefficient", type=float, help="lambda of each active loss (0.1)")
        command.add_argument("--target", help="sin, identity or random (sin)")


def add_phase(commands):
    """The losses over a grid of coefficients and temperatures (ours)."""
    phase = commands.add_parser("phase", help="train over coefficients and temperatures; find where each loss "
                                "expels, and whether separation helps beside coverage",
                                description="Phase diagrams: by default 13 temperatures (balanced coverage: 7), 11 "
                                "coefficients, sizes 10, 20 and 50 and ten seeds for each loss, and for separation "
                                "beside coverage; "
                                "and the claim at sizes 3 to 100, on thirty seeds more.")
    phase.add_argument("--losses", type=comma_list(str), help="which diagrams, comma-separated: coverage, "
                       "separation, overlap, balanced, coverage+separation (all)")
    phase.add_argument("--temperatures", type=comma_list(float), help="tau, comma-separated (default: 13 from "
                       "1e-5 to 10)")
    phase.add_argument("--balanced-temperatures", type=comma_list(float), help="last tau of balanced coverage, "
                       "comma-separated (default: 7 from 1e-5 to 10)")
    phase.add_argument("--coefficients", type=comma_list(float), help="lambda, comma-separated (default: 11 from "
                       "1e-4 to 10)")
    phase.add_argument("--coverage-temperature", type=float, help="tau of coverage beside separation (0.02)")
    phase.add_argument("--ratio", type=float, help="c of tau = c (range/N)^2 in the claim (0.05)")
    phase.add_argument("--claim-sizes", type=comma_list(int), help="N = M of the claim, comma-separated "
                       "(3,5,10,20,50,100)")
    phase.add_argument("--fresh-seeds", type=int, help="how many seeds judge the claim, after the others (30)")
    phase.set_defaults(run=run_phase_command)
    return phase


def add_repair(commands):
    """Coverage with and without repair by splitting (ours)."""
    repair = commands.add_parser("repair", help="give coverage's unused units back by splitting; judge "
                                 "claims R1 to R4", description="The repair study: by default 780 runs (sizes 3, "
                                 "5, 10, 20, 50, 100; thirteen arms; ten seeds).")
    repair.add_argument("--acts", type=comma_list(float), help="when, as shares of the steps, comma-separated "
                        "(0.6,0.8)")
    repair.add_argument("--epsilon", type=float, help="how far the copies of a split part (0.1)")
    repair.set_defaults(run=run_repair_command)
    return repair


def add_further_studies(commands):
    """The studies of papers B and C."""
    split = commands.add_parser("split", help="split every unit of hundreds of stationary points; judge "
                                "claims B1 to B6", description="The splitting study: stationary points of "
                                "networks with five kinds of units, every kind of split of each, "
                                "predicted and observed.")
    split.add_argument("--widths", type=comma_list(int), help="hidden units, comma-separated (1,2,3,4)")
    split.add_argument("--growth-seeds", type=int, help="seeds of the comparison of ways to grow (20)")
    split.set_defaults(run=run_split_command)

    strength = commands.add_parser("strength", help="gradient flow over scales of the start; judge claims C1 to "
                                   "C6", description="The feature learning study: by default 15 settings, 13 "
                                   "scales from 1e-4 to 10, two starts and 20 seeds.")
    strength.add_argument("--alphas", type=comma_list(float), help="scales of the start, comma-separated "
                          "(13 from 1e-4 to 10)")
    strength.add_argument("--tolerance", type=float, help="of the integrator (1e-6)")
    strength.add_argument("--test-points", type=int, help="for the network's error (5000)")
    strength.set_defaults(run=run_strength_command)


def add_images(commands):
    """Reading samples of any dimension out of the weights (ours)."""
    images = commands.add_parser("images", help="read patches of a photograph, or your samples, back out of the "
                                 "weights; judge claims D1 to D4", description="Trains networks on patches of a "
                                 "photograph that comes with matplotlib, or on your samples, and reads every one "
                                 "of them from the weights alone: by default 120 runs (25, 49 and 100 patches; "
                                 "no structural loss, coverage, coverage annealed, balanced coverage; ten seeds).")
    images.add_argument("--data", help="an npy or csv file of samples, one a row; a first line of a csv without any "
                        "number is taken as the columns' names (default: the photograph)")
    images.add_argument("--region", help="of the photograph: face or flag (face)")
    images.add_argument("--sizes", type=comma_list(int), help="how many samples, comma-separated: of the photograph "
                        "square numbers up to 225 (25,49,100), of a file evenly spaced rows (all)")
    images.add_argument("--steps", type=int, help="steps of Adam (2000)")
    images.add_argument("--rate", type=float, help="Adam's step size (0.01)")
    images.add_argument("--coefficient", type=float, help="lambda of the structural loss (10)")
    images.set_defaults(run=run_images_command)


def add_study_options(command, seeds):
    command.add_argument("--seeds", type=int, help=f"how many seeds ({seeds})")
    command.add_argument("--first-seed", type=int, help="the first of them (0)")
    command.add_argument("--jobs", type=int, default=cores(), help="workers side by side (one a core)")
    command.add_argument("--resume", action="store_true",
                         help="continue an unfinished study, redraw a finished one")
    command.add_argument("--quick", action="store_true", help="fewer sizes and seeds, unless given")


def add_checks(commands):
    gradcheck = commands.add_parser("gradcheck", help="check every hand-written gradient",
                                    description="Every gradient against differences.")
    gradcheck.add_argument("--quick", action="store_true", help="without the figure")
    gradcheck.set_defaults(run=run_gradcheck_command)
    bench = commands.add_parser("bench", help="time kernels and trainings beside other libraries",
                                description="Kernels, trainings and scaling, timed beside NumPy, "
                                "torch, JAX and KeOps where they are installed "
                                "(pip install minimlp[bench]).")
    bench.add_argument("--quick", action="store_true", help="fewer sizes and rounds, float64, d = 1 "
                       "and 8, no torch compile, keops, nor trainings but ours")
    bench.add_argument("--gpu", action="store_true", help="the GPU's part alone (without it: last, "
                       "where there is a GPU)")
    bench.set_defaults(run=run_bench_command)


def comma_list(kind):
    def parse(text):
        return tuple(kind(part) for part in text.split(","))
    parse.__name__ = f"comma-separated list of {kind.__name__}"
    return parse


def run_study_command(args):
    from . import plots_study
    from .study import specialization
    quick = {"sizes": (5, 10, 20), "seeds": 5}
    return conduct(args, specialization, specialization.StudyConfig, quick, plots_study.study_figures)


def run_sweep_command(args):
    from . import plots_study
    from .study import temperature
    quick = {"sizes": (5, 10, 20), "seeds": 5,
             "temperatures": (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0)}
    return conduct(args, temperature, temperature.SweepConfig, quick, plots_study.sweep_figures)


def run_phase_command(args):
    from . import plots_phase
    from .study import phase
    quick = {"sizes": (20,), "seeds": 4, "temperatures": (1e-4, 1e-3, 1e-2, 0.1, 1.0), "fresh_seeds": 10,
             "balanced_temperatures": (1e-3, 0.1, 1.0),
             "coefficients": (1e-4, 1e-3, 1e-2, 0.1, 1.0), "claim_sizes": (5, 20, 50), "ratios": (0.02, 0.05, 0.2)}
    return conduct(args, phase, phase.PhaseConfig, quick, plots_phase.phase_figures)


def run_repair_command(args):
    from . import plots_repair
    from .study import repairing
    quick = {"sizes": (5, 10, 20), "seeds": 5}
    return conduct(args, repairing, repairing.RepairConfig, quick, plots_repair.repair_figures)


def run_split_command(args):
    from . import plots_splitting
    from .study import plateau
    quick = {"seeds": 1, "growth_seeds": 4}
    return conduct(args, plateau, plateau.SplitConfig, quick, plots_splitting.split_figures)


def run_strength_command(args):
    from . import plots_strength
    from .study import strength
    quick = {"settings": (strength.SEPARABLE[1], strength.NOISY[1]), "seeds": 6, "test_points": 2000,
             "alphas": (1e-4, 1e-2, 0.03, 0.1, 0.3, 1.0, 10.0)}
    return conduct(args, strength, strength.StrengthConfig, quick, plots_strength.strength_figures)


def run_images_command(args):
    from . import plots_images
    from .study import readout
    quick = {"seeds": 3} if args.data else {"seeds": 3, "sizes": (25,)}
    return conduct(args, readout, readout.ImagesConfig, quick, plots_images.images_figures)


def conduct(args, study, config_class, quick, figures):
    """Run, or resume, a study; write and print what it found."""
    from .study import report
    from .study.runner import run_study
    from .study.store import LOG, RunLog, csv_text

    checks.count("jobs", args.jobs)
    config = config_class(**settings(args, config_class, quick))
    with RunLog(config.identity(), args.out, args.resume, config.acceptance()) as log:
        rows = run_study(config, jobs=args.jobs, log=log, progress=True)
        summary = study.summary(rows, config, log)
        files = [args.out / LOG,
                 log.write("results.csv", csv_text(study.COLUMNS, study.csv_rows(rows))),
                 log.write("summary.json", json.dumps(summary, indent=1) + "\n")]
        files += figures(config, rows, summary, log)
        print(report.text(summary))
        print("\nwrote", *files, sep="\n  ")


def settings(args, config_class, quick):
    """The options that were given, over those of --quick, over the nominal ones."""
    given = {name: value for name, value in vars(args).items()
             if name in config_class.__dataclass_fields__ and value is not None}
    if given.get("backend") == "auto":
        given["backend"] = "cpu" if available_backends()["cpu"] is None else "numpy"
    return {**(quick if args.quick else {}), **given}


def run_gradcheck_command(args):
    from . import plots
    from .study import gradients
    from .study.store import csv_text, replace
    from .study.text import aligned, short

    make_folder(args.out)
    rows = gradients.gradient_table(args.backend)
    files = [args.out / "gradients.csv"]
    replace(files[0], csv_text(gradients.COLUMNS, rows).encode())
    if not args.quick:
        files.append(args.out / "steps.png")
        plots.step_errors(files[1], gradients.step_sweeps())
    print(aligned(gradients.COLUMNS, [[short(row[name]) for name in gradients.COLUMNS] for row in rows]))
    wrong = [row for row in rows if row["verdict"].startswith("WRONG")]
    zero = sum(row["verdict"] == "zero" for row in rows)
    named = ": " + ", ".join(dict.fromkeys(row["gradient"] for row in wrong)) if wrong else ""
    print(f"\n{len(rows) - len(wrong) - zero} gradients right, {zero} rightly zero, {len(wrong)} wrong{named}")
    print("\nwrote", *files, sep="\n  ")
    return FAILED if wrong else 0


def run_bench_command(args):
    from .bench import measure, measure_gpu, tables

    reason = available_backends()["gpu"]
    if not reason and not args.quick:
        from .kernels import gpu
        reason = "the simulator has no speed to measure; --quick shows its logic" if gpu.SIMULATED else None
    if args.gpu and reason:
        raise checks.InputError(f"--gpu: {reason}")
    make_folder(args.out)
    rows, missing, files = {}, {}, []
    parts = [(measure.run_bench, measure)] if not args.gpu else []
    parts += [(measure_gpu.run_gpu_bench, measure_gpu)] if not reason else []
    for run, part in parts:
        found = run(args.out, part.QUICK if args.quick else part.FULL, progress=True)
        rows, missing, files = rows | found[0], missing | found[1], files + found[2]
    for name, table in rows.items():
        print(f"{name}: {tables.NOTES[name]}\n\n{tables.printed(name, table)}\n")
    for name, library in missing.items():
        print(f"left out: {name}, for {library} is not installed")
    print("\nwrote", *files, sep="\n  ")


def make_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise checks.InputError(f"out = {path}: can't be written: {error.strerror}") from None


def run_info_command(args):
    import platform

    from .study.store import versions
    for name, version in versions().items():
        print(f"{name:12} {version}")
    print(f"{'machine':12} {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for name, reason in available_backends().items():
        print(f"{name:12} {reason or 'works'}")
    try:
        from .kernels import gpu
    except ImportError:
        return
    print("\nlooked for, for the GPU:")
    for name, found in gpu.diagnosis().items():
        print(f"{name:12} {found}")
