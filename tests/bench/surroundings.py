"""What has to be known of a machine and a run before its figures mean anything."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from app.local.programme import ROOT
from tests.bench.contenders import POOL_MAX
from tests.bench.rounds import Plan
from tests.bench.seeding import Size

PACKAGES = ("strawberry-graphql", "graphql-core", "tortoise-orm", "asyncpg", "uvicorn", "starlette")
SERVER_SETTINGS = ("synchronous_commit", "fsync", "shared_buffers")


async def surroundings(plan: Plan, size: Size, database: asyncpg.Connection, load_before: float) -> dict[str, Any]:
    """Machine, versions, sizes, and how busy the machine was when the run began and when it ended."""
    told = {name: await database.fetchval("SELECT current_setting($1)", name) for name in SERVER_SETTINGS}
    return {
        "commit": commit(),
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "load average": f"{load_before:.2f} when it began, {os.getloadavg()[0]:.2f} when it ended",
        "Python": f"{platform.python_version()}, {build()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "PostgreSQL": f"{await database.fetchval('SHOW server_version')}, "
        + ", ".join(f"{name} {value}" for name, value in told.items()),
        "sizes": f"{size.members:,} members, {size.entries:,} entries",
        "rounds": f"{plan.rounds} of {plan.seconds:g} s for each contender and operation, shuffled",
        "database connections": f"{POOL_MAX} for each server",
    }


def jobs_surroundings() -> dict[str, Any]:
    """The same where nothing but jobs was measured."""
    return {
        "commit": commit(),
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "load average": f"{os.getloadavg()[0]:.2f} when it ended",
        "Python": f"{platform.python_version()}, {build()}",
    }


def build() -> str:
    """How this interpreter was built: a distribution's optimised one is up to 1.8 times as fast as a plain build."""
    told = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = [flag for flag in ("--enable-optimizations", "--with-lto", "--enable-shared") if flag in told]
    return f"{sys.implementation.name} built with {' '.join(flags) or 'no optimising options'}"


def processor() -> str:
    """The processor's name as Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> str:
    """The checkout's commit, and whether anything was changed since."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + (" with changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout of git"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
