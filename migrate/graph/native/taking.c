/* The taking of a chunk: it is checked, and each record gets to where it belongs.
 *
 * It must not know when objects are made. */
#include "records.h"

static int
take_shape(Records *self, const unsigned char *record)
{
    PyObject *list = literal(record);
    if (list == NULL)
        return -1;
    PyObject *kind = PyObject_CallOneArg(self->shape_came, list);
    Py_DECREF(list);
    if (kind == NULL)
        return -1;
    int failed = keep_kind(self, kind);
    Py_DECREF(kind);
    return failed;
}

/* A record that describes no object. */
static int
take_control(Records *self, const unsigned char *record, const unsigned char *at,
             uint64_t head, uint64_t count)
{
    Token token = count ? token_of(at) : (Token){NIL, 0, 0};
    int number = token.type == UNSIGNED || token.type == SIGNED;
    switch (head) {
    case MORE:
        if (!self->next || self->next > self->count ||
            self->rows[self->next - 1] == NULL)
            break;
        return extend_row(self, self->next - 1, at, count);
    case AT:
        if (count != 1 || !number || token.value > self->elements ||
            token.value >= UINT32_MAX ||
            (token.value < self->count && self->rows[token.value] != NULL))
            break;
        self->next = (size_t)token.value;
        return 0;
    case LATER:
        if (count < 2 || !number || token.value >= self->count ||
            self->rows[token.value] == NULL)
            break;
        return extend_row(self, (size_t)token.value, skip(at), count - 1);
    case SHAPE:
        return take_shape(self, record);
    case PART:
    case SPENT:
        return take_part(self, at, head, count);
    case END:
        if (count != 1 || !number || token.value != self->count ||
            self->come != self->count)
            break;
        self->complete = 1;
        return 0;
    }
    PyErr_Format(malformed, "a record begins with %llu", (unsigned long long)head);
    return -1;
}

static int
take_record(Records *self, Cursor *cursor)
{
    const unsigned char *record = cursor->at;
    Token array, head;
    if (read_token(cursor, &array) < 0)
        return -1;
    if (array.type != ARRAY || !array.value || array.value > UINT32_MAX)
        return wrong("a chunk holds no records: one is no list");
    if (read_token(cursor, &head) < 0)
        return -1;
    if (head.type != UNSIGNED)
        return wrong("a record begins with something else than its head");
    const unsigned char *elements = cursor->at;
    if (check_elements(cursor, array.value - 1) < 0)
        return -1;
    if (self->complete)
        return wrong("records come after the last");
    self->elements += array.value;
    if ((head.value >= TEXT && head.value <= RAW_DICT) || head.value == BLOB ||
        head.value == DEQUE ||
        (head.value >= FIRST && head.value - FIRST < self->kind_count))
        return keep_row(self, record, head.value, array.value - 1);
    return take_control(self, record, elements, head.value, array.value - 1);
}

PyObject *
records_take(Records *self, PyObject *chunk)
{
    if (!PyBytes_Check(chunk)) {
        PyErr_SetString(PyExc_TypeError, "a chunk is bytes");
        return NULL;
    }
    if (PyList_Append(self->chunks, chunk) < 0)
        return NULL;
    Cursor cursor = {(const unsigned char *)PyBytes_AS_STRING(chunk), NULL};
    cursor.end = cursor.at + PyBytes_GET_SIZE(chunk);
    Token array;
    if (read_token(&cursor, &array) < 0)
        return NULL;
    if (array.type != ARRAY) {
        wrong("a chunk holds no records: it is no list");
        return NULL;
    }
    for (uint64_t left = array.value; left; left--)
        if (take_record(self, &cursor) < 0)
            return NULL;
    if (cursor.at != cursor.end) {
        wrong("a chunk holds no records: something comes behind them");
        return NULL;
    }
    if (progress(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}
