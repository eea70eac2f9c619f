/* Large byte strings, whose parts come in files.
 *
 * It must not know who sent the files, nor what else is in them. */
#include "records.h"
#include <unistd.h>

/* A number that stands in a list. */
static int
boxed_number(const unsigned char **at, uint64_t *number)
{
    Token box = token_of(*at);
    if (box.type != ARRAY || box.value != 1)
        return wrong("a part of bytes is none");
    Token token = token_of(*at + box.head);
    if (token.type != UNSIGNED)
        return wrong("a part of bytes is none");
    *number = token.value;
    *at = skip(*at);
    return 0;
}

int
take_part(Records *self, const unsigned char *at, uint64_t head, uint64_t count)
{
    Part part = {0};
    if (head == SPENT) {
        if (count != 1)
            return wrong("a part of bytes is none");
        if (boxed_number(&at, &part.place) < 0)
            return -1;
    }
    else {
        Token token = count == 5 ? token_of(at) : (Token){NIL, 0, 0};
        if (token.type != UNSIGNED)
            return wrong("a part of bytes is none");
        part.number = token.value;
        at = skip_token(at, token);
        if (boxed_number(&at, &part.begin) < 0 || boxed_number(&at, &part.place) < 0 ||
            boxed_number(&at, &part.at) < 0 || boxed_number(&at, &part.length) < 0)
            return -1;
        if (!part.length)
            return wrong("a part of bytes is empty");
    }
    Part *parts =
        grown(self->parts, self->part_count, &self->part_room, 64, sizeof *parts);
    if (parts == NULL)
        return -1;
    self->parts = parts;
    self->parts[self->part_count++] = part;
    return 0;
}

/* Begin with a large byte string, of which the first part has come. */
static int
begin_blob(Records *self, Part *part)
{
    uint64_t length;
    if (part->number >= self->count || self->rows[part->number] == NULL ||
        head_of(self, part->number) != BLOB || part->begin ||
        !is_missing(self, part->number))
        return wrong("parts of what is no large byte string came");
    Elements elements;
    if (elements_of(self, part->number, &elements) < 0)
        return -1;
    if (elements.left != 1)
        return wrong("a large byte string has no length");
    const unsigned char *at = elements.at;
    if (boxed_number(&at, &length) < 0)
        return -1;
    if (length > PY_SSIZE_T_MAX)
        return wrong("a large byte string is too large");
    self->blob = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    self->blob_number = part->number;
    self->blob_filled = 0;
    return self->blob == NULL ? -1 : 0;
}

static int
read_part(Records *self, Part *part, int fileno)
{
    if (self->blob == NULL && begin_blob(self, part) < 0)
        return -1;
    uint64_t length = (uint64_t)PyBytes_GET_SIZE(self->blob);
    if (part->number != self->blob_number || part->begin != self->blob_filled ||
        part->length > length - self->blob_filled)
        return wrong("a part of bytes is not where it should be");
    char *into = PyBytes_AS_STRING(self->blob) + part->begin;
    for (uint64_t got = 0; got < part->length;) {
        ssize_t some = pread(fileno, into + got, part->length - got,
                             (off_t)(part->at + got));
        if (some <= 0)
            return wrong("a part of bytes cannot be read");
        got += (uint64_t)some;
    }
    self->blob_filled += part->length;
    if (self->blob_filled < length)
        return 0;
    PyObject *blob = self->blob;
    self->blob = NULL;
    self->whole[part->number] = 1;
    return keep_made(self, part->number, blob);
}

/* Read what has come in files. */
int
read_parts(Records *self)
{
    for (; self->part < self->part_count; self->part++) {
        Part *part = &self->parts[self->part];
        if (part->place >= (uint64_t)PyList_GET_SIZE(self->filenos)) {
            if (self->final)
                return wrong("a file with parts of bytes is missing");
            return 0;
        }
        if (!part->length) {
            PyObject *none =
                PyObject_CallMethod(self->loading, "spend", "K", part->place);
            Py_XDECREF(none);
            if (none == NULL)
                return -1;
            continue;
        }
        PyObject *fileno = PyList_GET_ITEM(self->filenos, (Py_ssize_t)part->place);
        if (read_part(self, part, (int)PyLong_AsLong(fileno)) < 0)
            return -1;
    }
    self->part = self->part_count = 0;
    return 0;
}
