# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that are there whole or not at all, and arrays in files that have their room."""
import contextlib
import os


@contextlib.contextmanager
def named(path):
    """Gives an OSError the file's name, which those of writing lack."""
    try:
        yield
    except OSError as error:
        if error.filename or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def whole(path):
    """A file, open for writing, that becomes `path` once all of it is on the disk; until then, and
    where that fails, `path` is what it was."""
    partial = path.with_name(path.name + ".partial")
    try:
        with named(path):
            with partial.open("wb") as f:
                yield f
                f.flush()
                os.fsync(f.fileno())
            os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path, data):
    """data: bytes, or str as UTF-8."""
    with whole(path) as f:
        f.write(data.encode() if isinstance(data, str) else data)


def array(path, dtype, shape, begun=False):
    """A .npy file to be filled in place, or one that was begun.  Its room is taken here: on a full
    disk, what is written through a mapping ends the process by SIGBUS, without a sentence."""
    import numpy as np  # here, since a run begins without it
    try:
        with named(path):
            out = np.lib.format.open_memmap(path, "r+" if begun else "w+", dtype, shape)
            with path.open("r+b") as f:
                os.posix_fallocate(f.fileno(), 0, path.stat().st_size)
    except OSError:
        if not begun:
            path.unlink(missing_ok=True)  # or the little room that there is stays taken
        raise
    return out
