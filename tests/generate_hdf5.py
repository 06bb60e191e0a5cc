#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""generate_hdf5.py DIRECTORY: one small HDF5 file per row of the mapping and per kind of attribute.

Files are written by the h5py at hand and hold no randomness, so each run gives the same values.
"""

import pathlib
import sys

import h5py
import numpy as np

ROWS = {}
INTEGERS = ("i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8")
FLOATS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")


def row(make):
    ROWS[make.__name__] = make
    return make


def ramp(dtype, shape=(3, 5)):
    """Values with every byte in use."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return (np.arange(count, dtype="u4") * 73 + 11).astype("u1").view(dtype).reshape(shape)


def safe(dtype):
    return dtype.replace("<", "le_").replace(">", "be_").replace("|", "")


@row
def integers(f):
    for dtype in INTEGERS:
        f[safe(dtype)] = ramp(dtype)


@row
def floats(f):
    for dtype in FLOATS:
        values = np.array([0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).tiny])
        f[safe(dtype)] = values.astype(dtype)


@row
def long_doubles(f):
    f["native"] = np.array([1, -2.5, np.pi, np.inf, np.nan], "longdouble") / 3
    f["grid"] = np.arange(12, dtype="longdouble").reshape(3, 4) / 7


@row
def booleans(f):
    f["flags"] = np.array([[True, False, True], [False, False, True]])
    f["one"] = np.array(True)


@row
def complexes(f):
    f["single"] = np.array([1 + 2j, -0.5j, np.nan], "c8")
    f["double"] = np.arange(6).reshape(2, 3) * (1 - 1j) / 3
    f["big_endian"] = np.array([1 + 2j, 3 - 4j], ">c16")
    f["long"] = np.array([1 + 2j, 3 - 4j], "clongdouble") / 3


@row
def fixed_strings(f):
    f["bytes"] = np.array([b"one", b"", b"three", b"exactly10!"], "S10")
    f["one"] = np.array(b"scalar text", "S20")
    f["length_1"] = np.array([b"a", b"", b"c"], "S1")
    f["unicode"] = np.array(["grün".encode(), b"x"], h5py.string_dtype("utf-8", 8))
    for padding in (h5py.h5t.STR_NULLTERM, h5py.h5t.STR_SPACEPAD, h5py.h5t.STR_NULLPAD):
        tid = h5py.h5t.C_S1.copy()
        tid.set_size(6)
        tid.set_strpad(padding)
        did = h5py.h5d.create(f.id, b"padding_%d" % padding, tid, h5py.h5s.create_simple((3,)))
        did.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"ab", b"abcde ", b""], "S6"), tid)


@row
def scalars(f):
    for name, value in {"integer": np.int32(-7), "double": np.float64(np.pi), "byte": np.uint8(255)}.items():
        f[name] = value


@row
def zero_size(f):
    f.create_dataset("vector", shape=(0,), dtype="f8")
    f.create_dataset("matrix", shape=(4, 0, 3), dtype="<i2")
    f.create_dataset("growing", shape=(0, 5), maxshape=(None, 5), chunks=(16, 5), dtype="f4")
    f.create_dataset("table", shape=(0,), dtype=[("a", "i4"), ("b", "f8")])


@row
def compounds(f):
    simple = np.zeros(4, [("i", "<i4"), ("x", ">f8"), ("s", "S5"), ("z", "c16"), ("b", "?")])
    for at, field in enumerate(simple.dtype.names[:2]):
        simple[field] = np.arange(4) * (at + 1)
    simple["s"] = [b"a", b"bc", b"", b"defgh"]
    simple["z"] = 1 + 2j
    simple["b"] = [True, False, True, True]
    f["simple"] = simple
    f["simple"].attrs["units"] = "mixed"
    padded = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [3, 16], "itemsize": 32})
    f["padded"] = np.array([(1, 1.5), (2, 2.5)], padded)
    unordered = np.dtype({"names": ["late", "early"], "formats": ["i2", "i8"], "offsets": [8, 0], "itemsize": 10})
    f["unordered"] = np.array([(1, 2), (3, 4)], unordered)
    inner = np.dtype([("x", "f4"), ("y", "f4")])
    nested = np.zeros((2, 2), [("id", "u2"), ("place", inner), ("deep", [("down", [("v", "i1")])])])
    nested["id"] = [[1, 2], [3, 4]]
    nested["place"]["y"] = [[0.5, 1.5], [2.5, 3.5]]
    nested["deep"]["down"]["v"] = [[-1, -2], [-3, -4]]
    f["nested"] = nested
    f["one"] = np.array((1, 2.5), [("a", "i4"), ("b", "f8")])


@row
def layouts(f):
    data = np.arange(7 * 11, dtype="<i4").reshape(7, 11)
    f.create_dataset("contiguous", data=data)
    f.create_dataset("chunked", data=data, chunks=(3, 4))
    f.create_dataset("growing", data=data, maxshape=(None, None), chunks=(3, 4))
    f.create_dataset("never_written", shape=(5, 6), dtype="f8", fillvalue=2.5)
    f.create_dataset("chunks_never_written", shape=(50, 60), dtype="i2", chunks=(7, 7), fillvalue=-3)
    part = f.create_dataset("chunks_partly_written", shape=(50, 60), dtype="i2", chunks=(7, 7), fillvalue=-3)
    part[10:20, 30:55] = np.arange(10 * 25).reshape(10, 25)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    tid = h5py.h5t.py_create(data.dtype)
    did = h5py.h5d.create(f.id, b"compact", tid, h5py.h5s.create_simple(data.shape), compact)
    did.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


@row
def filters(f):
    data = (np.arange(100 * 70) % 251).astype("<u2").reshape(100, 70)
    f.create_dataset("deflate", data=data, chunks=(16, 16), compression="gzip")
    f.create_dataset("deflate_shuffle", data=data, chunks=(16, 70), compression="gzip", shuffle=True)
    f.create_dataset("fletcher32", data=data, chunks=(16, 16), fletcher32=True)
    f.create_dataset("all", data=data, chunks=(9, 9), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("scaleoffset", data=data, chunks=(16, 16), scaleoffset=True)
    if h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        f.create_dataset("szip", data=data, chunks=(16, 16), compression="szip")


@row
def ranks(f):
    for rank in (1, 2, 5, 16, 32):
        f[f"rank_{rank}"] = np.arange(2 * 3, dtype="u1").reshape((1,) * (rank - 1) + (6,))


@row
def groups(f):
    f["a/b/c/deep"] = np.arange(3)
    f.create_group("empty")
    f["a"].attrs["what"] = "a group"
    f["a/b"].attrs["numbers"] = [1, 2, 3]
    f.attrs["title"] = "the file itself"
    f.create_group("a/empty too").attrs["n"] = 1
    ordered = f.create_group("ordered", track_order=True)
    for name in ("zebra", "apple", "mango"):
        ordered[name] = np.arange(2)
    for at in range(200):
        f[f"many/{at:03d}"] = at


@row
def names(f):
    for name in ("with space", " ends ", "a.b", "grün", "x.meta", "x.npy", "data", "meta", "attrs", "shm_name", "100%",
                 "%2F", "new\nline", "tab\t", '"quoted"', "\\", "'", "[x]", "=", "#", "n" * 300, "ü" * 150,
                 "\u00e9", "e\u0301", "~", "%~0123456789abcdef"):  # fmt: skip
        f[name] = np.arange(3)
    f["group.meta/inner"] = 1.5


@row
def numeric_attributes(f):
    holder = f.create_dataset("data", data=np.arange(3))
    for where in (f, f.create_group("group"), holder):
        for dtype in INTEGERS + FLOATS:
            where.attrs[f"one_{safe(dtype)}"] = np.array(3, dtype)
            where.attrs[f"list_{safe(dtype)}"] = np.array([[0, 1, 2], [3, 4, 5]], dtype)
        where.attrs["int64"] = -(2**63)
        where.attrs["third"] = np.float32(1 / 3)
        where.attrs["tenth"] = 0.1
        where.attrs["specials"] = [np.inf, -np.inf, np.nan, -0.0]
        where.attrs["huge"] = np.uint64(2**64 - 1)
        where.attrs["fits"] = np.uint64(2**63 - 1)
        where.attrs["flag"] = True
        where.attrs["flags"] = [True, False]
        where.attrs["complex"] = 1 + 2j
        where.attrs["long"] = np.longdouble(1) / 3
        where.attrs["no elements"] = np.zeros((0, 3))


@row
def string_attributes(f):
    holder = f.create_dataset("data", data=np.arange(3))
    for where in (f, f.create_group("group"), holder):
        where.attrs["variable"] = "grün und blau"
        where.attrs["list"] = ["one", "", "three"]
        where.attrs["fixed"] = np.bytes_(b"seven77")
        where.attrs["fixed list"] = np.array([[b"a", b"bc"], [b"", b"def"]], "S3")
        where.attrs.create("ascii", b"plain", dtype=h5py.string_dtype("ascii"))
        where.attrs["not utf-8"] = np.bytes_(b"G\xc3")
        where.attrs["bang"] = "!important"
        where.attrs["control"] = 'a\tb\nc\x7f\x01"quoted" \\ '
        where.attrs["empty"] = ""
        where.attrs["long"] = "x" * 40_000
        where.attrs["odd / name.with #stuff\n"] = 1


# --- what may still be refused ----------------------------------------------------------------------------------------


@row
def variable_strings(f):
    f["text"] = ["one", "", "grün", "a longer one"]
    f["one"] = "scalar"
    f.create_dataset("ascii", data=[b"x", b"yz"], dtype=h5py.string_dtype("ascii"))
    f.create_dataset("never written", shape=(3,), dtype=h5py.string_dtype())


@row
def ragged(f):
    rows = f.create_dataset("numbers", (3,), dtype=h5py.vlen_dtype(np.dtype("<i2")))
    for at in range(3):
        rows[at] = np.arange(2 * at)
    grid = f.create_dataset("grid", (2, 2), dtype=h5py.vlen_dtype(np.dtype("f8")))
    for at in np.ndindex(2, 2):
        grid[at] = np.arange(sum(at) + 1) / 2


@row
def enums(f):
    colours = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42}, basetype="<i2")
    f.create_dataset("colours", data=np.array([0, 42, 1], "<i2"), dtype=colours)
    f["colours"].attrs.create("favourite", 42, dtype=colours)


@row
def references(f):
    f["target"] = np.arange(10)
    f["group/inner"] = np.arange(3)
    f.create_dataset("objects", data=[f["target"].ref, f["group"].ref, h5py.Reference()], dtype=h5py.ref_dtype)
    f.create_dataset("regions", data=[f["target"].regionref[2:5]], dtype=h5py.regionref_dtype)
    f.attrs["object"] = f["target"].ref
    f.attrs["region"] = f["target"].regionref[1:3]


@row
def opaque(f):
    tid = h5py.h5t.create(h5py.h5t.OPAQUE, 5)
    tid.set_tag(b"five bytes")
    did = h5py.h5d.create(f.id, b"tagged", tid, h5py.h5s.create_simple((3,)))
    did.write(h5py.h5s.ALL, h5py.h5s.ALL, ramp("V5", (3,)), tid)
    when = np.array(["2020-01-01", "NaT"], "M8[s]")
    f.create_dataset("when", data=when.astype(h5py.opaque_dtype(when.dtype)))


@row
def bitfields(f):
    for name, tid in (("b8", h5py.h5t.STD_B8LE), ("b32", h5py.h5t.STD_B32BE)):
        did = h5py.h5d.create(f.id, name.encode(), tid, h5py.h5s.create_simple((4,)))
        did.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=did.dtype), tid)


@row
def array_types(f):
    f.create_dataset("fields", data=np.ones(3, [("m", "f4", (2, 3)), ("n", "i2")]))
    tid = h5py.h5t.array_create(h5py.h5t.NATIVE_INT32, (2, 2))
    did = h5py.h5d.create(f.id, b"elements", tid, h5py.h5s.create_simple((3,)))
    did.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(12, dtype="i4").reshape(3, 2, 2), tid)


@row
def odd_numbers(f):
    narrow = h5py.h5t.STD_I32LE.copy()
    narrow.set_precision(20)
    narrow.set_offset(4)
    bfloat = h5py.h5t.IEEE_F32LE.copy()
    bfloat.set_fields(15, 7, 8, 0, 7)
    bfloat.set_size(2)
    bfloat.set_ebias(127)
    for name, tid in ((b"narrow", narrow), (b"bfloat16", bfloat)):
        did = h5py.h5d.create(f.id, name, tid, h5py.h5s.create_simple((4,)))
        did.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=did.dtype))


@row
def null_spaces(f):
    f["nothing"] = h5py.Empty("f8")
    f["nothing"].attrs["why"] = "no data"
    f.attrs["nothing"] = h5py.Empty("f4")


@row
def links(f):
    f["data"] = np.arange(5)
    f["same"] = f["data"]
    f["group/again"] = f["data"]
    f["soft"] = h5py.SoftLink("/group/again")
    f["soft group"] = h5py.SoftLink("/group")
    f["dangling"] = h5py.SoftLink("/nowhere")
    f["outside"] = h5py.ExternalLink("no such file.h5", "/x")
    f["group/up"] = f["/"]
    f["type"] = np.dtype("f8")
    f.create_dataset("typed", (2,), dtype=f["type"])


@row
def compound_attributes(f):
    kind = np.dtype([("r", "f8"), ("n", "<i2"), ("s", "S3")])
    f.attrs.create("one", np.array((1.0, 2, b"abc"), kind))
    f.attrs.create("list", np.array([(1.0, 2, b"abc"), (0.5, -1, b"")], kind))
    sequence = f.create_dataset("d", data=1).attrs
    rows = np.empty(2, object)
    rows[0], rows[1] = np.arange(2, dtype="i4"), np.arange(3, dtype="i4")
    sequence.create("ragged", rows, dtype=h5py.vlen_dtype(np.dtype("i4")))


NASTY_NAMES = (
    "data", "meta", "attrs", "shm_name", "x.meta", "x.npy", ".meta", " lead", "trail ", "new\nline", "tab\t", "a.b.c",
    "%", "%25", "100%", "a%2Fb", '"q"', "'s'", "\\back", "\u00e9", "e\u0301", "\u2026", "x" * 255, "y" * 300,
    "\u00e9" * 140, "#c", "[t]", "=", "..x", "~", "%~0123456789abcdef", "\x7f", "\x01ctl", "\x85",
)  # fmt: skip


@row
def nasty_names(f):
    for at, name in enumerate(NASTY_NAMES):
        made = f.create_dataset(name.encode(), data=np.arange(at + 1))
        made.attrs["weird.key \u00e9\n"] = "v"
    h5py.h5g.create(f.id, b"not UTF-8 \xff\xfe")
    group = f[b"not UTF-8 \xff\xfe"]
    group.create_dataset(b"\xff\x80", data=1.5)
    group.attrs.create(b"\xe9t\xe9", 3)


@row
def extremes(f):
    f.create_dataset("rank 32", data=np.zeros((1,) * 32))
    group = f
    for _ in range(900):
        group = group.create_group("g")
    group["deepest"] = np.arange(3)


@row
def large_attributes(f):
    f.attrs["text"] = "z" * 50000
    f.create_dataset("d", data=1).attrs["numbers"] = np.arange(7000.0)


def generate(directory, table=None):
    """Writes the files of a table (all if None) and returns their paths."""
    paths = []
    for name, make in (ROWS if table is None else table).items():
        path = pathlib.Path(directory) / f"{name}.h5"
        with h5py.File(path, "w") as file:
            make(file)
        paths.append(path)
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate_hdf5.py DIRECTORY")
    for made in generate(sys.argv[1]):
        print(made)
