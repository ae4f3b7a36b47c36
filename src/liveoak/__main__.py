"""`python -m liveoak` is `liveoak`."""

from liveoak.cli import main

if __name__ == "__main__":
    main()
