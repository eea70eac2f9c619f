/* Chunks: records, one after the other, until there are enough bytes of them.
 *
 * The first ones are small, so that they can be made and filled at once, while the next
 * are written.
 *
 * It must not know what refers to what. */
#include "visits.h"

int
flush(Visits *self)
{
    if (!self->records)
        return 0;
    Buffer head = {0};
    if (write_array(&head, self->records) < 0)
        return -1;
    /* There is room for the longest before the first record. */
    size_t begin = 5 - head.length;
    memcpy(self->out.data + begin, head.data, head.length);
    buffer_clear(&head);
    PyObject *chunk = PyBytes_FromStringAndSize(
        (char *)self->out.data + begin, (Py_ssize_t)(self->out.length - begin));
    self->out.length = 0;
    self->records = 0;
    if (chunk == NULL)
        return -1;
    int failed = PyList_Append(self->chunks, chunk);
    Py_DECREF(chunk);
    return failed;
}

/* Make room for one record of some elements. */
int
open_record(Visits *self, Py_ssize_t elements)
{
    if (self->out.length >= self->full) {
        if (flush(self) < 0)
            return -1;
        if (self->full < CHUNK_BYTES)
            self->full *= 2;
    }
    if (!self->records) {
        if (buffer_reserve(&self->out, 5) < 0)
            return -1;
        self->out.length = 5;
    }
    self->records++;
    return write_array(&self->out, (size_t)elements);
}

int
write_record(Visits *self, PyObject *record)
{
    Py_ssize_t length = PyList_GET_SIZE(record) - 1, step = WIDTH;
    long head = PyLong_AsLong(PyList_GET_ITEM(record, 0));
    if (head == -1 && PyErr_Occurred())
        return -1;
    if ((head >= TEXT && head <= INT) || (head >= RAW_LIST && head <= RAW_FROZENSET))
        step = 1;
    else if (head == RAW_DICT)
        step = 2;
    Py_ssize_t at = 0;
    do {
        Py_ssize_t part = length - at < step ? length - at : step;
        if (open_record(self, part + 1) < 0 ||
            write_unsigned(&self->out, at ? MORE : (uint64_t)head) < 0)
            return -1;
        for (Py_ssize_t end = at + part; at < end; at++) {
            PyObject *element = PyList_GET_ITEM(record, at + 1);
            if (write_any(&self->out, element) < 0)
                return -1;
        }
    } while (at < length);
    return 0;
}

/* Write the shapes that a record with this head is the first to need. */
int
declare(Visits *self, uint32_t head)
{
    while (head >= FIRST + self->declared) {
        PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)self->declared);
        if (shape == NULL)
            return -1;
        PyObject *record = PyObject_CallMethodNoArgs(shape, str_record);
        if (record == NULL)
            return -1;
        int failed = write_record(self, record);
        Py_DECREF(record);
        if (failed < 0)
            return -1;
        self->declared++;
    }
    return 0;
}

/* Say which number the next record has, where that is not the next one. */
int
place_record(Visits *self)
{
    size_t expected = self->written;
    self->written = self->current + 1;
    if (self->current == expected)
        return 0;
    if (open_record(self, 2) < 0 || write_unsigned(&self->out, AT) < 0)
        return -1;
    return write_unsigned(&self->out, self->current);
}
