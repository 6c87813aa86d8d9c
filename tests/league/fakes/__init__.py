"""Processes of a league that play and train nothing: what the supervisor's tests start."""
