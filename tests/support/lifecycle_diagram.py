"""
The diagram of `docs/explanation/lifecycle.md`, drawn from the table.

Run it to draw the page's diagram anew: `python -m tests.support.lifecycle_diagram`.
"""

from __future__ import annotations

import re

from provisioning.lifecycle import TRANSITIONS, State
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "explanation" / "lifecycle.md"
BLOCK = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def diagram() -> str:
    """All arrows as a Mermaid state diagram; between the same two states one stands for all events."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.QUEUED}: accepted"]
    for start in State:
        for end in State:
            events = [event for (s, event), to in TRANSITIONS.items() if (s, to) == (start, end)]
            if events:
                lines.append(f"    {start} --> {end}: {', '.join(events)}")
    return "\n".join([*lines, f"    {State.SUCCEEDED} --> [*]", "```"])


def main() -> None:
    """Writes the diagram into its page."""
    PAGE.write_text(BLOCK.sub(lambda _: diagram(), PAGE.read_text(), count=1))


if __name__ == "__main__":
    main()
