"""The level of the rules by which a room changes.

Hosts of different versions apply the same log, and must come to the same room. A change of what an
input does, or a new kind of input, therefore needs a new level: raise `LEVEL`, keep the earlier
behaviour for a room with a lower level (`RoomState.level`), and record a log at the new level
(`python -m tests.cluster.recorder`). The room's level is raised by an entry of its log, as soon as
all its hosts can apply it.
"""

from __future__ import annotations

from typing import Final

LEVEL: Final = 1
"""The highest level that this version can apply, and that of a room on one host."""
FIRST_LEVEL: Final = 1
"""That of a new room on several hosts."""
