"""Fake platforms: real servers on loopback that our real clients talk to."""
