"""The child with one more door, whose faults the driver has to find."""

from __future__ import annotations

from tests.fuzz import child
from tests.fuzz.test_doors import faulty

if __name__ == "__main__":
    child.main({"faulty": faulty})
