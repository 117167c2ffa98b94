"""`python -m local_platform.stack up | down | status | logs | token --user NAME`"""

import sys

OLDEST = (3, 11)

if __name__ == "__main__":
    if sys.version_info < OLDEST:
        sys.exit("Python 3.11 or newer is needed; this is Python " + sys.version.split()[0] + ".")
    try:
        from local_platform.stack.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
