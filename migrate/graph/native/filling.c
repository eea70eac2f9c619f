/* The filling of lists, sets, dictionaries and instances whose elements are made.
 *
 * It must not know how objects are made. */
#include "records.h"

static int
fill_list(Records *self, size_t number, PyObject *list)
{
    if (PyList_GET_SIZE(list))
        return SLOW;
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX);
    if (values == NULL)
        return FAILED;
    Py_ssize_t count = PyList_GET_SIZE(values);
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyList_GET_ITEM(values, i) == self->missing) {
            Py_DECREF(values);
            return SLOW;
        }
    int failed = PyList_SetSlice(list, 0, 0, values);
    Py_DECREF(values);
    return failed ? FAILED : FILLED;
}

/* Whether hashing and comparing an object looks at what is in it. */
static int
looks(Records *self, const unsigned char *whole, uint64_t number)
{
    if (whole[number])
        return 0;
    PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(self->made, (Py_ssize_t)number));
    return PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing ||
        type->tp_hash != PyBaseObject_Type.tp_hash ||
        type->tp_richcompare != PyBaseObject_Type.tp_richcompare;
}

/* What has to be known of a key before it is hashed. */
static int
check_key(Records *self, const unsigned char *whole, const unsigned char *at)
{
    Token token = token_of(at);
    if (token.type != UNSIGNED && token.type != SIGNED)
        return FILLED;
    if (token.value >= self->count)
        return wrong("a key refers to what is not there");
    if (looks(self, whole, token.value))
        return HASHING;
    PyObject *key = PyList_GET_ITEM(self->made, (Py_ssize_t)token.value);
    if (self->flags[token.value] & TOWER || PyTuple_CheckExact(key) ||
        PyFrozenSet_CheckExact(key))
        return SLOW;
    return FILLED;
}

/* Whether all keys may be hashed at once. */
static int
check_keys(Records *self, size_t number, const unsigned char *whole, int step)
{
    Elements elements;
    const unsigned char *at;
    int found = FILLED, place = 0;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    for (; (at = next_element(self, &elements)) != NULL; place++) {
        if (place % step)
            continue;
        int one = check_key(self, whole, at);
        if (one == FAILED || one == HASHING)
            return one;
        if (one == SLOW)
            found = SLOW;
    }
    return place % step ? SLOW : found;
}

static int
fill_keyed(Records *self, size_t number, PyObject *object, const unsigned char *whole)
{
    int step = PyDict_CheckExact(object) ? 2 : 1;
    Elements elements;
    const unsigned char *at;
    Py_ssize_t count = 0;
    int found = check_keys(self, number, whole, step);
    if (found != FILLED)
        return found;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    while ((at = next_element(self, &elements)) != NULL) {
        PyObject *key = value_of(self, at), *value = NULL;
        if (key == NULL)
            return FAILED;
        if (step == 2) {
            value = value_of(self, next_element(self, &elements));
            if (value == NULL || value == self->missing) {
                Py_DECREF(key);
                Py_XDECREF(value);
                return value == NULL ? FAILED : SLOW;
            }
        }
        int failed = step == 2 ? PyDict_SetItem(object, key, value)
                               : PySet_Add(object, key);
        Py_DECREF(key);
        Py_XDECREF(value);
        if (failed)
            return FAILED;
        count++;
    }
    /* Keys that are equal here are reported where the other errors are. */
    Py_ssize_t size = step == 2 ? PyDict_GET_SIZE(object) : PySet_GET_SIZE(object);
    return size == count ? FILLED : SLOW;
}

/* Whether all that a record refers to is made. */
int
is_ready(Records *self, size_t number)
{
    Elements elements;
    Token token;
    if (elements_of(self, number, &elements) < 0)
        return -1;
    while (next_token(self, &elements, &token) != NULL) {
        if (token.type != UNSIGNED && token.type != SIGNED)
            continue;
        if (token.value >= self->count) {
            if (self->final)
                return wrong("a record refers to what is not there");
            return 0;
        }
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)token.value) == self->missing)
            return 0;
    }
    return 1;
}

/* Set attributes, and give the rest of the elements to the adapter, if there is one. */
int
fill_attributes(Records *self, size_t number, Kind *kind, PyObject *object)
{
    Elements elements;
    Token token;
    const unsigned char *at;
    Py_ssize_t count = PyTuple_GET_SIZE(kind->names);
    Py_ssize_t all = count_elements(self, number);
    if (all < 0)
        return FAILED;
    int ready = all == count ? is_ready(self, number) : 0;
    if (ready < 1)
        return ready < 0 ? FAILED : SLOW;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    for (Py_ssize_t i = 0; i < count - kind->extras; i++) {
        at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            return FAILED;
        /* No class attribute of these names has a say: see migrate.graph.kinds. */
        int failed = PyObject_GenericSetAttr(
            object, PyTuple_GET_ITEM(kind->names, i), value);
        Py_DECREF(value);
        if (failed)
            return FAILED;
    }
    if (kind->restorer == NULL)
        return FILLED;
    PyObject *values = PyTuple_New(kind->extras);
    for (Py_ssize_t i = 0; values != NULL && i < kind->extras; i++) {
        at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyTuple_SET_ITEM(values, i, value);
    }
    if (values == NULL)
        return FAILED;
    PyObject *parts[] = {object, values, self->loading};
    PyObject *none = PyObject_Vectorcall(kind->restorer, parts, 3, NULL);
    Py_DECREF(values);
    Py_XDECREF(none);
    return none == NULL ? FAILED : FILLED;
}

int
fill_one(Records *self, size_t number, unsigned char *whole)
{
    PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    Kind *kind = kind_of(self, number);
    if (kind != NULL)
        return kind->way == SWIFT ? fill_attributes(self, number, kind, object) : SLOW;
    switch (head_of(self, number)) {
    case LIST:
        return fill_list(self, number, object);
    case SET:
    case DICT:
        return fill_keyed(self, number, object, whole);
    default:
        return SLOW;
    }
}

PyObject *
records_fill(Records *self, PyObject *args)
{
    PyObject *wholes, *filleds;
    if (!PyArg_ParseTuple(args, "OO", &wholes, &filleds))
        return NULL;
    unsigned char *whole = marks_of(self, wholes), *filled = marks_of(self, filleds);
    if (whole == NULL || filled == NULL)
        return NULL;
    PyObject *rest = PyList_New(0), *looking = PyList_New(0);
    PyObject *hashing = PyList_New(0), *slow = PyList_New(0);
    if (rest == NULL || looking == NULL || hashing == NULL || slow == NULL)
        goto error;
    for (size_t number = 0; number < self->count; number++) {
        Kind *kind = kind_of(self, number);
        PyObject *into = NULL;
        if (self->flags[number] & FULL) {
            filled[number] = 1;
            continue;
        }
        if (!is_filled(self, number) || (kind != NULL && kind->filler == NULL))
            continue;
        if (kind != NULL && (kind->way == ADAPTED || kind->way == DIRECT)) {
            if (kind->whole && append_number(looking, number) < 0)
                goto error;
            into = rest;
        }
        else {
            if (turn(self, number) < 0)
                goto error;
            switch (fill_one(self, number, whole)) {
            case FILLED:
                filled[number] = 1;
                continue;
            case HASHING:
                into = hashing;
                break;
            case SLOW:
                into = slow;
                break;
            default:
                goto error;
            }
        }
        if (append_number(into, number) < 0)
            goto error;
    }
    return Py_BuildValue("(NNNN)", rest, looking, hashing, slow);
error:
    Py_XDECREF(rest);
    Py_XDECREF(looking);
    Py_XDECREF(hashing);
    Py_XDECREF(slow);
    return NULL;
}
