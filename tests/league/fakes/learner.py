"""A fake learner."""

from tests.league.fakes.worker import main

if __name__ == "__main__":
    main("learner")
