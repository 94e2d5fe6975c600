"""What the commands of this folder do with what goes wrong: exit codes as those of whale_jax.main."""

import sys
from collections.abc import Callable

from whale_jax.runtime import errors, preemption


def run(name: str, main: Callable[[], int]) -> None:
    """Ends the process with the code of `main`; what a person can mend is a message and the code 2."""
    try:
        sys.exit(main())
    except errors.InputError as error:
        print(f"\nlaunch.{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except errors.PreemptedError:
        sys.exit(preemption.EXIT)
