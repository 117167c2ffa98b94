"""What a page did wrong while a test used it: errors, and what its policy had to stop."""

import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page

# The policy's own report, which says more than the console does.
_REPORT = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} stopped ${event.blockedURI} ` +
    `at ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
});
"""
_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@dataclass
class Watch:
    """Collects the problems of every page of a context; `expected` are patterns of those that a
    test provokes.
    """

    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        context.add_init_script(_REPORT)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._add(f"uncaught: {error.error}"))

    def expect(self, *patterns: str) -> None:
        self.expected.extend(patterns)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            where = message.location.get("url", "")
            self._add(f"{message.type}: {message.text} ({where})")

    def _add(self, problem: str) -> None:
        if not any(re.search(pattern, problem) for pattern in self.expected):
            self.problems.append(problem)


def accessibility_findings(page: Page) -> list[str]:
    """What axe finds on the page as it stands, a line each."""
    page.evaluate(_AXE)
    found = page.evaluate('axe.run({resultTypes: ["violations"]})')["violations"]
    return [
        f"{finding['id']} ({finding['impact']}): {node['target']} {node['html'][:160]}"
        f" {_why(node)}"
        for finding in found
        for node in finding["nodes"]
    ]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
