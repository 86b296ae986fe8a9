"""The `remote-code` command: `serve` by the shortest way, all others by the command line of `commands`."""

import sys


def main() -> None:
    """Run the command line. A client of `serve` waits for its first answer: nothing is loaded that it does not use."""
    if sys.argv[1:] == ["serve"]:
        from remote_code.start import start

        start()
    from remote_code.commands import run

    run()


if __name__ == "__main__":
    main()
