"""What a command prints, in this process and in UTF-8, which is no terminal."""

from click.testing import CliRunner


def printed(command, *arguments, status=0, **more):
    """Return the text on stdout; raises what the command raises."""
    ran = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, **more)
    assert ran.exit_code == status, ran.output
    return ran.stdout
