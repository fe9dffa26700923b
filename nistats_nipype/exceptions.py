"""Every error and warning of the package.

An error says what is wrong, what was found, what was expected and what to do
about it, so that it can be acted on without reading the code.
"""

__all__ = [
    'ContrastError',
    'DatasetError',
    'DesignError',
    'GridError',
    'InputError',
    'JobError',
    'MaskError',
    'MissingDataError',
    'NistatsNipypeError',
    'NistatsNipypeWarning',
    'OutputError',
    'ScheduleError',
    'SchedulerError',
]


class NistatsNipypeError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    found : str, optional
        What was found.
    expected : str, optional
        What was expected instead.
    advice : str, optional
        What to do about it.

    Examples
    --------
    >>> print(InputError('No maps were given.', expected='at least 2', advice='Check --maps.'))
    No maps were given.
      expected: at least 2
      to do:    Check --maps.
    """

    def __init__(self, problem, *, found=None, expected=None, advice=None):
        super().__init__(problem)
        self.problem = problem
        self.found = found
        self.expected = expected
        self.advice = advice

    def __str__(self):
        rows = [
            ('found:   ', self.found),
            ('expected:', self.expected),
            ('to do:   ', self.advice),
        ]
        return '\n'.join([self.problem, *(f'  {label} {text}' for label, text in rows if text)])

    def __reduce__(self):
        # Execution plugins pickle errors between processes; keyword-only
        # arguments are lost by the default protocol.
        fields = {'found': self.found, 'expected': self.expected, 'advice': self.advice}
        return _rebuild, (type(self), self.problem, fields)


def _rebuild(cls, problem, fields):
    return cls(problem, **fields)


class InputError(NistatsNipypeError, ValueError):
    """An input cannot be used."""


class GridError(InputError):
    """Images do not share one grid (shape and affine)."""


class MaskError(InputError):
    """A mask is empty or does not fit."""


class MissingDataError(InputError):
    """Values are missing where the chosen policy does not allow it."""


class DesignError(InputError):
    """A design matrix or participants table cannot be used."""


class ContrastError(DesignError):
    """A contrast is malformed or not estimable."""


class ScheduleError(InputError):
    """A schedule of relabellings cannot be drawn or used."""


class DatasetError(NistatsNipypeError):
    """A data set cannot be provided."""


class OutputError(NistatsNipypeError):
    """An output could not be written."""


class JobError(NistatsNipypeError):
    """A job ended without a result: it was killed, cancelled or lost."""


class SchedulerError(NistatsNipypeError):
    """A batch scheduler refused a request or did not answer."""


class NistatsNipypeWarning(UserWarning):
    """Something was done that the user should know of."""
