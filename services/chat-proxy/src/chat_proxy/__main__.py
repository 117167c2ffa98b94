"""`python -m chat_proxy` runs the service, `python -m chat_proxy relay` the model relay."""

import sys

from chat_proxy import main as service
from chat_proxy.relay import main as relay

PROGRAMS = {"serve": service.main, "relay": relay.main}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "serve"
    if name not in PROGRAMS:
        sys.exit(f"usage: python -m chat_proxy [{' | '.join(PROGRAMS)}]")
    PROGRAMS[name]()


if __name__ == "__main__":
    main()
