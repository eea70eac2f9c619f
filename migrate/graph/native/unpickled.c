/* A pickle becomes a chunk of records: see pickles.h.
 *
 * It must not know how a pickle is written. */
#include "pickles.h"

/* The longest head of an array. */
#define ARRAY_HEAD 5

/* What is on the stack of who reads a pickle. */
typedef struct {
    enum { ITEM, BEGIN, OPEN, CLOSED } type;
    size_t at;      /* for lists: where the head of the array is */
    uint64_t count; /* and of how many */
} Place;

typedef struct {
    Cursor cursor;
    Buffer out;
    Place *stack;
    size_t depth, room;
} Reading;

static int
push(Reading *self, int type, size_t at)
{
    Place *stack =
        grown(self->stack, self->depth, &self->room, 64, sizeof *stack);
    if (stack == NULL)
        return FAILED;
    self->stack = stack;
    self->stack[self->depth++] = (Place){type, at, 0};
    return DONE;
}

/* A list has got some more items, which are the last things that were written. */
static int
extend(Reading *self, uint64_t items)
{
    Place *list = &self->stack[self->depth - 1];
    if (list->type != OPEN || list->count + items > UINT32_MAX)
        return OTHER;
    list->count += items;
    Buffer *out = &self->out;
    unsigned char *head = out->data + list->at;
    if (list->count > 15) {
        *head = 0xdd;
        for (int at = 0; at < 4; at++)
            head[1 + at] = (unsigned char)(list->count >> 8 * (3 - at));
        return DONE;
    }
    /* Few: the head is short, and they move up to it. */
    list->type = CLOSED;
    *head = 0x90 | (unsigned char)list->count;
    memmove(head + 1, head + ARRAY_HEAD, out->length - list->at - ARRAY_HEAD);
    out->length -= ARRAY_HEAD - 1;
    return DONE;
}

/* What was there of a list that got nothing is an array of a head. */
static int
begin_list(Reading *self)
{
    Buffer *out = &self->out;
    if (push(self, OPEN, out->length) < 0 || buffer_reserve(out, ARRAY_HEAD) < 0)
        return FAILED;
    memcpy(out->data + out->length, "\xdd\0\0\0\0", ARRAY_HEAD);
    out->length += ARRAY_HEAD;
    return DONE;
}

static int
append(Reading *self)
{
    if (self->depth < 2 || self->stack[self->depth - 1].type == BEGIN)
        return OTHER;
    self->depth--;
    return extend(self, 1);
}

static int
append_all(Reading *self)
{
    size_t begin = self->depth;
    while (begin && self->stack[begin - 1].type != BEGIN)
        begin--;
    if (begin < 2)
        return OTHER;
    uint64_t items = self->depth - begin;
    self->depth = begin - 1;
    return extend(self, items);
}

/* Some bytes of the pickle, or NULL where they are not there. */
static const unsigned char *
get(Reading *self, size_t bytes)
{
    Cursor *cursor = &self->cursor;
    if ((size_t)(cursor->end - cursor->at) < bytes)
        return NULL;
    cursor->at += bytes;
    return cursor->at - bytes;
}

/* A number of some bytes, the lowest first. */
static int
get_number(Reading *self, size_t bytes, uint64_t *value)
{
    const unsigned char *at = get(self, bytes);
    if (at == NULL)
        return OTHER;
    *value = 0;
    for (size_t byte = bytes; byte--;)
        *value = *value << 8 | at[byte];
    return DONE;
}

/* The same with a sign. */
static int
get_signed(Reading *self, size_t bytes)
{
    uint64_t value = 0;
    if (bytes > 8 || get_number(self, bytes, &value))
        return OTHER;
    if (bytes && bytes < 8 && value >> (8 * bytes - 1))
        value |= ~(uint64_t)0 << 8 * bytes;
    return write_signed(&self->out, (int64_t)value);
}

static int
get_unsigned(Reading *self, size_t bytes)
{
    uint64_t value;
    return get_number(self, bytes, &value) ? OTHER : write_unsigned(&self->out, value);
}

static int
get_long(Reading *self)
{
    uint64_t bytes;
    return get_number(self, 1, &bytes) ? OTHER : get_signed(self, bytes);
}

static int
get_string(Reading *self, size_t bytes, int text)
{
    uint64_t length;
    if (get_number(self, bytes, &length))
        return OTHER;
    const unsigned char *content = get(self, length);
    if (content == NULL)
        return OTHER;
    if (text)
        return write_utf8(&self->out, (const char *)content, length);
    return write_bytes(&self->out, (const char *)content, length);
}

static int
get_float(Reading *self)
{
    const unsigned char *content = get(self, 8);
    if (content == NULL)
        return OTHER;
    Buffer *out = &self->out;
    if (buffer_reserve(out, 9) < 0)
        return FAILED;
    out->data[out->length++] = 0xcb;
    memcpy(out->data + out->length, content, 8);
    out->length += 8;
    return DONE;
}

static int
get_mark(Reading *self, unsigned char mark)
{
    if (buffer_reserve(&self->out, 1) < 0)
        return FAILED;
    self->out.data[self->out.length++] = mark;
    return DONE;
}

static int
get_protocol(Reading *self)
{
    uint64_t protocol;
    return get_number(self, 1, &protocol) || protocol > PROTOCOL ? OTHER : DONE;
}

/* What follows is read at once by those who read from a file. */
static int
get_frame(Reading *self)
{
    uint64_t length;
    if (get_number(self, 8, &length))
        return OTHER;
    return length > (uint64_t)(self->cursor.end - self->cursor.at) ? OTHER : DONE;
}

static int
get_atom(Reading *self, unsigned char op)
{
    switch (op) {
    case OP_NONE:
        return get_mark(self, 0xc0);
    case OP_FALSE:
        return get_mark(self, 0xc2);
    case OP_TRUE:
        return get_mark(self, 0xc3);
    case OP_FLOAT:
        return get_float(self);
    case OP_INT1:
        return get_unsigned(self, 1);
    case OP_INT2:
        return get_unsigned(self, 2);
    case OP_INT4:
        return get_signed(self, 4);
    case OP_LONG1:
        return get_long(self);
    case OP_SHORT_TEXT:
    case OP_TEXT:
        return get_string(self, op == OP_TEXT ? 4 : 1, 1);
    case OP_SHORT_BYTES:
    case OP_BYTES:
        return get_string(self, op == OP_BYTES ? 4 : 1, 0);
    default:
        return OTHER;
    }
}

static int
get_op(Reading *self, unsigned char op)
{
    switch (op) {
    case OP_PROTO:
        return get_protocol(self);
    case OP_FRAME:
        return get_frame(self);
    case OP_MEMOIZE:
        /* What would refer to it is left to plain code. */
        return self->depth ? DONE : OTHER;
    case OP_LIST:
        return begin_list(self);
    case OP_MARK:
        return push(self, BEGIN, 0);
    case OP_APPEND:
        return append(self);
    case OP_APPENDS:
        return append_all(self);
    default:
        if (push(self, ITEM, 0) < 0)
            return FAILED;
        return get_atom(self, op);
    }
}

static int
get_records(Reading *self)
{
    const unsigned char *op;
    while ((op = get(self, 1)) != NULL && *op != OP_STOP) {
        int went = get_op(self, *op);
        if (went)
            return went;
    }
    int whole = op != NULL && self->cursor.at == self->cursor.end && self->depth == 1 &&
        self->stack[0].type != BEGIN;
    return whole ? DONE : OTHER;
}

PyObject *
unpickled(PyObject *Py_UNUSED(module), PyObject *pickle)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(pickle, &data, &length) < 0)
        return NULL;
    Reading reading = {.cursor = {(unsigned char *)data, (unsigned char *)data + length}};
    int went = get_records(&reading);
    PyMem_Free(reading.stack);
    return result(went, &reading.out);
}
