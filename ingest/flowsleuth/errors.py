"""The two kinds of trouble that a user may see.

A user's mistake or a failed environment is one line which names the place, the value and the
remedy: raise one of these, and the command line prints it and exits. Everything else that is
raised is a bug and gets a traceback in the log. Bytes off the wire never raise: they are counted.
"""


class FlowSleuthError(Exception):
    """Something that the user can mend; its text is the one line to print. Exit status 1."""


class ConfigError(FlowSleuthError):
    """A wrong configuration: names the file, the path in it, the value and what is allowed."""


class InputError(FlowSleuthError):
    """An input file that is missing, truncated or no capture."""


class ServiceError(FlowSleuthError):
    """A service (InfluxDB, Grafana) that is away or refuses; says what to do."""
