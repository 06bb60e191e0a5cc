# SPDX-License-Identifier: MIT
"""cute-shm-hdf5: data that is loaded past the HDF5 library is bit for bit what that library reads."""

import contextlib
import ctypes
import itertools
import os
import pathlib
import re
import signal

import h5py
import numpy as np
import pytest

import generate_hdf5
from support import h5, programs
from support.demands import lacking
from support.waiting import wait_until

WAY = "CUTE_SHM_HDF5_WAY"
COPIED, CHUNKS, LIBRARY = "copied from the file", "chunks decoded in threads", "read by libhdf5"
DONT_FILTER_PARTIAL_CHUNKS = 2
FILTERS = {
    "none": [],
    "deflate": ["deflate"],
    "shuffle": ["shuffle"],
    "fletcher32": ["fletcher32"],
    "lzf": ["lzf"],
    "shuffle_deflate": ["shuffle", "deflate"],
    "shuffle_lzf_fletcher32": ["shuffle", "lzf", "fletcher32"],
    "fletcher32_deflate": ["fletcher32", "deflate"],
    "deflate_twice": ["deflate", "deflate"],
}
DTYPES = ["u1", "<i2", ">i4", "<f4", ">f8", "longdouble", "?", "S5", "V7", "<c8"]


def without_partial_filters(plist):
    """H5Pset_chunk_opts, which h5py does not offer, of the very libhdf5 that h5py has loaded."""
    maps = pathlib.Path("/proc/self/maps").read_text()
    libraries = sorted(set(re.findall(r"/\S*libhdf5(?:_serial)?[-.][^/\s]*$", maps, re.MULTILINE)))
    library = next(name for name in libraries if "_hl" not in name)
    set_options = ctypes.CDLL(library).H5Pset_chunk_opts
    set_options.argtypes = [ctypes.c_int64, ctypes.c_uint]
    assert set_options(plist.id, DONT_FILTER_PARTIAL_CHUNKS) >= 0


def create(parent, name, dtype, shape, *, chunks=None, filters=(), growing=False, early=False, fill=None, fill_time=None,
           raw_edges=False):  # fmt: skip
    """A dataset with what h5py's own create_dataset() hides."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunks:
        plist.set_chunk(chunks)
    for filter_name in filters:
        if filter_name == "lzf":
            plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
        else:
            getattr(plist, f"set_{filter_name}")(*([4] if filter_name == "deflate" else []))
    if early:
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    if fill is not None:
        plist.set_fill_value(np.array(fill, dtype))
    if fill_time is not None:
        plist.set_fill_time(fill_time)
    if raw_edges:
        without_partial_filters(plist)
    most = (h5py.h5s.UNLIMITED,) * len(shape) if growing is True else growing or shape
    space = h5py.h5s.create_simple(shape, most) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    tid = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(parent.id, name.encode(), tid, space, plist))


def content(dtype, shape, seed=1):
    """Compressible, every byte in use."""
    count = int(np.prod(shape, dtype=int))
    if np.dtype(dtype) == bool:
        return (np.arange(count) % 3 == 0).reshape(shape)
    if np.dtype(dtype).kind in "fc":
        return (np.arange(count) // 3 * 0.37 + seed).astype(dtype).reshape(shape)
    raw = (np.arange(count * np.dtype(dtype).itemsize, dtype="u8") // 5 * 73 + seed).astype("u1")
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)


def ways_of(log):
    """What -v says: the way of each dataset, by its path."""
    return dict(re.findall(rf"(/\S+): ({COPIED}|{CHUNKS}|{LIBRARY})$", log, re.MULTILINE))


def load(place, project, file, way, *options):
    """What it logs."""
    done = place.load(project, file, "-v", *options, env={WAY: way}, timeout=300)
    assert done.status == programs.DONE, done
    return done.err


def bytes_of(place, project):
    leaves = place.manifest(project).leaves()
    return {path: ((place.shm / leaf["shm_name"]).read_bytes(), leaf["dtype"], leaf["shape"]) for path, leaf in leaves.items()}


def same_both_ways(place, file):
    """The ways that were taken, after comparing what came out."""
    load(place, "slow", file, "slow")
    expected = bytes_of(place, "slow")
    for jobs in ("1", "3"):
        log = load(place, "fast", file, "fast", "-o", "-j", jobs)
        found = bytes_of(place, "fast")
        assert found.keys() == expected.keys()
        different = [path for path in expected if found[path] != expected[path]]
        assert different == []
    return ways_of(log)


@pytest.fixture(params=["earliest", "latest"])
def libver(request):
    return request.param


@pytest.fixture
def file(place, libver):
    return h5py.File(place.files / "f.h5", "w", libver=libver)


@pytest.mark.parametrize("early", [False, True])
def test_contiguous_data_of_every_type(place, file, early):
    with file:
        for dtype, shape in itertools.product(DTYPES, [(), (1,), (1001,), (13, 7, 5)]):
            create(file, f"{dtype}{shape}".replace(" ", ""), dtype, shape, early=early)[...] = content(dtype, shape)
    assert set(same_both_ways(place, place.files / "f.h5").values()) == {COPIED}


@pytest.mark.parametrize("filters", FILTERS)
def test_chunks_of_every_type_and_rank(place, file, filters):
    shapes = {"one": ((40,), (40,)), "edges": ((101,), (16,)), "rows": ((64, 9), (8, 9)), "boxes": ((33, 21), (8, 8)),
              "deep": ((9, 8, 7, 6), (4, 3, 5, 2)), "large": ((5, 6), (10, 10))}  # fmt: skip
    with file:
        for dtype, (name, (shape, chunks)) in itertools.product(DTYPES, shapes.items()):
            for growing in (False, True, (None,) + shape[1:]):
                if growing is not False and name == "large":
                    continue
                most = tuple(h5py.h5s.UNLIMITED if n is None else n for n in growing) if isinstance(growing, tuple) else growing
                made = create(file, f"{dtype}_{name}_{len(file)}", dtype, shape, chunks=chunks, filters=FILTERS[filters],
                              growing=True if name == "large" else most)  # fmt: skip
                made[...] = content(dtype, shape)
    assert set(same_both_ways(place, place.files / "f.h5").values()) == {CHUNKS}


@pytest.mark.parametrize("filters", ["none", "shuffle_deflate"])
def test_chunks_that_were_never_written_hold_the_fill_value(place, file, filters):
    times = {"if_set": h5py.h5d.FILL_TIME_IFSET, "never": h5py.h5d.FILL_TIME_NEVER, "alloc": h5py.h5d.FILL_TIME_ALLOC}
    with file:
        for fill, (time, value), early, growing in itertools.product([None, 0, -3], times.items(), [False, True], [False, True]):
            for part in ("nothing", "some"):
                name = f"{part}_{fill}_{time}_{early}_{growing}"
                made = create(file, name, "<i4", (50, 61), chunks=(7, 9), filters=FILTERS[filters], fill=fill, fill_time=value,
                              early=early, growing=growing)  # fmt: skip
                if part == "some":
                    made[10:31, 17:50] = content("<i4", (21, 33))
    assert set(same_both_ways(place, place.files / "f.h5").values()) == {CHUNKS}


def test_contiguous_data_that_was_never_written_holds_the_fill_value(place, file):
    with file:
        for fill, early, elements in itertools.product([None, 2.5], [False, True], [10, 200_000]):
            create(file, f"{fill}_{early}_{elements}", "f8", (elements,), fill=fill, early=early)
    same_both_ways(place, place.files / "f.h5")


def test_chunks_with_filters_left_out(place, file):
    """write_direct_chunk with a filter mask: some chunks are stored as they are, or with part of the filters."""
    data = content("<u4", (64, 64))
    with file:
        made = create(file, "x", "<u4", data.shape, chunks=(16, 64), filters=["shuffle", "deflate"])
        made[...] = data
        made.id.write_direct_chunk((0, 0), data[:16].tobytes(), filter_mask=3)
        shuffled = data[16:32].reshape(-1, 1).view("u1").T.tobytes()
        made.id.write_direct_chunk((16, 0), shuffled, filter_mask=2)
    assert same_both_ways(place, place.files / "f.h5") == {"/x": CHUNKS}
    assert np.array_equal(place.array("fast", "x"), data)


@pytest.mark.parametrize("growing", [False, True])
def test_edges_that_are_not_filtered(place, growing):
    with h5py.File(place.files / "f.h5", "w", libver="latest") as file:
        for name, shape, chunks in (("x", (33, 21), (8, 8)), ("y", (100,), (64,)), ("z", (5,), (9,))):
            made = create(file, name, "<i4", shape, chunks=chunks, filters=["shuffle", "deflate", "fletcher32"], raw_edges=True,
                          growing=growing or name == "z")  # fmt: skip
            made[...] = content("<i4", shape)
    assert set(same_both_ways(place, place.files / "f.h5").values()) == {CHUNKS}


def test_a_file_with_a_user_block(place, libver):
    data = content("<f4", (300, 40))
    with h5py.File(place.files / "f.h5", "w", libver=libver, userblock_size=4096) as file:
        file["contiguous"] = data
        file.create_dataset("chunked", data=data, chunks=(16, 40))
        file.create_dataset("compressed", data=data, chunks=(16, 16), compression="gzip", maxshape=(None, None))
    ways = same_both_ways(place, place.files / "f.h5")
    assert ways == {"/contiguous": COPIED, "/chunked": CHUNKS, "/compressed": CHUNKS}
    assert all(np.array_equal(place.array("fast", name), data) for name in ("contiguous", "chunked", "compressed"))


def test_arrays_of_many_blocks(place):
    """Several threads at one segment: bigger than what is copied at once, with an odd rest."""
    data = np.random.default_rng(1).integers(0, 255, (6501, 1001), "u1")
    with h5py.File(place.files / "f.h5", "w") as file:
        file["contiguous"] = data
        file.create_dataset("rows", data=data, chunks=(100, 1001))
        file.create_dataset("boxes", data=data, chunks=(500, 300), shuffle=True)
        file.create_dataset("compressed", data=data // 64, chunks=(333, 1001), compression="gzip", compression_opts=1)
    ways = same_both_ways(place, place.files / "f.h5")
    assert ways == {"/contiguous": COPIED, "/rows": CHUNKS, "/boxes": CHUNKS, "/compressed": CHUNKS}


def test_what_needs_the_library_is_read_by_it(place):
    with h5py.File(place.files / "f.h5", "w") as file:
        file["padded"] = np.array([b"a", b"bc"], "S4")
        file["table"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
        file["strings"] = ["a", "bcd"]
        file["empty"] = np.zeros(0)
        file.create_dataset("scaled", data=np.arange(100), chunks=(10,), scaleoffset=True)
        file.create_dataset("outside", (10,), "i4", external=[(str(place.files / "raw"), 0, 40)])[...] = np.arange(10)
        layout = h5py.VirtualLayout((10,), "i4")
        layout[...] = h5py.VirtualSource(file["outside"])
        file.create_virtual_dataset("virtual", layout)
        tid = h5py.h5t.IEEE_F64LE.copy()
        tid.set_fields(63, 50, 13, 0, 50)
        h5py.h5d.create(file.id, b"odd_floats", tid, h5py.h5s.create_simple((3,)))
    ways = same_both_ways(place, place.files / "f.h5")
    assert ways.pop("/padded") == COPIED
    assert set(ways.values()) == {LIBRARY}
    assert np.array_equal(place.array("fast", "outside"), np.arange(10))


def test_data_in_files_that_external_links_lead_to(place):
    data = content("<f8", (400, 100))
    with h5py.File(place.files / "other.h5", "w", userblock_size=512) as other:
        other["plain"] = data
        other.create_dataset("packed", data=data, chunks=(30, 100), compression="gzip")
    with h5py.File(place.files / "f.h5", "w") as file:
        file["own"] = data + 1
        file["plain"] = h5py.ExternalLink("other.h5", "/plain")
        file["packed"] = h5py.ExternalLink("other.h5", "/packed")
    ways = same_both_ways(place, place.files / "f.h5")
    assert ways == {"/own": COPIED, "/plain": COPIED, "/packed": CHUNKS}


def damage_chunk(path, name):
    with h5py.File(path) as file:
        info = file[name].id.get_chunk_info(1)
    with open(path, "r+b") as raw:
        raw.seek(info.byte_offset + info.size // 2)
        raw.write(b"\xde\xad\xbe\xef" * 4)


def broken_chunk(place):
    data = content("<i4", (4000,))
    with h5py.File(place.files / "f.h5", "w") as file:
        file["before"] = data
        file.create_dataset("broken", data=data, chunks=(1000,), compression="gzip", fletcher32=True)
        file.create_dataset("behind", data=data, chunks=(1000,), compression="gzip")
        file["other"] = h5py.SoftLink("/broken")
    damage_chunk(place.files / "f.h5", "broken")
    return place.files / "f.h5"


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_damaged_chunk_is_told_in_the_librarys_words(place, jobs):
    file = broken_chunk(place)
    slow = place.load("p", file, env={WAY: "slow"}).failed()
    assert "/broken: cannot be read" in slow
    assert place.load("p", file, "-j", jobs).failed() == slow
    place.assert_nothing_published()


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_with_skip_errors_a_damaged_dataset_is_left_out_and_its_memory_given_back(place, jobs):
    result = place.load("p", broken_chunk(place), "-j", jobs, "--skip-errors")
    assert result.status == programs.IN_PART
    assert set(place.manifest("p").leaves()) == {("before",), ("behind",)}
    place.assert_consistent()


@pytest.mark.parametrize("row", generate_hdf5.ROWS)
def test_every_row_of_the_mapping(place, tmp_path, row):
    generate_hdf5.generate(tmp_path, {row: generate_hdf5.ROWS[row]})
    for file in tmp_path.iterdir():
        same_both_ways(place, file)


@pytest.mark.shm_size(1024)
def test_real_files(place):
    directory = os.environ.get("CUTESHMFS_CORPUS") or programs.TOP.parent / "shared" / "corpus"
    if not os.path.isdir(directory):
        if os.environ.get("CUTESHMFS_CORPUS"):
            lacking(f"CUTESHMFS_CORPUS: there is no {directory}")
        pytest.skip("no corpus of real files; CUTESHMFS_CORPUS=DIR names one")
    for file in sorted(path for path in pathlib.Path(directory).rglob("*") if path.suffix in (".h5", ".hdf5", ".nc", ".h5ad")):
        outcomes = []
        for way in ("slow", "any"):
            result = place.load("p", file, "--skip-errors", "-o", env={WAY: way}, timeout=300)
            good = result.status in (0, programs.IN_PART)
            said = re.sub(r"[\d.]+ \w?B\b", "SIZE", result.err)
            outcomes.append((result.status, said, bytes_of(place, "p") if good else None))
            if good:
                place.unlink("p").succeeded()
        assert outcomes[0] == outcomes[1], file


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.shm_size(300)
def test_a_shared_memory_directory_that_others_fill_in_the_middle(place, jobs):
    file = h5.big(place.files / "f.h5", 280)
    loading = place.start("cute-shm-hdf5", "-j", jobs, "p", file, start_new_session=True)
    wait_until(lambda: used(place.shm) > 5 << 20, "the load to begin")
    os.killpg(loading.pid, signal.SIGSTOP)
    with open(place.shm / "others", "wb", buffering=0) as others, contextlib.suppress(OSError):
        while True:
            others.write(bytes(1 << 20))
    os.killpg(loading.pid, signal.SIGCONT)
    _, line = loading.communicate(timeout=60)
    assert (loading.returncode, b"No space left" in line) == (programs.FAILED, True)
    os.unlink(place.shm / "others")
    place.assert_nothing_published()


def used(directory):
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bfree) * status.f_bsize
