"""`python -m aiowfm`: the command line."""

from aiowfm.cli import main

if __name__ == "__main__":
    main()
