"""Where a campaign leaves what it measured: printed, and in the file that was asked for."""

import json
from collections.abc import Mapping
from pathlib import Path


def tell(told: Mapping[str, object], path: Path | None) -> None:
    """Print the figures of a campaign as JSON, and write them to `path` if there is one."""
    text = json.dumps(told, indent=1) + "\n"
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(text)
