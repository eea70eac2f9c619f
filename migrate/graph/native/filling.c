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

static int
fill_deque(Records *self, size_t number, PyObject *deque)
{
    Py_ssize_t before = PyObject_Size(deque);
    if (before)
        return before < 0 ? FAILED : SLOW;
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX);
    if (values == NULL)
        return FAILED;
    PyObject *none = NULL;
    int found = SLOW;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++)
        if (PyList_GET_ITEM(values, i) == self->missing)
            goto done;
    /* How long it may be comes first. */
    found = FAILED;
    if (PyList_SetSlice(values, 0, 1, NULL) < 0)
        goto done;
    none = PyObject_CallMethodObjArgs(deque, str_extend, values, NULL);
    found = none == NULL ? FAILED : FILLED;
done:
    Py_XDECREF(none);
    Py_DECREF(values);
    return found;
}

/* Whether hashing and comparing an object looks at what is in it. */
static int
looks(Records *self, const unsigned char *whole, uint64_t number)
{
    if (whole[number])
        return 0;
    PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(self->made, (Py_ssize_t)number));
    return is_missing(self, number) ||
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

/* One key, and its value in a dictionary. */
static int
fill_key(Records *self, PyObject *object, Elements *elements, const unsigned char *at)
{
    PyObject *key = value_of(self, at);
    if (key == NULL)
        return FAILED;
    int found = FAILED;
    if (PyDict_CheckExact(object)) {
        PyObject *value = value_of(self, next_element(self, elements));
        if (value == self->missing)
            found = SLOW;
        else if (value != NULL && PyDict_SetItem(object, key, value) == 0)
            found = FILLED;
        Py_XDECREF(value);
    }
    else if (PySet_Add(object, key) == 0)
        found = FILLED;
    Py_DECREF(key);
    return found;
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
    for (; (at = next_element(self, &elements)) != NULL; count++) {
        found = fill_key(self, object, &elements, at);
        if (found != FILLED)
            return found;
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
        if (is_missing(self, token.value))
            return 0;
    }
    return 1;
}

/* Attributes of one object, and what its adapter is given beside: as many as a walk puts
 * into one shape. */
#define VALUES 256

/* The first values of a record; what follows of them is not read any more if one is not
 * made yet. How many have been read: all of them, fewer, or -1 with an exception. */
static Py_ssize_t
read_values(Records *self, Elements *elements, Py_ssize_t count, PyObject **values)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        Token token;
        const unsigned char *at = next_token(self, elements, &token);
        if (token.type == UNSIGNED || token.type == SIGNED) {
            if (token.value >= self->count && self->final)
                wrong("a record refers to what is not there");
            if (token.value >= self->count || is_missing(self, token.value))
                return i;
        }
        values[i] = value_of_token(self, at, token);
        if (values[i] == NULL)
            return i;
    }
    return count;
}

/* Set the attributes that stand at the beginning. */
static int
set_attributes(Kind *kind, PyObject **values, PyObject *object)
{
    Py_ssize_t count = PyTuple_GET_SIZE(kind->names) - kind->extras;
    for (Py_ssize_t i = 0; i < count; i++)
        /* No class attribute of these names has a say: see migrate.graph.kinds. */
        if (PyObject_GenericSetAttr(object, PyTuple_GET_ITEM(kind->names, i),
                                    values[i]) < 0)
            return FAILED;
    return FILLED;
}

/* Give the rest of the elements to the adapter. */
static int
restore(Records *self, Kind *kind, PyObject **rest, PyObject *object)
{
    PyObject *values = PyTuple_New(kind->extras);
    if (values == NULL)
        return FAILED;
    for (Py_ssize_t i = 0; i < kind->extras; i++) {
        Py_INCREF(rest[i]);
        PyTuple_SET_ITEM(values, i, rest[i]);
    }
    PyObject *parts[] = {object, values, self->loading};
    PyObject *none = PyObject_Vectorcall(kind->restorer, parts, 3, NULL);
    Py_DECREF(values);
    Py_XDECREF(none);
    return none == NULL ? FAILED : FILLED;
}

/* Set attributes, and give the rest of the elements to the adapter, if there is one. */
int
fill_attributes(Records *self, size_t number, Kind *kind, PyObject *object)
{
    PyObject *values[VALUES];
    Elements elements;
    Py_ssize_t names = PyTuple_GET_SIZE(kind->names);
    Py_ssize_t all = count_elements(self, number);
    if (all < 0 || elements_of(self, number, &elements) < 0)
        return FAILED;
    if (all != names || names > VALUES)
        return SLOW;
    Py_ssize_t count = read_values(self, &elements, names, values);
    int found = count == names ? FILLED : PyErr_Occurred() ? FAILED : SLOW;
    if (found == FILLED)
        found = set_attributes(kind, values, object);
    if (found == FILLED && kind->restorer != NULL)
        found = restore(self, kind, values + names - kind->extras, object);
    while (count--)
        Py_DECREF(values[count]);
    return found;
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
    case DEQUE:
        return fill_deque(self, number, object);
    case SET:
    case DICT:
        return fill_keyed(self, number, object, whole);
    default:
        return SLOW;
    }
}

/* What is left to be filled: by adapters, by those of them that look into what they
 * get, and by plain code, for what is hashed or for another reason. */
typedef struct {
    PyObject *rest, *looking, *hashing, *slow;
} Left;

static int
fill_next(Records *self, size_t number, unsigned char *whole, unsigned char *filled,
          Left *left)
{
    Kind *kind = kind_of(self, number);
    if (self->flags[number] & FULL) {
        filled[number] = 1;
        return 0;
    }
    if (!is_filled(self, number) || (kind != NULL && kind->filler == NULL))
        return 0;
    if (kind != NULL && (kind->way == ADAPTED || kind->way == DIRECT)) {
        if (kind->whole && append_number(left->looking, number) < 0)
            return -1;
        return append_number(left->rest, number);
    }
    switch (fill_one(self, number, whole)) {
    case FILLED:
        filled[number] = 1;
        return 0;
    case HASHING:
        return append_number(left->hashing, number);
    case SLOW:
        return append_number(left->slow, number);
    default:
        return blame(self, number);
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
    Left left = {PyList_New(0), PyList_New(0), PyList_New(0), PyList_New(0)};
    int failed = !left.rest || !left.looking || !left.hashing || !left.slow;
    for (size_t number = 0; !failed && number < self->count; number++)
        failed = fill_next(self, number, whole, filled, &left) < 0;
    if (!failed)
        return Py_BuildValue("(NNNN)", left.rest, left.looking, left.hashing,
                             left.slow);
    Py_XDECREF(left.rest);
    Py_XDECREF(left.looking);
    Py_XDECREF(left.hashing);
    Py_XDECREF(left.slow);
    return NULL;
}
