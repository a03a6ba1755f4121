"""Published formats: round trips through small files; what is truncated, mislabelled, foreign or of another shape."""

import gzip
import hashlib

import numpy as np
import pytest

from qinn_bench.data.readers import (
    checks,
    cms_electron_photon,
    cms_quark_gluon,
    energyflow_qg,
    idx,
    jetclass,
    jetnet,
    latents,
    lhc_olympics,
    top_tagging,
)
from qinn_bench.data.readers.published import hardest_first, relative
from qinn_bench.values import Refused

RNG = np.random.default_rng(0)
N = 12
IN_HDF5 = ("cms_quark_gluon", "cms_electron_photon", "lhc_olympics", "jetnet", "top_tagging", "latents")


def h5(path, **arrays):
    h5py = pytest.importorskip("h5py", reason="needs the extra [formats]", exc_type=ImportError)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)
    return path


def crystals(labels):
    """Images ``(n, 125, 125, 3)`` of tracks, ecal and hcal; gluons (label 0) light more pixels."""
    images = np.zeros((len(labels), 125, 125, 3), np.float32)
    for image, label in zip(images, labels, strict=True):
        lit = RNG.integers(40, 85, (30 if label else 60, 2))
        image[lit[:8, 0], lit[:8, 1], 0] = 1.0
        image[lit[:, 0], lit[:, 1], 1] = RNG.random(len(lit))
        image[:, :, 2] = RNG.random((25, 25)).repeat(5, 0).repeat(5, 1) * (RNG.random((25, 25)) < 0.1).repeat(
            5, 0
        ).repeat(5, 1)
    return images


def write_cms_quark_gluon(folder):
    labels = np.arange(N) % 2
    images, pt = crystals(labels), RNG.uniform(80, 200, N)
    path = h5(folder / "quark-gluon_test.hdf5", X_jets=images, y=labels.astype(float), pt=pt, m0=pt / 10)
    return path, np.moveaxis(images, 3, 1), 1 - labels


def write_cms_electron_photon(folder):
    labels, images = np.arange(N) % 2, np.zeros((N, 32, 32, 2), np.float32)
    images[:, 14:18, 14:18, 0] = RNG.random((N, 4, 4))
    images[..., 1] = RNG.normal(size=(N, 32, 32))
    return h5(folder / "electrons.hdf5", X=images, y=labels), np.moveaxis(images, 3, 1), labels


def write_lhc_olympics(folder):
    particles = np.zeros((N, 7, 3))
    particles[:, :5, 0] = -np.sort(-RNG.exponential(50, (N, 5)), axis=1)
    particles[:, :5, 1:] = RNG.normal(size=(N, 5, 2))
    labels = np.arange(N) % 2
    values = np.column_stack([particles.reshape(N, -1), labels])
    items = np.arange(22)
    path = h5(folder / "events.h5", df__block0_values=values, df__block0_items=items, df__axis0=items)
    return path, particles, labels


def write_jetnet(folder):
    counts = RNG.integers(5, 30, N)
    mask = (np.arange(30) < counts[:, None]).astype(float)
    share = -np.sort(-RNG.dirichlet(np.ones(30), N) * mask, axis=1)
    angles = RNG.normal(0, 0.2, (N, 30, 2)) * mask[:, :, None]
    jets = np.column_stack([RNG.uniform(800, 1200, N), RNG.normal(size=N), RNG.normal(172, 5, N), counts])
    inside = np.concatenate([angles, share[:, :, None], mask[:, :, None]], axis=2)
    rows = np.concatenate([(share * jets[:, :1])[:, :, None], angles], axis=2)
    return h5(folder / "t.hdf5", particle_features=inside, jet_features=jets), rows, np.zeros(N, int)


def write_top_tagging(folder):
    labels = np.arange(N) % 2
    momenta = np.zeros((N, 200, 4))
    pt = -np.sort(-RNG.exponential(20, (N, 30)), axis=1)
    eta, phi = (RNG.normal(0, np.where(labels, 0.4, 0.1)[:, None], (N, 30)) for _ in range(2))
    momenta[:, :30] = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=2)
    kinds = [("index", "<i8"), ("values_block_0", "<f4", (804,)), ("values_block_1", "<i8", (2,))]
    table = np.zeros(N, dtype=kinds)
    table["values_block_0"][:, :800] = momenta.reshape(N, 800)
    table["values_block_1"][:, 1] = labels
    return h5(folder / "test.h5", table__table=table), relative(momenta[:, :, 1:].astype(np.float32)), labels


def write_latents(folder):
    values = np.tanh(RNG.normal(size=(N, 2, 4)))
    return h5(folder / LATENTS, latent_space=values), values.reshape(N, 8), np.zeros(N, int)


def write_energyflow_qg(folder):
    labels = np.arange(N) % 2
    X = np.zeros((N, 40, 4))
    for i, label in enumerate(labels):
        n = 10 if label else 25
        X[i, :n] = np.column_stack(
            [-np.sort(-RNG.exponential(20, n)), RNG.normal(0.5, 0.1, n), RNG.normal(3, 0.1, n), np.full(n, 211)]
        )
    path = folder / "QG_jets.npz"
    np.savez(path, X=X, y=labels.astype(float))
    total = X[:, :, 0].sum(1, keepdims=True)
    turn = np.angle((X[:, :, 0] * np.exp(1j * X[:, :, 2])).sum(1, keepdims=True))
    rows = np.stack(
        [X[:, :, 0], X[:, :, 1] - (X[:, :, 0] * X[:, :, 1]).sum(1, keepdims=True) / total, X[:, :, 2] - turn], 2
    )
    return path, rows * (X[:, :, :1] > 0), 1 - labels


def write_jetclass(folder, name="TTBar_000.root", label="label_Tbqq"):
    uproot = pytest.importorskip("uproot", reason="needs the extra [formats]", exc_type=ImportError)
    ak = pytest.importorskip("awkward", reason="needs the extra [formats]", exc_type=ImportError)
    counts = RNG.integers(3, 9, N)
    lists = [-np.sort(-RNG.exponential(20, n)) for n in counts]
    angles = [[RNG.normal(0, 0.2, n) for n in counts] for _ in range(2)]
    branches = {"part_px": lists, "part_py": [0 * one for one in lists], "part_deta": angles[0], "part_dphi": angles[1]}
    jets = {one: np.ones(N) for one in jetclass.JETS} | {"jet_nparticles": counts.astype(float)}
    flags = {one: np.full(N, one == label) for one in jetclass.CLASSES}
    with uproot.recreate(folder / name) as root:
        root["tree"] = {key: ak.Array(value) for key, value in branches.items()} | jets | flags
    rows = np.zeros((N, 6, 3))
    for row, *parts in zip(rows, lists, *angles, strict=True):
        row[: min(len(parts[0]), 6)] = np.column_stack(parts)[:6]
    return folder / name, rows, np.full(N, list(jetclass.CLASSES).index(label))


READERS = {
    "cms_quark_gluon": (write_cms_quark_gluon, cms_quark_gluon.read),
    "cms_electron_photon": (write_cms_electron_photon, cms_electron_photon.read),
    "lhc_olympics": (write_lhc_olympics, lhc_olympics.read),
    "jetnet": (write_jetnet, jetnet.read),
    "top_tagging": (write_top_tagging, top_tagging.read),
    "latents": (write_latents, latents.read),
    "energyflow_qg": (write_energyflow_qg, energyflow_qg.read),
    "jetclass": (write_jetclass, jetclass.read),
}
LATENTS = "latentrep_QCD_sig_test.h5"
OPTIONS = {"jetclass": {"particles": 6}}


@pytest.fixture(params=READERS)
def case(request, tmp_path):
    """A reader with a file of its format, its rows and its labels."""
    write, read = READERS[request.param]
    path, rows, labels = write(tmp_path)
    return lambda path=path, **more: read(path, **OPTIONS.get(request.param, {}), **more), path, rows, labels


def test_what_was_written_is_read_and_looks_right(case):
    read, _, rows, labels = case
    found = read()
    np.testing.assert_allclose(found.rows, rows, atol=1e-5)
    assert found.labels.tolist() == labels.tolist() and max(labels) < len(found.classes)
    assert found.remarks == ()
    few = read(max_rows=5)
    np.testing.assert_array_equal(few.rows, found.rows[:5])
    assert all(len(values) == 5 for values in few.beside.values()) and len(few.labels) == 5
    with pytest.raises(Refused, match="max_rows is -1"):
        read(max_rows=-1)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_off_is_one_sentence(case, part):
    read, path, *_ = case
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(Refused, match=path.name.partition(".")[0]) as refusal:
        read()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no", b"\x89HDF\r\n\x1a\n" + bytes(200), b"root" + bytes(300), b"PAR1"]
)
def test_a_foreign_file_is_one_sentence(case, content):
    read, path, *_ = case
    path.write_bytes(content)
    with pytest.raises(Refused, match=path.name.partition(".")[0]):
        read()


def test_a_file_of_another_reader_is_one_sentence(case, tmp_path):
    read, path, *_ = case
    for name in IN_HDF5:
        other = READERS[name][0](tmp_path)[0]
        if other.name != path.name:
            with pytest.raises(Refused, match=other.name):
                read(other, **({"kind": "g"} if "jetnet" in str(read) else {}))


def test_a_missing_file_and_another_checksum_are_told(case):
    read, path, rows, _ = case
    with pytest.raises(Refused, match=f"there is no file '{path.with_name('none' + path.suffix).name}'"):
        read(
            path.with_name("none" + path.suffix),
            **{"t.hdf5": {"kind": "t"}, LATENTS: {"kind": "signal"}}.get(path.name, {}),
        )
    for algorithm in ("md5", "sha256"):
        known = hashlib.new(algorithm, path.read_bytes()).hexdigest()
        assert len(read(checksum=known).rows) == len(rows)
        with pytest.raises(Refused, match=f"has the {algorithm} {known}, and 0000"):
            read(checksum="0" * len(known))


@pytest.mark.parametrize(
    "name", ["cms_quark_gluon", "cms_electron_photon", "energyflow_qg", "lhc_olympics", "top_tagging"]
)
def test_labels_are_as_they_are_said_to_be(name, tmp_path):
    write, read = READERS[name]
    path, _, labels = write(tmp_path)
    classes = read(path).classes
    other = {"cms_quark_gluon": "gluon", "cms_electron_photon": "photon", "energyflow_qg": "gluon"}
    turned = other.get(name, classes[0])
    assert read(path, ones=turned).labels.tolist() == (1 - labels).tolist()
    with pytest.raises(Refused, match="label 1 was said to be 'muon'; there are: "):
        read(path, ones="muon")
    if name in ("cms_quark_gluon", "energyflow_qg", "top_tagging"):
        assert "label 1 may stand for the other class" in " ".join(read(path, ones=turned).remarks)


def test_channels_in_another_order_are_seen(tmp_path):
    path, rows, _ = write_cms_quark_gluon(tmp_path)
    found = cms_quark_gluon.read(path, channels="hcal;ecal;tracks")
    np.testing.assert_array_equal(found.rows, rows[:, ::-1])
    assert "said to be tracks is the one in towers" in found.remarks[0]
    swapped = cms_quark_gluon.read(path, channels="ecal;tracks;hcal")
    assert "said to be tracks lights more pixels" in swapped.remarks[0]
    with pytest.raises(Refused, match="the channels were said to be 'ecal'; each of tracks; ecal; hcal"):
        cms_quark_gluon.read(path, channels="ecal")
    path, _, _ = write_cms_electron_photon(tmp_path)
    assert "negative in places" in cms_electron_photon.read(path, channels="time;energy").remarks[0]


def test_images_in_parquet_are_those_in_hdf5(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path, rows, labels = write_cms_quark_gluon(tmp_path)
    expected, rows, labels = cms_quark_gluon.read(path, max_rows=6), rows[:6], labels[:6]
    nested = pa.array(rows.tolist(), pa.list_(pa.list_(pa.list_(pa.float32()))))
    table = {
        "X_jets": nested,
        "pt": expected.beside["pt"],
        "m0": expected.beside["m0"],
        "y": (1 - labels).astype(float),
    }
    packed = tmp_path / "run0_n12.test.snappy.parquet"
    parquet.write_table(pa.table(table), packed)
    monkeypatch.setattr(cms_quark_gluon, "BATCH", 2)
    for n in (0, 5):
        found = cms_quark_gluon.read(packed, max_rows=n)
        np.testing.assert_array_equal(found.rows, expected.rows[: n or None])
        assert found.labels.tolist() == labels[: n or None].tolist()
        np.testing.assert_array_equal(found.beside["m0"], expected.beside["m0"][: n or None])
    whole = packed.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"PAR1", b"", whole[:-20] + bytes(20)):
        packed.write_bytes(damaged)
        with pytest.raises(Refused, match=r"run0_n12.* is no whole table in Parquet"):
            cms_quark_gluon.read(packed)
    parquet.write_table(pa.table({"X_jets_LR": nested, "y": labels}), packed)
    with pytest.raises(Refused, match="has no column 'X_jets'; there are: X_jets_LR, y"):
        cms_quark_gluon.read(packed)
    short = pa.array(rows[:, :, :100].tolist(), pa.list_(pa.list_(pa.list_(pa.float32()))))
    parquet.write_table(pa.table({"X_jets": short, "y": labels}), packed)
    with pytest.raises(Refused, match="has not 3 x 125 x 125 numbers"):
        cms_quark_gluon.read(packed)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X_jets": np.zeros((4, 3, 125, 125)), "y": np.zeros(4)}, "has the shape .4, 3, 125, 125.; .n, 125, 125, 3."),
        ({"X_jets": np.zeros((4, 125, 125, 3)), "y": np.zeros(5)}, "'X_jets' 4, 'y' 5; equally many"),
        ({"X_jets": np.zeros((0, 125, 125, 3)), "y": np.zeros(0)}, "at least one"),
        ({"X_jets": np.full((1, 125, 125, 3), np.nan), "y": np.zeros(1)}, "46875 values of 'X_jets' are not finite"),
        ({"X_jets": np.zeros((2, 125, 125, 3)), "y": np.array([0, 2])}, "has the label 2"),
        ({"X_jets": np.zeros((1, 125, 125, 3))}, "has no dataset 'y'; there are: X_jets"),
        ({"X_jets": np.zeros((2, 125, 125, 3)), "y": np.zeros((2, 2))}, "has labels of the shape .2, 2.; one for each"),
        ({"images": np.zeros(3)}, "has no dataset 'X_jets'; there are: images"),
        ({"X_jets": np.full((1, 125, 125, 3), b"a"), "y": np.zeros(1)}, "numbers were expected"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, said, tmp_path):
    with pytest.raises(Refused, match=said):
        cms_quark_gluon.read(h5(tmp_path / "odd.hdf5", **arrays))


def test_what_lies_in_another_file_is_not_read(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra [formats]", exc_type=ImportError)
    other = h5(tmp_path / "other.h5", latent_space=np.zeros((3, 2, 4)))
    with h5py.File(tmp_path / "QCD_linked.h5", "w") as file:
        file["latent_space"] = h5py.ExternalLink(str(other), "latent_space")
    layout = h5py.VirtualLayout(shape=(3, 2, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other), "latent_space", shape=(3, 2, 4))
    with h5py.File(tmp_path / "QCD_virtual.h5", "w") as file:
        file.create_virtual_dataset("latent_space", layout)
    (tmp_path / "raw").write_bytes(bytes(3 * 2 * 4 * 8))
    with h5py.File(tmp_path / "QCD_raw.h5", "w") as file:
        file.create_dataset("latent_space", (3, 2, 4), "f8", external=str(tmp_path / "raw"))
    for name in ("QCD_linked.h5", "QCD_virtual.h5", "QCD_raw.h5"):
        with pytest.raises(Refused, match="'latent_space' lies in another file, which is not read"):
            latents.read(tmp_path / name)


def test_a_file_of_features_of_the_olympics_is_put_together_from_its_blocks(tmp_path):
    values, labels = RNG.normal(size=(N, 14)), np.arange(N) % 2
    names = [*lhc_olympics.FEATURES, "label"]
    blocks = {
        "df__block0_values": values,
        "df__block0_items": np.array(names[:-1], "S"),
        "df__axis0": np.array(names, "S"),
    }
    blocks |= {"df__block1_values": labels[:, None], "df__block1_items": np.array(["label"], "S")}
    found = lhc_olympics.read(h5(tmp_path / "features.h5", **blocks))
    np.testing.assert_array_equal(found.rows, values)
    np.testing.assert_array_equal(found.beside["tau3j2"], values[:, 13])
    assert found.labels.tolist() == labels.tolist()
    blocks["df__axis0"] = blocks["df__axis0"][::-1]
    with pytest.raises(Refused, match="has the columns label, tau3j2"):
        lhc_olympics.read(h5(tmp_path / "turned.h5", **blocks))
    with pytest.raises(Refused, match="has 5 columns; 14 features and a label"):
        lhc_olympics.read(h5(tmp_path / "few.h5", df__block0_values=np.zeros((4, 5))))


def test_the_name_of_a_file_and_its_content_are_compared(tmp_path):
    path, _, _ = write_jetclass(tmp_path, "ZJetsToNuNu_000.root")
    assert "its name says 'QCD', most of its labels 't to bqq'" in jetclass.read(path).remarks[0]
    jets, _, _ = write_jetnet(tmp_path)
    assert "median mass" in jetnet.read(jets, kind="w").remarks[0]
    with pytest.raises(Refused, match="said to be 'x'; there are: g, q, t, w, z"):
        jetnet.read(jets, kind="x")
    latent, _, _ = write_latents(tmp_path)
    odd = h5(tmp_path / "latentrep_RSGraviton_WW_NA_35.h5", latent_space=np.full((3, 2, 5), 1.5))
    found = latents.read(odd)
    assert (
        found.labels.tolist() == [1, 1, 1] and "reach 1.5" in found.remarks[0] and "has 5 latents" in found.remarks[1]
    )
    with pytest.raises(Refused, match="does not say what it has"):
        latents.read(latent.rename(tmp_path / "mine.h5"))


def test_a_jet_with_two_classes_is_refused(tmp_path, monkeypatch):
    path, _, _ = write_jetclass(tmp_path, label="label_Hbb")
    monkeypatch.setattr(
        jetclass, "CLASSES", {name: one for name, one in jetclass.CLASSES.items() if name != "label_Hbb"}
    )
    with pytest.raises(Refused, match="12 jets have no class or several"):
        jetclass.read(path)


# IDX.


def mnist(folder, n=60, magic=(0x803, 0x801), cut=0, packed=False):
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), (np.arange(n) % 10).astype(np.uint8)
    for part, drawn in (("train", images), ("t10k", images[:, ::-1])):
        for kind, array, number in (("images-idx3", drawn, magic[0]), ("labels-idx1", labels, magic[1])):
            content = np.array([number, *array.shape], ">u4").tobytes() + array.tobytes()
            content = content[: len(content) - cut]
            name = f"{part}-{kind}-ubyte{'.gz' * packed}"
            (folder / name).write_bytes(gzip.compress(content) if packed else content)
    return images, labels


@pytest.mark.parametrize("packed", [False, True])
def test_idx_is_read_packed_or_not(tmp_path, packed):
    images, labels = mnist(tmp_path, packed=packed)
    found = idx.pair(tmp_path, "train", check=False)
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)


def test_what_is_no_idx_is_one_sentence(tmp_path):
    with pytest.raises(Refused, match=r"there is no file 'train-images-idx3-ubyte\.gz'"):
        idx.pair(tmp_path, "train", check=False)
    mnist(tmp_path, cut=1)
    with pytest.raises(Refused, match="holds 47039 bytes after its header; it says 47040"):
        idx.pair(tmp_path, "train", check=False)
    mnist(tmp_path, magic=(0x801, 0x803))
    with pytest.raises(Refused, match="begins with 00000801; 00000803 was expected"):
        idx.pair(tmp_path, "train", check=False)
    mnist(tmp_path, packed=True)
    with pytest.raises(Refused, match="and f68b3c2dcbeaaa9fbdd348bbdeb94873 is that of the published file"):
        idx.pair(tmp_path, "train", check=True)
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(Refused, match="is no whole gzip file"):
        idx.pair(tmp_path, "train", check=False)
    for content in (b"", b"\x00\x00"):
        packed.write_bytes(content)
        with pytest.raises(Refused, match="begins with"):
            idx.pair(tmp_path, "train", check=False)


# Pieces.


def test_constituents_about_the_axis_are_those_of_a_loop():
    momenta = RNG.normal(size=(3, 5, 3)) + np.array([20.0, 3.0, 5.0])
    momenta[0, 3:] = 0
    found = relative(momenta)
    for row, jet in zip(found, momenta, strict=True):
        px, py, pz = jet.sum(0)
        axis = np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)
        by_hand = [
            (np.hypot(x, y), np.arcsinh(z / np.hypot(x, y)) - axis[0], np.arctan2(y, x) - axis[1])
            for x, y, z in jet
            if np.hypot(x, y) > 0
        ]
        by_hand.sort(key=lambda one: -one[0])
        np.testing.assert_allclose(row[: len(by_hand)], by_hand, atol=1e-12)
        assert not row[len(by_hand) :].any()


def test_angles_are_turned_into_one_period():
    rows = hardest_first(np.array([[1.0, 2.0]]), np.array([[0.1, 0.2]]), np.array([[3.5, -3.5]]))
    np.testing.assert_allclose(rows[0], [[2, 0.2, 2 * np.pi - 3.5], [1, 0.1, 3.5 - 2 * np.pi]])


def test_a_library_that_is_not_there_is_one_sentence():
    with pytest.raises(Refused, match=r"reading 'a.h5' needs no_such_library, of the extra \[formats\]: pip install"):
        checks.library("no_such_library", "'a.h5'")
