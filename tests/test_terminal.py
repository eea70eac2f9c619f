"""
Tests for the example's terminal.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from examples.telnet_shell.terminal import Screen


class ScreenTests(SynchronousTestCase):
    """
    L{Screen} shows what a terminal would.
    """

    def shown(self, *pieces: bytes) -> list[str]:
        """
        @return: all lines, the cursor's last.
        """
        screen = Screen()
        for piece in pieces:
            screen.feed(piece)
        return [*screen.lines, screen.current]

    def test_lines(self) -> None:
        """
        Line ends of any kind make one line.
        """
        self.assertEqual(self.shown(b"a\r\nb\r\r\r\nc"), ["a", "b", "c"])

    def test_redrawn(self) -> None:
        """
        A line that is erased and drawn again, in colours, is that line.
        """
        drawn = b">>> x\x1b[2K\x1b[5D>>> \x1b[1;33mx\x1b[0m"
        self.assertEqual(self.shown(drawn), [">>> x"])

    def test_pieces(self) -> None:
        """
        It does not matter where the bytes were cut.
        """
        drawn = "é>>> x\x1b[2K\x1b[6D>>> \x1b[1;33my\x1b[0m\r\n!".encode()
        whole = self.shown(drawn)
        self.assertEqual(whole, [">>> y", "!"])
        pieces = [drawn[place : place + 1] for place in range(len(drawn))]
        self.assertEqual(self.shown(*pieces), whole)

    def test_inserting(self) -> None:
        """
        In insert mode, what is to the right of the cursor moves.
        """
        self.assertEqual(self.shown(b"ac\x1b[Db"), ["ab"])
        self.assertEqual(self.shown(b"\x1b[4hac\x1b[Db"), ["abc"])
        self.assertEqual(self.shown(b"\x1b[4hac\x1b[D\x1b[4lb"), ["ab"])

    def test_deleting(self) -> None:
        """
        Characters are deleted at the cursor, and up to the line's end.
        """
        self.assertEqual(self.shown(b"abc\x1b[2D\x1b[P"), ["ac"])
        self.assertEqual(self.shown(b"abc\x1b[2D\x1b[K"), ["a"])

    def test_right(self) -> None:
        """
        The cursor passes over blanks.
        """
        self.assertEqual(self.shown(b"a\x1b[2Cb"), ["a  b"])

    def test_reset(self) -> None:
        """
        What a reset would clear stays readable.
        """
        self.assertEqual(self.shown(b"\x1bcPassword: \x1bc>>> "), ["Password:", ">>> "])
