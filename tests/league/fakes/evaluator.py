"""A fake evaluator."""

from tests.league.fakes.worker import main

if __name__ == "__main__":
    main("evaluator")
