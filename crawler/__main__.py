"""The `crawler` command. `--version` answers before anything is loaded."""

import sys

from crawler import __version__


def main() -> int:
    """Runs the command line and returns its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"crawler {__version__}")
        return 0
    try:
        from crawler.cli.main import main as run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    finally:
        _be_deaf()
        _let_go()


def _be_deaf() -> None:
    """All is said and done: a signal that comes now must not change the exit code, or be complained about by Python's own end."""
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _let_go() -> None:
    """What nobody reads any more is no failure: Python's own end would make 120 of the exit code."""
    import os

    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    sys.exit(main())
