"""The end of a pipe from another process, read without ever waiting for it."""

from __future__ import annotations

import os

CHUNK = 2**16


class Pipe:
    """The end of a pipe that the campaign reads, without ever waiting for it."""

    def __init__(self) -> None:
        self.handle, self.theirs = os.pipe()
        os.set_blocking(self.handle, False)
        self.open = True

    def read(self) -> bytes:
        """What is there now, a chunk at most; `open` says whether more can come."""
        if not self.open:
            return b""
        try:
            data = os.read(self.handle, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self.close()
        return data

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            os.close(self.handle)

    def hand_over(self) -> None:
        """Close the other end here, after a child has it."""
        os.close(self.theirs)
