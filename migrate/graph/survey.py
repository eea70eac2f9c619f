"""
What a capture would move, in numbers that an operator can read: how much of
what, and how much room it takes.

A survey travels: to a recipient that is to know what it is about to get, and to
whoever asked.  So it has a bounded form that is made of nothing but what JSON
has, and what comes in that form is held to the bounds.

It must not know how a graph travels, nor do anything to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import attrs
import msgspec

from migrate.errors import Refusal, RemoteProtocolError
from migrate.graph import records as r

ROWS = 100
"""
Rows that travel; those with fewer bytes are summed up.
"""

REFUSALS = 100
"""
Refusals that travel; of further ones only the number does.
"""

LONGEST = 1024
"""
Characters of a name, a path, a reason or a remedy that travel; a longer one
loses its middle.
"""

SHOWN = 20
"""
Rows of a table for a terminal.
"""

_Text = Annotated[str, msgspec.Meta(max_length=LONGEST)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]


@attrs.frozen
class Row:
    """
    The objects of one class.

    @ivar name: the dotted name of the class; without a module for those of
        Python itself.
    @ivar count: how many of them move.
    @ivar bytes: the size of what is written for them.
    """

    name: _Text
    count: _Count
    bytes: _Count


@attrs.frozen
class Others:
    """
    The rows that were left out, summed up.

    @ivar classes: how many rows.
    @ivar count: how many objects.
    @ivar bytes: the size of what is written for these.
    """

    classes: _Count = 0
    count: _Count = 0
    bytes: _Count = 0


@attrs.frozen(kw_only=True)
class Survey:
    """
    What would move.

    Sizes are those of the records of a flat table, whatever the serializer: a
    pickle of the same graph is about as long.  Long text, bytes and integers,
    and descriptors, count for the object that was the first to mention them.
    Names of classes, functions and modules, and what objects that look alike
    have in common, are written once for all, and are part of L{bytes} alone.

    @ivar objects: how many objects move.
    @ivar bytes: the size of all records.
    @ivar descriptors: how many descriptors move.
    @ivar connections: how many of the objects are established connections.
    @ivar ports: how many of them are sockets that listen, or take datagrams.
    @ivar timers: how many of them are calls that are still to happen.
    @ivar rows: the objects by class, most bytes first.
    @ivar others: those that C{rows} leaves out.
    @ivar refusals: what cannot move, in the order in which the walk met it;
        nothing moves unless this is empty.
    @ivar furtherRefusals: how many that C{refusals} leaves out.
    """

    objects: int
    bytes: int
    descriptors: int
    connections: int = 0
    ports: int = 0
    timers: int = 0
    rows: tuple[Row, ...] = ()
    others: Others = Others()
    refusals: tuple[Refusal, ...] = ()
    furtherRefusals: int = 0

    def abridged(self, rows: int = ROWS, refused: int = REFUSALS) -> Survey:
        """
        @param rows: how many rows to keep.
        @param refused: how many refusals to keep.
        @return: this survey, the rest summed up.
        """
        rest = self.rows[rows:]
        return attrs.evolve(
            self,
            rows=self.rows[:rows],
            others=Others(
                self.others.classes + len(rest),
                self.others.count + sum(row.count for row in rest),
                self.others.bytes + sum(row.bytes for row in rest),
            ),
            refusals=self.refusals[:refused],
            furtherRefusals=self.furtherRefusals + len(self.refusals[refused:]),
        )

    def describe(self, rows: int = SHOWN) -> list[str]:
        """
        @param rows: how many classes to name.
        @return: lines for a terminal.  Nothing that a name holds can do
            anything to it.
        """
        short = self.abridged(rows)
        lines = [
            f"{_number(self.objects, 'object')}, "
            f"{_number(self.bytes, 'byte')} of records, "
            f"{_number(self.descriptors, 'descriptor')}",
            f"{_number(self.connections, 'connection')}, "
            f"{_number(self.ports, 'port')}, {_number(self.timers, 'timer')}",
            *_table(short.rows, short.others),
        ]
        for title, passing in (("cannot move:", False), ("will pass:", True)):
            found = [r for r in short.refusals if (r.over is not None) is passing]
            if found:
                lines.append(title)
                lines += [f"  {_printable(str(refusal))}" for refusal in found]
        if short.furtherRefusals:
            lines.append(f"  and {short.furtherRefusals} more")
        return lines

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: what JSON has a form for, and bounded.
        """
        found: dict[str, Any] = msgspec.to_builtins(_formOf(self.abridged()))
        return found

    @classmethod
    def fromDictionary(cls, found: Mapping[str, object]) -> Survey:
        """
        The inverse of L{asDictionary}.  Keys that are not known are passed over.

        Whether what was in the way has passed can be asked in its own process
        only; here it has not, for ever.

        @raise RemoteProtocolError: that is no survey, or one out of bounds.
        """
        try:
            form = msgspec.convert(dict(found), _Form, strict=True)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise RemoteProtocolError(f"what came is no survey: {error}") from error
        return _ofForm(form)


# How it is shown


def _number(count: int, what: str) -> str:
    """
    @return: a number of things, as one says it.
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _table(rows: Sequence[Row], others: Others) -> list[str]:
    """
    @return: the lines of an aligned table; none for no rows.
    """
    lines = [(str(row.count), str(row.bytes), _printable(row.name)) for row in rows]
    if others.classes:
        said = f"({others.classes} other class{'es' * (others.classes > 1)})"
        lines.append((str(others.count), str(others.bytes), said))
    if not lines:
        return []
    lines.insert(0, ("count", "bytes", "class"))
    first, second = (max(len(line[at]) for line in lines) for at in (0, 1))
    return [f"{a:>{first}}  {b:>{second}}  {c}" for a, b, c in lines]


def _printable(text: str) -> str:
    """
    @return: text of one line that a terminal takes for nothing else.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


# The form in which it travels


class _RefusalForm(msgspec.Struct):
    """
    See L{Refusal}.

    @ivar passes: whether it will be over by itself.
    """

    path: _Text
    reason: _Text
    remedy: _Text
    passes: bool


class _Form(msgspec.Struct):
    """
    See L{Survey}.
    """

    objects: _Count
    bytes: _Count
    descriptors: _Count
    connections: _Count
    ports: _Count
    timers: _Count
    rows: Annotated[list[Row], msgspec.Meta(max_length=ROWS)]
    others: Others
    refusals: Annotated[list[_RefusalForm], msgspec.Meta(max_length=REFUSALS)]
    furtherRefusals: _Count


def _formOf(survey: Survey) -> _Form:
    """
    @param survey: an abridged one.
    """
    fields = {field.name: getattr(survey, field.name) for field in attrs.fields(Survey)}
    fields["rows"] = [attrs.evolve(row, name=_cut(row.name)) for row in survey.rows]
    fields["refusals"] = [
        _RefusalForm(
            _cut(each.path),
            _cut(each.reason),
            _cut(each.remedy),
            each.over is not None,
        )
        for each in survey.refusals
    ]
    return _Form(**fields)


def _ofForm(form: _Form) -> Survey:
    """
    @return: what was said in that form.
    """
    fields = {field.name: getattr(form, field.name) for field in attrs.fields(Survey)}
    fields["rows"] = tuple(form.rows)
    fields["refusals"] = tuple(
        Refusal(each.path, each.reason, each.remedy, _never if each.passes else None)
        for each in form.refusals
    )
    return Survey(**fields)


def _never() -> bool:
    """
    Stands for a question that only another process could answer.
    """
    return False


def _cut(text: str) -> str:
    """
    @return: text that is not too long to travel.  Surrogates, which neither
        JSON nor MessagePack has, are written as escapes.
    """
    if not r.encodable(text):
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
