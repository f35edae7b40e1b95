"""The processes: command line, settings, the one composition root and the web."""

__version__ = "0.1.0"
