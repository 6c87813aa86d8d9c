"""Where the processes of a league are started."""
