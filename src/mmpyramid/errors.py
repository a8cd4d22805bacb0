"""The one exception that users see: what was expected, what came, what to do."""


class UserError(ValueError):
    """A mistake in the input, told in one paragraph.

    Library users catch it as a `ValueError`; the command line prints its message without a
    traceback and exits with code 2.

    Example:
        >>> raise UserError("expected a threshold within 0..1, got 1.5; try --threshold 0.5")
        Traceback (most recent call last):
        ...
        mmpyramid.errors.UserError: expected a threshold within 0..1, got 1.5; try --threshold 0.5
    """
