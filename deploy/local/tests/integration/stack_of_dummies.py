"""A stack of small processes, run by the tests as a program of its own."""

import sys

from local_platform.stack.cli import main
from local_platform.stack.processes import SERVICES, Context, Process

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *_): pass
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CHILDREN = "import subprocess, sys; subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
DIES = "import sys; print('I cannot go on', flush=True); sys.exit(3)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def process(context: Context, name: str, code: str = SERVER) -> Process:
    port = context.ports[name]
    command = (sys.executable, "-c", code, str(port))
    return Process(name, command, SERVICES, port, "/readyz", stop_s=2)


def table(context: Context) -> list[Process]:
    """What `DUMMY_STACK` names, besides a gateway and keys with a child of its own."""
    wanted = context.operator.get("DUMMY_STACK", "")
    processes = [process(context, "gateway"), process(context, "keys", CHILDREN + SERVER)]
    if wanted == "dies":
        processes.append(process(context, "relay", DIES))
    if wanted == "stubborn":
        processes.append(process(context, "relay", STUBBORN + SERVER))
    if wanted == "unprepared":
        fails = (sys.executable, "-c", DIES)
        processes.append(Process("relay", ("true",), SERVICES, prepare=fails))
    return processes


if __name__ == "__main__":
    sys.exit(main(table=table))
