"""The one exception of our own."""


class InputError(ValueError):
    """Bad input.  The message names the argument and its value."""
