"""The crash suite: the whole real process is killed everywhere, and only what a person would see counts."""
