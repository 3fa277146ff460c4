"""`python -m console` is `provision`."""

from console.cli import main

main()
