"""Entry points of the pack: the engine runs the folder, a user runs the module."""

import sys
from pathlib import Path


def main() -> None:
    """Serve the engine when it runs the folder (``python policy_pack``), otherwise run a command."""
    if __package__:
        from policy_pack.command import main as command

        command()
        return
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from policy_pack.engine.analyzer import serve

    serve()


if __name__ == "__main__":
    main()
