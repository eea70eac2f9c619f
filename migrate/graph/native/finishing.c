/* The filling of what adapters made, in the order that plain code chose.
 *
 * It must not know why it is this order. */
#include "records.h"

/* The state of an object as a dictionary; NULL without an exception if it does not
 * fit, or if something is not made. */
static PyObject *
state_of(Records *self, size_t number, Kind *kind)
{
    Elements elements;
    Py_ssize_t count = PyTuple_GET_SIZE(kind->names);
    Py_ssize_t all = count_elements(self, number);
    if (all < 0 || all != kind->needed + count ||
        elements_of(self, number, &elements) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < kind->needed; i++)
        next_element(self, &elements);
    PyObject *state = PyDict_New();
    for (Py_ssize_t i = 0; state != NULL && i < count; i++) {
        PyObject *value = value_of(self, next_element(self, &elements));
        if (value == NULL || value == self->missing ||
            PyDict_SetItem(state, PyTuple_GET_ITEM(kind->names, i), value) < 0)
            Py_CLEAR(state);
        Py_XDECREF(value);
    }
    return state;
}

/* Fill one object; what this says is as for any other filling. */
static int
finish_one(Records *self, size_t number)
{
    Kind *kind = kind_of(self, number);
    PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    if (kind != NULL && kind->way == DIRECT)
        return turn(self, number) < 0 ? FAILED
                                      : fill_attributes(self, number, kind, object);
    if (object == self->missing || kind == NULL || kind->way != ADAPTED ||
        kind->names == NULL || kind->filler == NULL)
        return SLOW;
    if (turn(self, number) < 0)
        return FAILED;
    PyObject *state = state_of(self, number, kind);
    if (state == NULL)
        return PyErr_Occurred() ? FAILED : SLOW;
    PyObject *parts[] = {object, state, self->loading};
    PyObject *none = PyObject_Vectorcall(kind->filler, parts, 3, NULL);
    Py_DECREF(state);
    Py_XDECREF(none);
    return none == NULL ? FAILED : FILLED;
}

PyObject *
records_finish(Records *self, PyObject *args)
{
    PyObject *numbers, *filleds;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &numbers, &filleds))
        return NULL;
    unsigned char *filled = marks_of(self, filleds);
    PyObject *left = filled == NULL ? NULL : PyList_New(0);
    if (left == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(numbers); i++) {
        size_t number = PyLong_AsSize_t(PyList_GET_ITEM(numbers, i));
        if (number >= self->count) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_IndexError, "no such record");
            goto error;
        }
        if (filled[number])
            continue;
        int done = finish_one(self, number);
        if (done == FAILED || (done == SLOW && append_number(left, number) < 0))
            goto error;
        /* That was code, and may have moved the marks. */
        filled = marks_of(self, filleds);
        if (filled == NULL)
            goto error;
        if (done == FILLED)
            filled[number] = 1;
    }
    return left;
error:
    Py_DECREF(left);
    return NULL;
}
