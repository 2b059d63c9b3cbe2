"""Files and links that are replaced whole or not at all, and flushed to the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def make_folder(path: Path) -> None:
    """Make a folder that its owner alone can open, if it is not there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def put(part: Path, path: Path) -> None:
    """Flush a finished file to the disk, and put it into its place in one step.

    Args:
        part: the file under its temporary name, in the same folder.
        path: its place; what was there is replaced.

    Raises:
        OSError: it could not be; `path` is as it was.
    """
    part.chmod(0o600)
    sync(part)
    part.replace(path)
    sync(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        OSError: it could not be written; `path` is as it was.
    """
    make_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, default=str)
    put(part, path)


def point(link: Path, target: str) -> None:
    """Make a link point to `target` in one step: a reader sees the old target or the new one."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    draft = link.with_name(f".{link.name}.draft")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    sync(link.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk: a rename must not overtake what it makes visible."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
