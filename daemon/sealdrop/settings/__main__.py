"""Print the JSON schema: ``python -m sealdrop.settings > config/sealdrop.schema.json``."""

from __future__ import annotations

import sys

from sealdrop.core import codec
from sealdrop.settings.views import schema

if __name__ == "__main__":
    sys.stdout.buffer.write(codec.pretty(schema()))
