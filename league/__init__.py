"""AlphaStar-style league self-play: training, matchmaking, ratings and an arena."""
