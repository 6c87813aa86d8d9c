"""Who plays whom, and what came of it: records, payoff, opponent rules, ratings, and the store in Redis."""
