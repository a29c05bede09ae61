"""``python -m workbench``: the command line, for job scripts that name the Python to use."""

from workbench.cli import main

main()
