"""Node and the packages of the peers, installed at need into a cache folder outside the checkout."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NODE_MAJOR_OLDEST = 22
INSTALL_SECONDS_MAX = 600
PEERS = Path(__file__).parent / "peers"
SOURCES = ("package.json", "schema.graphql", "common.mjs", "postgraphile.mjs", "mercurius.mjs")
PROCESSORS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class NotHere(Exception):
    """A contender that cannot be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A program new enough, and the folder that the peers run from."""

    program: Path
    folder: Path


def cache_folder() -> Path:
    """Where packages are installed; XDG's cache folder of whoever runs this."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jifen-bench"


def node_package() -> str:
    """The npm package that carries Node itself for this machine."""
    processor = PROCESSORS.get(platform.machine().lower(), platform.machine())
    return f"node-{platform.system().lower()}-{processor}"


def major(program: str | Path) -> int:
    """The major version of a Node; 0 when it does not run."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)", told)
    return int(found[1]) if found else 0


def peers_on_node() -> Node:
    """Install what is missing and return what runs the peers. Raises NotHere."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        shutil.copy(PEERS / name, folder / name)
    system = shutil.which("node")
    suits = system is not None and major(system) >= NODE_MAJOR_OLDEST
    _install(folder, [] if suits else [f"{node_package()}@{NODE_MAJOR_OLDEST}"])
    program = Path(system or "") if suits else folder / "node_modules" / node_package() / "bin" / "node"
    if major(program) < NODE_MAJOR_OLDEST:
        raise NotHere(f"no Node {NODE_MAJOR_OLDEST} or newer, and npm's {node_package()} does not run here")
    return Node(program, folder)


def _install(folder: Path, more: list[str]) -> None:
    """npm's own settings say from where. What is installed is used until the list of packages changes."""
    wanted = hashlib.sha256((folder / "package.json").read_bytes() + " ".join(more).encode()).hexdigest()
    done = folder / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise NotHere("npm is not installed")
    command = [npm, "install", "--no-package-lock", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", *more]
    try:
        told = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotHere("npm did not finish") from None
    if told.returncode != 0:
        raise NotHere(f"npm could not install the peers: {told.stderr.strip().splitlines()[-1:]}")
    done.write_text(wanted)
