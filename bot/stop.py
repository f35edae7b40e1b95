"""The one exception that ends a command with a sentence for the person instead of a traceback."""


class Stop(Exception):
    """End the command: `str()` is one sentence that says what happened and what to do; `code` is the exit status."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code
