"""`python -m adaptd`."""

from adaptd.cli.main import main

if __name__ == "__main__":
    main()
