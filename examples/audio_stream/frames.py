"""
The frames of MPEG audio, such as MP3, and for how long each of them plays.

It must not know who listens.
"""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

#: What one frame begins with: sync word, version, layer, bit rate, sampling rate.
HEADER = 4

#: Bit rates in kbit/s by their index, from 1 on (ISO 11172-3 and 13818-3).
_LAYER_I = (*range(32, 449, 32),)
_LAYER_II = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_III = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_LAYER_I = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_LOW_OTHERS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BIT_RATES = {
    (1, 1): _LAYER_I,
    (1, 2): _LAYER_II,
    (1, 3): _LAYER_III,
    (2, 1): _LOW_LAYER_I,
    (2, 2): _LOW_OTHERS,
    (2, 3): _LOW_OTHERS,
}

#: Samples per second by their index, in version 1.
_SAMPLING_RATES = (44100, 48000, 32000)

#: By the two bits of the version: which tables hold, and what the sampling rate is
#: divided by.  1 is reserved.
_VERSIONS = {0: (2, 4), 2: (2, 2), 3: (1, 1)}

#: What encoders put into a first frame that plays nothing.
_NOTES = (b"Xing", b"Info", b"VBRI")

#: How far into that frame they put it, at most, in bytes.
_NOTE_WITHIN = 40


class NoAudio(ValueError):
    """
    A file has no frame of MPEG audio in it.
    """


class Header(NamedTuple):
    """
    What a frame says of itself.

    @ivar bitRate: in bits a second.
    @ivar samplingRate: in samples a second.
    @ivar size: of the whole frame, in bytes.
    @ivar seconds: for how long it plays.
    """

    bitRate: int
    samplingRate: int
    size: int
    seconds: float


def parse(data: bytes) -> Header | None:
    """
    @param data: L{HEADER} bytes.
    @return: what they say, or L{None} if no frame begins with them.
    """
    if len(data) < HEADER or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version = _VERSIONS.get(data[1] >> 3 & 3)
    layer = 4 - (data[1] >> 1 & 3)
    rate, sampling = data[2] >> 4, data[2] >> 2 & 3
    # Bit rate 0 is one that the file does not tell; the others are reserved.
    if version is None or layer == 4 or rate in (0, 15) or sampling == 3:
        return None
    family, divisor = version
    bitRate = 1000 * _BIT_RATES[family, layer][rate - 1]
    samplingRate = _SAMPLING_RATES[sampling] // divisor
    samples, slot = _shape(family, layer)
    slots = samples * bitRate // (8 * slot * samplingRate) + (data[2] >> 1 & 1)
    return Header(bitRate, samplingRate, slot * slots, samples / samplingRate)


def _shape(family: int, layer: int) -> tuple[int, int]:
    """
    @return: how many samples a frame has, and of how many bytes it is a multiple.
    """
    if layer == 1:
        return 384, 4
    return (576 if (family, layer) == (2, 3) else 1152), 1


class Track:
    """
    An open file, played again and again.

    @ivar title: its name, without what tells its format.
    @ivar bitRate: that of its first frame, in bits a second.
    """

    def __init__(self, path: str) -> None:
        """
        @raise NoAudio: no frame is in the file.
        @raise OSError: it cannot be read.
        """
        self.title = os.path.splitext(os.path.basename(path))[0]
        self._path = path
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115
        frame, _ = self.next()
        first = parse(frame)
        assert first is not None
        self.bitRate = first.bitRate
        self._file.seek(0)

    def next(self) -> tuple[bytes, float]:
        """
        @return: one frame, and for how many seconds it plays.  The first one follows
            the last one.
        @raise NoAudio: there is none any more.
        """
        found = self._read()
        if found is None:
            self._file.seek(0)
            found = self._read()
        if found is None:
            raise NoAudio(f"{self._path} has no frame of MPEG audio in it")
        return found

    def close(self) -> None:
        """
        Play no more.
        """
        self._file.close()

    def _read(self) -> tuple[bytes, float] | None:
        """
        @return: as L{next}, or L{None} at the end of the file.
        """
        while True:
            first = self._file.tell() == 0
            if first:
                self._passTag()
            header = self._seek()
            if header is None:
                return None
            frame = self._file.read(header.size)
            # The last one may have been cut off.
            if len(frame) < header.size:
                return None
            if not (first and any(note in frame[:_NOTE_WITHIN] for note in _NOTES)):
                return frame, header.seconds

    def _passTag(self) -> None:
        """
        Go past what ID3 tells of the file: a picture may look like a frame.
        """
        tag = self._file.read(10)
        size = 0
        if tag[:3] == b"ID3" and len(tag) == 10:
            for digit in tag[6:]:
                size = size << 7 | digit & 0x7F
            size += 20 if tag[5] & 0x10 else 10
        self._file.seek(size)

    def _seek(self) -> Header | None:
        """
        Go to where the next frame begins.

        @return: its header, or L{None} at the end of the file.
        """
        data = self._file.read(HEADER)
        while len(data) == HEADER:
            header = parse(data)
            if header is not None:
                self._file.seek(-HEADER, os.SEEK_CUR)
                return header
            data = data[1:] + self._file.read(1)
        return None
