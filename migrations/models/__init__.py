"""Each file holds what one change of the tables does to a database, for both dialects."""
