"""Writes the broken files that broken_inputs.sh feeds to Comity into the folder named as the argument."""
import struct
import sys
from pathlib import Path

import h5py
import numpy

folder = Path(sys.argv[1])
FEATURES, CLASSES, EACH, CLIENTS = 8, 3, 20, 6
numbers = numpy.random.default_rng(1)
x = numbers.normal(size=(CLIENTS * EACH, FEATURES)).astype("f4")
y = (numpy.arange(CLIENTS * EACH) % CLASSES).astype("i4")
offsets = numpy.arange(0, CLIENTS * EACH + 1, EACH)


def write(name, classes=CLASSES, **datasets):
    with h5py.File(folder / name, "w") as file:
        for key, value in datasets.items():
            if value is not None:
                file[key] = value
        if classes is not None:
            file.attrs["classes"] = classes


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


names = [f"column-{i}" for i in range(FEATURES)]
write("foreign.h5", classes=None, temperature=x)
write("no-labels.h5", x=x, offsets=offsets)
write("scalar.h5", x=1.0, y=y)
write("text-labels.h5", x=x, y=[b"cat"] * len(x))
write("fewer-labels.h5", x=x, y=y[:-1])
write("descending.h5", x=x, y=y, offsets=changed(offsets, 3, 90))
write("short-offsets.h5", x=x, y=y, offsets=offsets[:-1])
write("late-offsets.h5", x=x, y=y, offsets=offsets + 1)
write("empty.h5", x=x[:0], y=y[:0])
write("label-out.h5", x=x, y=changed(y, 47, 7), offsets=offsets)
write("label-negative.h5", x=x, y=changed(y, 47, -1), offsets=offsets)
write("not-a-number.h5", x=changed(x, (47, 3), numpy.nan), y=y, offsets=offsets)
write("infinite.h5", x=changed(x, (47, 3), numpy.inf), y=y, offsets=offsets)
write("all-not-a-number.h5", x=numpy.full_like(x, numpy.nan), y=y, offsets=offsets)
write("overflow.h5", x=changed(x, slice(40, 60), 1e30), y=y, offsets=offsets)
write("real-targets.h5", classes=0, x=x, y=x[:, 0].astype("f4"), offsets=offsets)
write("wide.h5", x=numpy.hstack([x, x]), y=y, offsets=offsets)
for silo in (1, 2, 3):
    part = slice((silo - 1) * 40, silo * 40)
    write(f"silo-{silo}.h5", x=x[part], y=y[part], offsets=[0, 20, 40], feature_names=names)
write("silo-renamed.h5", x=x[:40], y=y[:40], feature_names=changed(numpy.array(names), 4, "age").tolist())
write("silo-wide.h5", x=numpy.hstack([x, x])[:40], y=y[:40])
write("silo-targets.h5", classes=0, x=x[:40], y=x[:40, 0])
whole = (folder / "silo-2.h5").read_bytes()
(folder / "silo-torn.h5").write_bytes(whole[: len(whole) // 2])


def idx(name, magic, sizes, content):
    (folder / name).write_bytes(struct.pack(f">I{len(sizes)}I", magic, *sizes) + bytes(content))


idx("images.idx", 0x803, (4, 3, 3), range(36))
idx("images-torn.idx", 0x803, (4, 3, 3), range(30))
idx("images-magic.idx", 0x903, (4, 3, 3), range(36))
idx("images-foreign.idx", 0x89504E47, (4, 3, 3), range(36))
idx("labels.idx", 0x801, (4,), (0, 1, 2, 1))
idx("labels-fewer.idx", 0x801, (3,), (0, 1, 2))
