"""Executor of Pulumi programs; started by the language host as a script.

It depends only on the SDK, so the program's own virtual environment needs nothing else.
"""

import argparse
import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
from pulumi import runtime

_THREADS_PER_OPERATION = 4


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("monitor", "engine", "project", "stack", "organization", "root-directory"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--shown", type=int, required=True, help="exit code that says: the user has seen why")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("program", type=Path)
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


def _own_frames(error: BaseException, program: Path) -> str:
    """Format a traceback from the program's first frame on, without frames of the host and SDK."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [i for i, frame in enumerate(frames) if Path(frame.filename).is_relative_to(program)]
    kept = frames[mine[0] :] if mine else frames
    return "".join([*traceback.format_list(kept), *traceback.format_exception_only(error)]).rstrip()


def _say_less() -> None:
    """Suppress the SDK's debug messages to the engine, unless ``PULUMI_PYTHON_DEBUG`` is set.

    Each message is a request that the program waits for, several per resource, and the engine discards them
    without ``--debug``: a preview of dev (445 resources) takes 10 per cent less processor time without them.
    """
    if not os.environ.get("PULUMI_PYTHON_DEBUG"):
        vars(pulumi.log)["debug"] = lambda *_parts, **_more: None


def main() -> int:
    """Configure the SDK, run the program and wait for its resources."""
    args = _arguments()
    shown: int = args.shown
    program: Path = args.program.resolve()
    folder = program if program.is_dir() else program.parent
    if program.is_dir() and not (program / "__main__.py").exists():
        print(f"error: no __main__.py in {program}; Pulumi.yaml's `main:` names the program's folder", file=sys.stderr)
        return shown
    runtime.set_all_config(runtime.get_config_env(), runtime.get_config_secret_keys_env())
    runtime.configure(
        runtime.Settings(
            monitor=args.monitor,
            engine=args.engine,
            project=args.project,
            stack=args.stack,
            parallel=args.parallel,
            dry_run=args.dry_run,
            organization=args.organization,
            root_directory=args.root_directory,
        )
    )
    _say_less()
    sys.argv = [str(program), *args.arguments]
    sys.path.insert(0, str(folder))
    # A failing program leaves resources unawaited; asyncio's warnings about that are not helpful.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max(args.parallel, 1) * _THREADS_PER_OPERATION)
    loop.set_default_executor(executor)

    def run() -> None:
        runpy.run_path(str(program), run_name="__main__")

    try:
        loop.run_until_complete(runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return shown
    except Exception as error:
        pulumi.log.error(f"the program failed:\n{_own_frames(error, folder)}")
        return shown
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
