"""`python -m league`: the command line where its script is not on the PATH."""

from league.cli import main

main(prog_name="league")
