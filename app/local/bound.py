"""Becomes another program that dies with the process that started it.

Run as a script, with the standard library only: `bound.py SIGNAL PARENT USER GROUP PROGRAM [ARGUMENT ...]`.
USER and GROUP are numbers, or `-` to stay who we are. On Linux the kernel sends SIGNAL when the thread that started us
ends (so start children from the main thread). A change of user would undo that, hence it comes first; everything that
this file imports is imported before, since the new user may have no way to the interpreter's own library (one in root's
closed home). Elsewhere than on Linux only an orderly stop ends the child.
"""

import os
import sys

if sys.platform == "linux":
    import ctypes

PR_SET_PDEATHSIG = 1


def become_account(user: str, group: str) -> None:
    """Give up root for good: groups first, the user last."""
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
        os.environ["HOME"] = "/"


def die_with_parent(death_signal: int, parent: int) -> None:
    """Ask for the signal; when the parent is gone already, nobody would send it, so end here."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit("bound.py: the kernel refused PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        sys.exit("bound.py: the parent ended first")


if __name__ == "__main__":
    death_signal, parent, user, group, *command = sys.argv[1:]
    become_account(user, group)
    die_with_parent(int(death_signal), int(parent))
    os.execv(command[0], command)
