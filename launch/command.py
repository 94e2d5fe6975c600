"""What the commands of this folder have in common: errors as messages, and the exit codes of whale_jax.main."""

import sys
from collections.abc import Callable

from whale_jax.runtime import errors, preemption


def run(name: str, main: Callable[[], int]) -> None:
    """Ends the process with the code of `main`. An error that a person can mend is a message and the code 2."""
    try:
        sys.exit(main())
    except errors.InputError as error:
        print(f"\nlaunch.{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except errors.PreemptedError:
        sys.exit(preemption.EXIT)
