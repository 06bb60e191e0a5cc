# SPDX-License-Identifier: MIT
"""What the manifest and the sidecar say of arrays that are written as files."""

import errno
import tomllib

from .waiting import wait_until

FOLDED = 5.0  # seconds until a change is in the manifest itself


def eventually_said(place, project, path, **wanted):
    """The leaf in the manifest, once it says this (the journal is folded within a second)."""

    def look():
        try:
            leaf = place.manifest(project).at(*path)
        except KeyError:
            return None
        return leaf if all(leaf.get(key) == value for key, value in wanted.items()) else None

    return wait_until(look, f"{'/'.join(path)} with {wanted} in the manifest: {place.manifest_path(project)}", FOLDED)


def refusal(act):
    """How the error that act() must end with is called."""
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    raise AssertionError("it was not refused")


def sidecar(path):
    """[array] of the sidecar beside `path`."""
    with open(f"{path}.meta", "rb") as file:
        return tomllib.load(file)["array"]


def declare(place, project, **leaves):
    """Adds arrays to a manifest by hand, before the daemon runs or as the peer would: name=(dtype, shape, bytes)."""
    text = place.manifest_path(project).read_text()
    for number, (name, (dtype, shape, content)) in enumerate(leaves.items()):
        segment = f"cute-shm.{project}.hand{number:06d}"
        (place.shm / segment).write_bytes(content or b"\0")
        (place.shm / segment).chmod(0o600)
        text += f'[{name}]\nshm_name = "{segment}"\nshm_private_name = "/{segment}"\n'
        text += f'shape = {list(shape)}\ndtype = "{dtype}"\nattrs = {{}}\n'
    place.manifest_path(project).write_text(text)
