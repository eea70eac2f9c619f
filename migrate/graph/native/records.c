/* Records that have come: where each is, and what is in it.
 *
 * It must not know how an object is made of one. */
#include "records.h"

static int
reserve_rows(Records *self, size_t count)
{
    if (count <= self->room)
        return 0;
    size_t room = self->room ? self->room : 1024;
    while (room < count)
        room += room / 2;
    const unsigned char **rows = PyMem_Realloc(self->rows, room * sizeof *rows);
    if (rows == NULL)
        goto error;
    self->rows = rows;
    unsigned char *flags = PyMem_Realloc(self->flags, room);
    if (flags == NULL)
        goto error;
    self->flags = flags;
    unsigned char *whole = PyMem_Realloc(self->whole, room);
    if (whole == NULL)
        goto error;
    self->whole = whole;
    self->room = room;
    return 0;
error:
    PyErr_NoMemory();
    return -1;
}

/* Have room for records up to a number. */
static int
reach(Records *self, size_t number)
{
    if (number < self->count)
        return 0;
    if (reserve_rows(self, number + 1) < 0)
        return -1;
    while (self->count <= number) {
        if (PyList_Append(self->made, self->missing) < 0)
            return -1;
        self->rows[self->count] = NULL;
        self->flags[self->count] = 0;
        self->whole[self->count++] = 0;
    }
    return 0;
}

int
keep_made(Records *self, size_t number, PyObject *object)
{
    if (object == NULL)
        return -1;
    PyObject *before = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    PyList_SET_ITEM(self->made, (Py_ssize_t)number, object);
    Py_DECREF(before);
    return 0;
}

/* What stands for the object of a record until it is filled; a new reference. */
static PyObject *
blank_of(Records *self, uint64_t head)
{
    switch (head) {
    case LIST:
    case RAW_LIST:
        return PyList_New(0);
    case SET:
    case RAW_SET:
        return PySet_New(NULL);
    case DICT:
    case RAW_DICT:
        return PyDict_New();
    }
    if (head >= FIRST) {
        Kind *kind = &self->kinds[head - FIRST];
        if (kind->way == SWIFT || kind->way == DIRECT)
            return PyBaseObject_Type.tp_new(kind->cls, empty_tuple, NULL);
        if (kind->blank != NULL)
            return PyObject_CallNoArgs(kind->blank);
    }
    Py_INCREF(self->missing);
    return self->missing;
}

int
keep_row(Records *self, const unsigned char *at, uint64_t head, uint64_t elements)
{
    size_t number = self->next;
    if (reach(self, number) < 0)
        return -1;
    if (self->rows[number] != NULL)
        return wrong("there are two records of one number");
    self->next++;
    if (keep_made(self, number, blank_of(self, head)) < 0)
        return -1;
    self->rows[number] = at;
    self->come++;
    if (head > WEAK && head != BLOB)
        self->taken++;
    return elements < LONG ? await(self, number) : 0;
}

static int
reserve_extension(Records *self)
{
    Extension *all = grown(self->extensions, self->extension_count,
                           &self->extension_room, 64, sizeof *all);
    if (all == NULL)
        return -1;
    self->extensions = all;
    return 0;
}

/* The list of the extensions of a record; a new reference. */
static PyObject *
extensions_of(Records *self, size_t number)
{
    PyObject *key = PyLong_FromSize_t(number);
    if (key == NULL)
        return NULL;
    PyObject *places = PyDict_GetItemWithError(self->extended, key);
    Py_XINCREF(places);
    if (places == NULL && !PyErr_Occurred()) {
        places = PyList_New(0);
        if (places != NULL && PyDict_SetItem(self->extended, key, places) < 0)
            Py_CLEAR(places);
    }
    Py_DECREF(key);
    return places;
}

int
extend_row(Records *self, size_t number, const unsigned char *at, uint64_t count)
{
    if (reserve_extension(self) < 0)
        return -1;
    self->extensions[self->extension_count] = (Extension){at, (uint32_t)count};
    PyObject *places = extensions_of(self, number);
    int failed = places == NULL || append_number(places, self->extension_count) < 0;
    Py_XDECREF(places);
    if (failed)
        return -1;
    self->extension_count++;
    self->flags[number] |= EXTENDED;
    self->flags[number] &= ~FULL;
    return 0;
}

int
elements_of(Records *self, size_t number, Elements *elements)
{
    const unsigned char *at = self->rows[number];
    Token token = token_of(at);
    elements->at = skip(at + token.head);
    elements->left = token.value - 1;
    elements->more = NULL;
    elements->next = 0;
    if (!(self->flags[number] & EXTENDED))
        return 0;
    PyObject *key = PyLong_FromSize_t(number);
    if (key == NULL)
        return -1;
    elements->more = PyDict_GetItemWithError(self->extended, key);
    Py_DECREF(key);
    return elements->more == NULL && PyErr_Occurred() ? -1 : 0;
}

/* Go on to the next extension, if there is one. */
int
next_extension(Records *self, Elements *elements)
{
    while (!elements->left) {
        if (elements->more == NULL ||
            elements->next == PyList_GET_SIZE(elements->more))
            return 0;
        PyObject *place = PyList_GET_ITEM(elements->more, elements->next++);
        Extension *extension = &self->extensions[PyLong_AsSize_t(place)];
        elements->at = extension->at;
        elements->left = extension->count;
    }
    return 1;
}

Py_ssize_t
count_elements(Records *self, size_t number)
{
    Elements elements;
    if (elements_of(self, number, &elements) < 0)
        return -1;
    uint64_t count = elements.left;
    if (elements.more != NULL)
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(elements.more); i++) {
            PyObject *place = PyList_GET_ITEM(elements.more, i);
            count += self->extensions[PyLong_AsSize_t(place)].count;
        }
    return (Py_ssize_t)count;
}

/* All elements, or the first few, as the objects that they are. */
PyObject *
values_of(Records *self, size_t number, Py_ssize_t limit)
{
    Py_ssize_t count = count_elements(self, number);
    Elements elements;
    if (count < 0 || elements_of(self, number, &elements) < 0)
        return NULL;
    if (count > limit)
        count = limit;
    PyObject *values = PyList_New(count);
    for (Py_ssize_t i = 0; values != NULL && i < count; i++) {
        Token token;
        const unsigned char *at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyList_SET_ITEM(values, i, value);
    }
    return values;
}

int
turn(Records *self, size_t number)
{
    PyObject *now = PyLong_FromSize_t(number);
    int failed = now == NULL || PyObject_SetAttr(self->loading, str_number, now) < 0;
    Py_XDECREF(now);
    return failed ? -1 : 0;
}

/* Something went wrong with a record, which is to be known; -1. */
int
blame(Records *self, size_t number)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (turn(self, number) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return -1;
}

/* A bytearray with a byte for each record. */
unsigned char *
marks_of(Records *self, PyObject *array)
{
    if (!PyByteArray_Check(array) ||
        (size_t)PyByteArray_GET_SIZE(array) != self->count) {
        PyErr_SetString(PyExc_TypeError, "marks are a bytearray, one for each record");
        return NULL;
    }
    return (unsigned char *)PyByteArray_AS_STRING(array);
}

int
append_number(PyObject *list, size_t number)
{
    PyObject *item = PyLong_FromSize_t(number);
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}
