"""Samples read back out of the weights: data, scaling, pairing, noise, claims, the command."""

import json

import numpy as np
import pytest

import minimlp
from minimlp import InputError, images
from minimlp.cli import main
from minimlp.gaussian import Params
from minimlp.images import ARMS, Scaling
from minimlp.study import readout
from minimlp.study.readout import ImagesConfig

COMMAND = ["images", "--steps", "60", "--seeds", "2", "--jobs", "1", "--backend", "numpy"]


def samples(size=7, dimensions=4, seed=1):
    return np.random.default_rng(seed).normal(size=(size, dimensions))


def saved_csv(path, x, header="first,second"):
    path.write_text("\n".join([*([header] if header else []), *(",".join(map(repr, map(float, row))) for row in x)]))
    return path


def test_patches_are_the_crop_cut_row_by_row():
    grey, x = images.photograph(), images.patches(9, "flag")
    assert grey.shape == (300, 256) and grey.min() >= 0 and grey.max() <= 1
    np.testing.assert_array_equal(images.mosaic(x), grey[48:72, 48:72])
    np.testing.assert_array_equal(x[5].reshape(8, 8), grey[56:64, 64:72])


def test_each_region_holds_its_largest_crop_and_no_two_equal_patches():
    for region in images.CENTRES:
        assert len(np.unique(images.patches(images.MOST_PATCHES, region), axis=0)) == images.MOST_PATCHES


def test_a_mosaic_leaves_free_what_is_left_over():
    whole = images.mosaic(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(whole, [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, np.nan, np.nan],
                                          [10, 11, np.nan, np.nan]])


@pytest.mark.parametrize("size, message", [(10, "size = 10: expected a square"), (256, "size = 256"),
                                           (1, "size = 1"), (2.5, "size = 2.5")])
def test_patches_that_there_cannot_be_are_refused(size, message):
    with pytest.raises(minimlp.InputError, match=message):
        images.patches(size)


def test_the_same_numbers_from_npy_and_csv_with_and_without_a_header(tmp_path):
    x = samples(5, 2)
    np.save(tmp_path / "x.npy", x)
    for path in (tmp_path / "x.npy", saved_csv(tmp_path / "a.csv", x), saved_csv(tmp_path / "b.csv", x, None)):
        np.testing.assert_array_equal(images.read_samples(path), x)


def test_one_column_is_one_dimension(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4))
    (tmp_path / "x.csv").write_text("0\n1\n\n2\n3\n")
    for name in ("x.npy", "x.csv"):
        np.testing.assert_array_equal(images.read_samples(tmp_path / name), [[0], [1], [2], [3]])


@pytest.mark.parametrize("content, message", [
    ("", "holds no numbers"), ("a,b\n", "holds no numbers"), ("1,2\n3\n", "line 2: has 1 columns"),
    ("a,b\n1,2\n3,x\n", "line 3: 'x' is not a number"), ("1,2\n3,\n", "line 2: '' is not a number"),
    ("1,2\n3,nan\n", r"\[1, 1\] = nan: must be finite"), ("1,2\n", "holds 1 sample"),
    ("1,2\n3,4\n1,2\n", "sample 2 equals sample 0"), ("1\n1\n", "sample 1 equals sample 0"),
])
def test_bad_csv_is_named_with_its_place(content, message, tmp_path):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(minimlp.InputError, match=message):
        images.read_samples(tmp_path / "x.csv")


@pytest.mark.parametrize("array, message", [
    (np.zeros((2, 2, 2)), "has 3 dimensions"), (np.float64(3), "has 0 dimensions"),
    (np.array(["a", "b"]), "has type <U1"), (np.array([1j, 2]), "has type complex128"),
    (np.array([True, False]), "has type bool"), (np.zeros((0, 3)), "has shape"),
    (np.array([1.0, np.inf]), "must be finite"), (np.array([1e200, 0]), "at most 1e"),
])
def test_bad_npy_is_named(array, message, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(minimlp.InputError, match=message):
        images.read_samples(tmp_path / "x.npy")


def test_files_of_another_kind_are_refused(tmp_path):
    for name, content, message in (("x.txt", b"1", "ends in .npy or .csv"), ("x.npy", b"1,2", "is not an npy"),
                                   ("x.csv", b"\xff\xfe\x00", "is not a csv")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(minimlp.InputError, match=message):
            images.read_samples(tmp_path / name)


def test_scaled_samples_spread_as_the_nominal_ones():
    x = 5 + 3 * samples()
    scaling = Scaling.of(x)
    inside = scaling.into(x)
    np.testing.assert_allclose(inside.mean(axis=0), 0, atol=1e-14)
    assert (inside ** 2).sum(axis=1).mean() == pytest.approx(1 / 3)
    np.testing.assert_allclose(scaling.back(inside), x, rtol=1e-14)


@pytest.mark.parametrize("arm", ARMS)
def test_scaled_data_give_the_scaled_reconstruction(arm):
    """A power of two scales without rounding, so the trainings are the same bit for bit."""
    x, y = samples(), np.array([1.0, -1, 1, 1, -1, -1, 1])
    read = []
    for factor in (1, 2.0 ** 12):
        training, scaling = images.memorise(factor * x, y, arm, 3, steps=40)
        read.append(scaling.back(minimlp.prototypes(training.params)) / factor)
    np.testing.assert_array_equal(*read)


def test_shifted_data_give_the_shifted_reconstruction():
    x, y = samples(), np.ones(7)
    read = []
    for shift in (0, 1000):
        training, scaling = images.memorise(x + shift, y, "balanced", 3, steps=40)
        read.append(scaling.back(minimlp.prototypes(training.params)) - shift)
    np.testing.assert_allclose(*read, atol=1e-8)


@pytest.mark.parametrize("dimensions", [1, 2, 64, 1000])
def test_responses_at_the_start_do_not_underflow_in_any_dimension(dimensions):
    x = Scaling.of(1e6 * samples(12, dimensions)).into(1e6 * samples(12, dimensions))
    _, hidden = minimlp.forward(images.image_start(x, 0), x)
    assert hidden.min() > 1e-60 and hidden.max() > 1e-5


def test_pairing_finds_the_order():
    x = samples(6)
    order = np.array([3, 0, 5, 1, 4, 2])
    index, distance = minimlp.pairing(x[order] + 0.01, x)
    np.testing.assert_array_equal(order[index], np.arange(6))
    np.testing.assert_allclose(distance, 0.02)


@pytest.mark.parametrize("bad, message", [
    (dict(x=np.array([[1, 0], [1, 1e-200], [0, 0], [0, 1e-200]])), "x: the samples lie on average 0"),
    (dict(x=1e-200 * np.eye(4)), "x: the samples spread over"), (dict(last=-1), "last = -1"),
    (dict(coefficient=0), "coefficient = 0"), (dict(first=np.nan), "first = nan"),
    (dict(coverage_temperature="a"), "coverage_temperature = 'a'")])
def test_bad_settings_of_a_training_are_named(bad, message):
    with pytest.raises(InputError, match=message):
        images.memorise(**{"x": np.eye(4), "y": np.ones(4), "arm": "balanced", "seed": 0, "steps": 1, **bad})


@pytest.mark.parametrize("level, seed, message", [(np.nan, 0, "level = nan"), ("a", 0, "level = 'a'"), (0.1, -1, "seed = -1")])
def test_bad_noise_is_named(level, seed, message):
    with pytest.raises(InputError, match=message):
        images.disturbed(minimlp.init_params(np.eye(4), 4, 0), level, seed)


def test_what_cannot_be_memorised_is_refused():
    for x, arm, message in ((samples()[[0, 1, 0]], "none", "x: sample 2 equals sample 0"),
                            (samples(1), "none", "1 sample"), (samples(3), "annealed", "arm = 'annealed'")):
        with pytest.raises(minimlp.InputError, match=message):
            images.memorise(x, np.ones(len(x)), arm, 0)


def test_nearest_other_by_hand():
    np.testing.assert_allclose(images.nearest_other(np.array([[0.0], [1], [4]])), [1, 1, 3])


def test_noise_is_relative_and_the_same_draws_for_every_level():
    params = Params.at(samples(5, 3), [1.0, 2, -3, 4, 5])
    little, much = (images.disturbed(params, level, 7) for level in (0.01, 0.02))
    for name in ("w", "b"):
        before, one, two = (getattr(q, name) for q in (params, little, much))
        np.testing.assert_allclose(two - before, 2 * (one - before), rtol=1e-10)
    relative = (images.disturbed(Params.at(np.full((400, 3), 50.0), np.ones(400)), 0.1, 0).b / -50) - 1
    assert 0.09 < relative.std() < 0.11
    np.testing.assert_array_equal(little.v, params.v)


def planted(size=5):
    """Samples on a line, in data units, and a network that holds all but one; its output is negative at the last."""
    x = np.arange(0.0, 10 * size, 10)[:, None]
    scaling = Scaling.of(x)
    p = x.copy()
    p[0], p[1] = -4, 16                 # 4 and 6 away, where 5 is half of the way
    params = Params.at(scaling.into(p), np.full(size, 3.0))._replace(c=np.array(0.5), v=np.array([0.0, 0, 0, 0, -1]))
    training = minimlp.Training(params, 0.0, {"fit": 0.25}, 1, False)
    return training, scaling, x


def test_metrics_of_planted_weights():
    training, scaling, x = planted()
    y = np.array([1.0, 1, 1, -1, -1])
    result = readout.measured(training, scaling, x, y, 0)["result"]
    assert result["error"] == pytest.approx(0.2) and result["own_error"] == pytest.approx(2)
    assert result["recovered"] == pytest.approx(0.8)
    assert result["specialization_ratio"] == 1 and result["memorised"] == pytest.approx(0.8)
    assert result["fit_error"] == 0.25 and result["diverged"] == 0
    assert result["error"] < result["error_noise_0.1"] < result["error_noise_0.3"]


def test_a_diverged_run_recovers_nothing_and_counts_as_worst():
    training, scaling, x = planted()
    record = readout.measured(training._replace(diverged=True), scaling, x, np.ones(5), 0)
    assert record["result"]["diverged"] == 1 and record["result"]["recovered"] == 0
    assert record["result"]["error"] is None
    assert readout.is_record(record, x.shape) and not readout.is_record(record, (4, 1))


def test_where_all_runs_diverge_no_error_is_told_and_no_claim_of_a_small_one_holds(tmp_path, capsys):
    out = tmp_path / "images"
    assert main([*COMMAND, "--rate", "1e200", "--sizes", "4", "--out", str(out)]) == 0
    assert ["balanced", "N=4", "-"] in [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    summary = json.loads((out / "summary.json").read_text())
    assert {row["error"] for row in summary["readout"]} == {None}
    verdicts = {claim["name"]: claim["verdict"] for claim in summary["claims"]}
    assert verdicts["D1"] == verdicts["D4"] == "fails"


def test_a_run_that_diverged_is_no_evidence_that_an_error_is_large():
    rows = table({**AS_EXPECTED, "none": 0.01}, SHARES)
    next(row for row in rows if row["arm"] == "none")["error"] = None
    d3 = next(claim for claim in readout.claims(rows) if claim.name == "D3")
    error = next(contrast for contrast in d3.contrasts if contrast.label.startswith("error"))
    assert error.expected == "worse" and [c.verdict for c in error.comparisons] == ["open"]


def test_a_run_that_all_but_diverges_is_recorded_as_diverged(tmp_path, capsys):
    assert main([*COMMAND, "--rate", "1e149", "--sizes", "4", "--out", str(tmp_path / "out")]) == 0
    assert "diverged runs: 8" in capsys.readouterr().out


@pytest.mark.parametrize("shape", ["(True, 2)", "(99999999999999999999, 2)", "(2, 2"])
def test_an_npy_file_with_a_damaged_header_is_named(shape, tmp_path):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(118) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(InputError, match="is not an npy file of numbers"):
        images.read_samples(tmp_path / "x.npy")


def table(error, recovered, noisy=0.1, seeds=4):
    """Rows of one size: error and share recovered by arm, with a little scatter over seeds."""
    def row(arm, seed):
        value = error[arm] * (1 + 0.01 * seed)
        return {"size": 9, "arm": arm, "seed": seed, "recovered": recovered[arm], "diverged": 0,
                **dict.fromkeys(readout.METRICS, value), "error": value,
                **dict.fromkeys(readout.NOISE, noisy)} | {"recovered": recovered[arm] - 0.001 * seed}
    return [row(arm, seed) for arm in ARMS for seed in range(seeds)]


AS_EXPECTED = {"none": 1.2, "coverage": 0.5, "coverage annealed": 0.2, "balanced": 0.02}
SHARES = {"none": 0.2, "coverage": 0.8, "coverage annealed": 0.9, "balanced": 1.0}


@pytest.mark.parametrize("error, recovered, noisy, verdicts", [
    ({}, {}, 0.1, ["holds"] * 4),
    ({"balanced": 0.3}, {}, 0.1, ["mixed", "mixed", "holds", "holds"]),
    ({"balanced": 2.0}, {"balanced": 0.1}, 0.1, ["fails", "fails", "holds", "holds"]),
    ({}, {"balanced": 0.85}, 0.1, ["mixed", "mixed", "holds", "holds"]),
    ({"none": 0.3}, {"none": 0.7}, 0.1, ["holds", "holds", "fails", "holds"]),
    ({}, {}, 0.7, ["holds", "holds", "holds", "fails"]),
])
def test_claims_on_planted_tables(error, recovered, noisy, verdicts):
    rows = table({**AS_EXPECTED, **error}, {**SHARES, **recovered}, noisy)
    assert [claim.verdict for claim in readout.claims(rows)] == verdicts


def test_one_seed_shows_the_mean_alone():
    rows = table(AS_EXPECTED, SHARES, seeds=1)
    assert [claim.verdict for claim in readout.claims(rows)] == ["holds in the mean"] * 4


def test_nominal_settings_are_120_runs_of_patches():
    config = ImagesConfig()
    assert len(config.runs()) == 120 and config.samples[100].shape == (100, 64)


def test_every_arm_of_a_seed_has_the_same_labels_and_seeds_differ():
    config = ImagesConfig(sizes=(25,))
    assert set(config.labels(25, 0)) == {-1, 1}
    assert not np.array_equal(config.labels(25, 0), config.labels(25, 1))


@pytest.mark.parametrize("settings, message", [
    ({"region": "sea"}, "region = 'sea'"), ({"sizes": (10,)}, "sizes = 10"), ({"sizes": (9, 9)}, "given twice"),
    ({"seeds": 0}, "seeds = 0"), ({"first_seed": -1}, "first_seed = -1"), ({"steps": -1}, "steps = -1"),
    ({"rate": 0}, "rate = 0"), ({"coefficient": -1}, "coefficient = -1"),
    ({"last_distance": 0}, "last_distance = 0"), ({"first_temperature": 0}, "first_temperature = 0"),
    ({"coverage_temperature": -1}, "coverage_temperature = -1"), ({"backend": "abacus"}, "backend = 'abacus'"),
])
def test_bad_settings_are_named_with_their_value(settings, message):
    with pytest.raises(minimlp.InputError, match=message):
        ImagesConfig(**settings)


def test_sizes_of_a_file_are_evenly_spaced_rows(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(11))
    config = ImagesConfig(data=str(tmp_path / "x.npy"), sizes=(3, 11))
    np.testing.assert_array_equal(config.samples[3], [[0], [5], [10]])
    with pytest.raises(minimlp.InputError, match="sizes = 12: the data hold 11 samples"):
        ImagesConfig(data=str(tmp_path / "x.npy"), sizes=(12,))
    np.save(tmp_path / "x.npy", np.arange(2001))
    with pytest.raises(minimlp.InputError, match="sizes = 2001: at most 2000"):
        ImagesConfig(data=str(tmp_path / "x.npy"))


def test_the_command_writes_tables_verdicts_and_pictures(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*COMMAND, "--sizes", "4,9", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{name}: " in printed for name in ("D1", "D2", "D3", "D4")) and "balanced" in printed
    listed = [line.strip() for line in printed.split("\nwrote\n")[1].splitlines()]
    assert listed == [str(out / name) for name in ("runs.jsonl", "results.csv", "summary.json", "pictures.png",
                                                   "errors.png")]
    lines = (out / "results.csv").read_text().splitlines()
    assert lines[0] == ",".join(readout.COLUMNS) and len(lines) == 1 + 2 * len(ARMS) * 2
    summary = json.loads((out / "summary.json").read_text())
    assert [claim["name"] for claim in summary["claims"]] == ["D1", "D2", "D3", "D4"]
    assert set(summary["settings"]["data"]) == {"4", "9"} and summary["diverged"] == []


def test_own_data_without_a_picture_and_resumed_without_training(tmp_path, monkeypatch, capsys):
    path, out = saved_csv(tmp_path / "x.csv", samples(6, 3), "a,b,c"), tmp_path / "out"
    arguments = [*COMMAND, "--quick", "--data", str(path), "--out", str(out)]
    assert main(arguments) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert "pictures.png" not in before and "errors.png" in before
    log = out / "runs.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:4]) + b'{"run":')
    path = path.rename(tmp_path / "moved.csv")
    arguments[arguments.index("--data") + 1] = str(path)
    assert main([*arguments, "--resume"]) == 0
    assert all((out / name).read_bytes() == before[name] for name in ("results.csv", "summary.json"))
    monkeypatch.setattr(images, "memorise", None)
    assert main([*arguments, "--resume"]) == 0
    capsys.readouterr()
    saved_csv(path, samples(6, 3, seed=2), None)
    assert main([*arguments, "--resume"]) == 2
    assert "holds another study: settings.data.6" in capsys.readouterr().err


@pytest.mark.parametrize("options, message", [
    (["--data", "nowhere.csv"], "data = nowhere.csv: can't be read: No such file"), (["--data", "x.txt"], "ends in .npy or .csv"),
    (["--region", "sea"], "region = 'sea'"), (["--sizes", "50"], "sizes = 50"), (["--coefficient", "0"], "= 0"),
])
def test_bad_input_is_one_line_and_status_2(options, message, tmp_path, capsys):
    assert main([*COMMAND, "--out", str(tmp_path / "out"), *options]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [
    lambda record: record["result"].update(error=-1.0), lambda record: record["result"].pop("recovered"),
    lambda record: record["result"].update(recovered=2.0), lambda record: record["result"].update(fit_error=None),
    lambda record: record["params"].update(b=[[1.0]]), lambda record: record["params"].update(c=float("nan"))])
def test_a_record_that_the_study_cannot_have_written_is_told(damage):
    training, scaling, x = planted()
    record = readout.measured(training, scaling, x, np.ones(5), 0)
    assert readout.is_record(record, x.shape)
    damage(record)
    assert not readout.is_record(record, x.shape)
