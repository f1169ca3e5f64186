# SPDX-License-Identifier: LGPL-2.1-or-later
"""The photographs: where they come from, who made them, and reading them.

photographs.tsv has a row a picture, with its author, licence, kind and split; a picture that comes
in several sizes has one row.
"""
import csv
import importlib.util
import pathlib
import subprocess

TABLE = pathlib.Path(__file__).with_name("photographs.tsv")
MODULES = {"scikit-image": "skimage", "scikit-learn": "sklearn"}
LONGEST_SHORT_SIDE = 1100


class Missing(Exception):
    """One sentence: what is not there and what to do."""


def table():
    """Rows of photographs.tsv as dictionaries."""
    with TABLE.open(encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def run(command, folder, remedy):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise Missing(f"{' '.join(map(str, command))} failed ({lines[-1]}); {remedy}")


def fetch(work):
    """Unpacks every Debian package of the table under work/packages; skips what is there."""
    packages = work / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name in sorted({row["package"] for row in table()} - set(MODULES)):
        folder = packages / name
        if folder.is_dir():
            continue
        print(f"photographs: {name}", flush=True)
        run(["apt-get", "download", "-q", name], packages,
            "look whether the network is up, run apt-get update, and start again; if the package "
            "has left the distribution, delete its rows from photographs.tsv")
        partial = packages / (name + ".partial")
        for archive in packages.glob(name + "_*.deb"):
            run(["dpkg-deb", "-x", archive.name, partial], packages,
                f"delete {packages / archive.name} and start again")
            archive.unlink()
        partial.rename(folder)


def name_of(row):
    """What to call a picture: of wallpapers that are folders, the folder."""
    parts = row["file"].split("/")
    return parts[1] if parts[0] == "wallpapers" else parts[-1]


def path_of(row, work):
    if row["package"] in MODULES:
        module = importlib.util.find_spec(MODULES[row["package"]])
        return pathlib.Path(module.origin).parent / row["file"]
    return work / "packages" / row["package"] / "usr/share" / row["file"]


def read(row, work):
    """uint8 (H, W, 3), RGB, the short side at most LONGEST_SHORT_SIDE; None, with a line printed,
    for a file that is missing or does not decode to its end."""
    import cv2  # here, since a card is written without it
    path = path_of(row, work)
    try:
        data = path.read_bytes()
    except OSError as error:
        print(f"photographs: left out {path}: {error.strerror}", flush=True)
        return None
    if data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]:
        print(f"photographs: left out {path}: it is cut short", flush=True)
        return None
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        print(f"photographs: left out {path}: it is damaged", flush=True)
        return None
    scale = LONGEST_SHORT_SIDE / min(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture[..., ::-1]
