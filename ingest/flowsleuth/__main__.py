"""`python -m flowsleuth` is the command `flowsleuth`."""

from flowsleuth.cli import main

if __name__ == "__main__":
    main()
