"""Showers in HDF5 and binnings in XML: round trips, a reader by the letter, and what is damaged or foreign."""

import hashlib

import numpy as np
import pytest

from qinn_bench import outside, registry
from qinn_bench.calorimeter import LAYOUTS, PHOTON, Calorimeter, CalorimeterLayer
from qinn_bench.data.readers import binning_xml, calo_challenge
from qinn_bench.laws.data_sets import OF_DATA, DataCase
from qinn_bench.laws.law import Spared
from qinn_bench.values import Refused, Use

h5py = pytest.importorskip("h5py", reason="needs the extra [formats]", exc_type=ImportError)


def showers(calorimeter, n=60, seed=0):
    rng = np.random.default_rng(seed)
    incident = np.resize([256.0, 65536.0], n)
    energies = rng.gamma(0.3, size=(n, calorimeter.voxels))
    energies[rng.random(energies.shape) < 0.3] = 0.0
    return incident, energies / energies.sum(1, keepdims=True) * 0.9 * incident[:, None]


@pytest.fixture
def photon_file(tmp_path):
    incident, energies = showers(PHOTON, 200)
    calo_challenge.write(tmp_path / "mine.hdf5", incident, energies)
    return tmp_path / "mine.hdf5", incident, energies


def load(path, **knobs):
    outside.of_options({})
    return registry.make("data", registry.spell_out("data", Use(name="calo_file", knobs={"path": str(path), **knobs})))


# HDF5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_written_is_read_back(layout, tmp_path):
    calorimeter = LAYOUTS[layout]
    incident, energies = showers(calorimeter, 8)
    calo_challenge.write(tmp_path / "a.hdf5", incident, energies)
    found = calo_challenge.read(tmp_path / "a.hdf5", calorimeter)
    assert found.incident.tolist() == incident.tolist() and found.remarks == ()
    np.testing.assert_allclose(found.energies, energies, rtol=1e-6)
    calo_challenge.write(tmp_path / "b.hdf5", incident, energies)
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


def test_a_reader_by_the_letter_of_the_challenge_finds_its_layers(photon_file, tmp_path):
    path, incident, energies = photon_file
    binning_xml.write(tmp_path / "binning.xml", PHOTON)
    with h5py.File(path, "r") as file:
        assert set(file) == {"incident_energies", "showers"}
        stored, known = file["showers"][:], file["incident_energies"][:]
        assert file["showers"].compression == "gzip"
    assert known.shape == (200, 1) and known[:, 0].tolist() == incident.tolist()
    edges, angles = by_the_letter(tmp_path / "binning.xml")
    start = 0
    for number, rings in enumerate(edges):
        for sector in range(angles[number] if len(rings) > 1 else 0):
            for ring in range(len(rings) - 1):
                i = PHOTON.numbers.index(number)
                layer = PHOTON.layers[i]
                ours = energies[:, PHOTON.parts[i]].reshape(-1, layer.angles, layer.radii)[:, sector, ring]
                np.testing.assert_allclose(stored[:, start], ours, rtol=1e-6)
                start += 1
    assert start == 368


def by_the_letter(path):
    """Edges and sectors of every layer, by a reader of lines that knows nothing of this project."""
    edges, angles = [], []
    for line in path.read_text().splitlines():
        if "<Layer" in line:
            given = dict(part.split("=") for part in line.replace("/>", "").replace("<Layer", "").split())
            assert int(given["id"].strip('"')) == len(edges)
            edges.append([float(edge) for edge in given["r_edges"].strip('"').split(",")])
            angles.append(int(given["n_bin_alpha"].strip('"')))
    return edges, angles


def test_one_energy_is_picked_and_rows_are_limited(photon_file):
    path, incident, energies = photon_file
    found = calo_challenge.read(path, PHOTON, energy=65536.0, max_rows=7)
    assert found.incident.tolist() == [65536.0] * 7
    np.testing.assert_allclose(found.energies, energies[incident > 1000][:7], rtol=1e-6)
    with pytest.raises(Refused, match=r"no shower at 1024 MeV; it has 256, 65536 MeV"):
        calo_challenge.read(path, PHOTON, energy=1024.0)


def test_another_geometry_is_refused_with_that_which_fits(photon_file):
    path, _, _ = photon_file
    with pytest.raises(Refused, match=r"\(n, 533\) was expected.*it has the voxels of dataset_1_photons"):
        calo_challenge.read(path, LAYOUTS["dataset_1_pions"])
    with pytest.raises(Refused, match="layout is 'dataset_4'; there are: dataset_1_photons"):
        load(path, layout="dataset_4")


def test_truncated_foreign_and_missing_files_are_refused(photon_file, tmp_path):
    path, _, _ = photon_file
    content = path.read_bytes()
    for cut in (10, len(content) // 2, len(content) - 100):
        (tmp_path / "cut.hdf5").write_bytes(content[:cut])
        with pytest.raises(Refused):
            calo_challenge.read(tmp_path / "cut.hdf5", PHOTON)
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with pytest.raises(Refused, match="no file in HDF5"):
        calo_challenge.read(tmp_path / "text.hdf5", PHOTON)
    with pytest.raises(Refused, match="there is no file"):
        calo_challenge.read(tmp_path / "none.hdf5", PHOTON)
    with pytest.raises(Refused, match="needs a file"):
        load("")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"showers": np.ones((50, 368))}, "no dataset 'incident_energies'"),
        ({"showers": np.ones((50, 368)), "incident_energies": np.ones(50)}, "shape"),
        ({"showers": np.ones((50, 368)), "incident_energies": np.ones((49, 1))}, "equally many"),
        ({"showers": np.full((50, 368), np.nan), "incident_energies": np.ones((50, 1))}, "not finite"),
        ({"showers": np.ones((50, 368)), "incident_energies": -np.ones((50, 1))}, "positive"),
        ({"showers": np.array([[b"x"] * 368]), "incident_energies": np.ones((1, 1))}, "numbers were expected"),
    ],
)
def test_mislabelled_files_are_refused(arrays, said, tmp_path):
    with h5py.File(tmp_path / "odd.hdf5", "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    with pytest.raises(Refused, match=said):
        calo_challenge.read(tmp_path / "odd.hdf5", PHOTON)


def test_energies_in_other_units_and_below_zero_are_remarked(tmp_path):
    incident, energies = showers(PHOTON)
    energies[0, 0] = -0.5
    calo_challenge.write(tmp_path / "gev.hdf5", incident, energies / 1000)
    remarks = calo_challenge.read(tmp_path / "gev.hdf5", PHOTON).remarks
    assert len(remarks) == 2 and "may not be in MeV" in remarks[0] and "1 voxels are negative" in remarks[1]
    assert load(tmp_path / "gev.hdf5", form="voxels", coordinates="shares").provenance["remarks"] == list(remarks)


def test_checksums_that_are_known_or_given_are_held(photon_file, tmp_path):
    path, incident, energies = photon_file
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert len(calo_challenge.read(path, PHOTON, checksum=md5).incident) == 200
    with pytest.raises(Refused, match="md5"):
        calo_challenge.read(path, PHOTON, checksum="0" * 32)
    named = tmp_path / "dataset_1_photons_1.hdf5"
    calo_challenge.write(named, incident, energies)
    with pytest.raises(Refused, match="005d2adeda7db034b388112661265656 is that of the published file"):
        load(named)
    assert len(load(named, check=False).train) == 75
    assert all(len(known) == 32 for known in calo_challenge.CHECKSUMS.values())


def test_arrays_of_other_shapes_are_not_written(tmp_path):
    with pytest.raises(Refused, match="were given"):
        calo_challenge.write(tmp_path / "x.hdf5", np.ones((3, 1)), np.ones((3, 5)))
    with pytest.raises(Refused, match="equally many"):
        calo_challenge.write(tmp_path / "x.hdf5", np.ones(3), np.ones((4, 5)))
    assert not list(tmp_path.iterdir())


# As a data set


@pytest.mark.parametrize("knobs", [{}, {"form": "voxels"}, {"form": "pixels", "pixels": 8, "energy": 65536.0}])
def test_files_keep_all_laws(photon_file, knobs):
    path, _, _ = photon_file
    outside.of_options({})
    case = DataCase(Use(name="calo_file", knobs={"path": str(path), **knobs}))
    for law in OF_DATA:
        try:
            law.check(case)
        except Spared:
            continue
    assert (case.data.conditions is None) == ("energy" in knobs) and case.data.showers.cut == 1.0


def test_rows_of_a_file_are_its_showers_over_their_energy(photon_file):
    path, incident, energies = photon_file
    data = load(path, form="voxels", coordinates="shares", max_events=0)
    rows = np.concatenate([data.train, data.valid, data.test])
    expected = (energies / incident[:, None]).astype(np.float32)
    order = np.lexsort(rows.T)
    np.testing.assert_allclose(rows[order], expected[np.lexsort(expected.T)], rtol=1e-5, atol=1e-9)


def test_datasets_2_and_3_are_grids(tmp_path):
    incident, energies = showers(LAYOUTS["dataset_2"], 48)
    calo_challenge.write(tmp_path / "two.hdf5", incident, energies)
    data = load(tmp_path / "two.hdf5", layout="dataset_2", form="grid")
    assert data.shape == (1, 45, 16, 9) and data.kind == "voxels"
    assert data.showers.cut == pytest.approx(0.0151515, abs=1e-6)
    assert load(tmp_path / "two.hdf5", layout="dataset_2", form="image", pixels=25).shape == (1, 5, 5)


def test_a_binning_beside_the_file_stands_for_a_layout(tmp_path):
    mine = Calorimeter("electron", (CalorimeterLayer(2, (0.0, 1.5, 4.0), 3), CalorimeterLayer(4, (0.0, 9.0))))
    binning_xml.write(tmp_path / "mine.xml", mine)
    calo_challenge.write(tmp_path / "mine.hdf5", *showers(mine))
    data = load(tmp_path / "mine.hdf5", binning="mine.xml")
    assert data.showers.calorimeter.numbers == (2, 4) and data.shape == (2,)
    with pytest.raises(Refused, match="the name of a file beside the showers"):
        load(tmp_path / "mine.hdf5", binning="../mine.xml")


# XML


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_binning_is_read_back(layout, tmp_path):
    binning_xml.write(tmp_path / "b.xml", LAYOUTS[layout])
    assert binning_xml.read(tmp_path / "b.xml") == LAYOUTS[layout]
    with pytest.raises(Refused, match="there are: photon, electron, pion"):
        binning_xml.write(tmp_path / "c.xml", Calorimeter("muon", PHOTON.layers))


BOMB = '<?xml version="1.0"?><!DOCTYPE Bins [<!ENTITY a "0,1"><!ENTITY b "&a;&a;&a;">]>'
LAYER = '<Layer id="0" r_edges="0,5" n_bin_alpha="1"/>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{BOMB}<Bins><Bin name="x">{LAYER}</Bin></Bins>', "DOCTYPE"),
        ('<!DOCTYPE Bins SYSTEM "file:///etc/passwd"><Bins/>', "DOCTYPE"),
        (f'<?xml version="1.0" encoding="utf-16"?>{BOMB[21:]}<Bins/>', "no XML|DOCTYPE"),
        ("<Bins><Bin>", "no XML"),
        ("", "no XML"),
        ("<Bins/>", "0 elements 'Bin'"),
        ("<Bins><Bin name='a'/><Bin name='b'/></Bins>", "2 elements 'Bin'"),
        ("<Other><Bin name='a'/></Other>", "one was expected"),
        ("<Bins><Bin name='a'/></Bins>", "layers"),
        ("<Bins><Bin name='a'><Layer id='0' r_edges='0,x' n_bin_alpha='1'/></Bin></Bins>", "r_edges"),
        ("<Bins><Bin name='a'><Layer id='0' n_bin_alpha='1'/></Bin></Bins>", "r_edges"),
        ("<Bins><Bin name='a'><Layer id='0' r_edges='0,5,4' n_bin_alpha='1'/></Bin></Bins>", "increase"),
        ("<Bins><Bin name='a'><Layer id='0' r_edges='0,5' n_bin_alpha='0'/></Bin></Bins>", "sectors"),
        ("<Bins><Bin name='a'><Layer id='0' r_edges='0,5' n_bin_alpha='9999999'/></Bin></Bins>", "sectors"),
        (f"<Bins><Bin name='a'>{LAYER}{LAYER}</Bin></Bins>", "different numbers"),
        (f"<Bins><Bin name='a'><Layer id='0' r_edges='0{',1' * 2000}' n_bin_alpha='1'/></Bin></Bins>", "edges"),
    ],
)
def test_odd_binnings_are_refused(text, said, tmp_path):
    path = tmp_path / "odd.xml"
    path.write_bytes(text.encode("utf-16" if "utf-16" in text else "utf-8"))
    with pytest.raises(Refused, match=said):
        binning_xml.read(path)


def test_a_binning_of_many_bytes_is_not_read(tmp_path):
    (tmp_path / "big.xml").write_text(f"<Bins><!--{'x' * 2**20}--></Bins>")
    with pytest.raises(Refused, match="more than 1 MiB"):
        binning_xml.read(tmp_path / "big.xml")
