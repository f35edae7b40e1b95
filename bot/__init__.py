"""The processes: command line, settings, the one composition root and the web."""
