"""Small PettingZoo environments for the tests of the adapters, found as `pettingzoo:toys/...`."""
