/* When delayed calls are due: as migrate.adapters.timers does.
 *
 * It must not know who makes them. */
#include "native.h"

#include <math.h>

/* Whether a call is still to be made. */
static int
is_active(PyObject *call)
{
    int called = is_true(call, str_called);
    int cancelled = called ? 0 : is_true(call, str_cancelled);
    return called < 0 || cancelled < 0 ? -1 : !called && !cancelled;
}

/* Whether a call is due when it was told to be. */
static int
is_unmoved(PyObject *call, PyObject *when)
{
    PyObject *time = PyObject_GetAttr(call, str_time);
    int same = time == NULL ? -1 : PyObject_RichCompareBool(time, when, Py_EQ);
    Py_XDECREF(time);
    if (same < 1)
        return same;
    int delayed = is_true(call, str_delayed);
    return delayed < 0 ? -1 : !delayed;
}

/* Have one call be made after the last: a heap does not keep the order of equal times. */
static int
set_apart(PyObject *call, PyObject *when, double *last)
{
    double wanted = PyFloat_AsDouble(when);
    if (wanted == -1 && PyErr_Occurred())
        return -1;
    if (wanted > *last) {
        *last = wanted;
        return 0;
    }
    *last = nextafter(*last, INFINITY);
    PyObject *time = PyFloat_FromDouble(*last);
    int failed = time == NULL || PyObject_SetAttr(call, str_time, time) < 0;
    Py_XDECREF(time);
    return failed ? -1 : 0;
}

static int
add_call(PyObject *entry, PyObject *calls, PyObject *moved, double *last)
{
    if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 2) {
        PyErr_SetString(PyExc_TypeError, "when, and what");
        return -1;
    }
    PyObject *when = PyTuple_GET_ITEM(entry, 0), *call = PyTuple_GET_ITEM(entry, 1);
    int active = is_active(call);
    if (active < 1)
        return active;
    int unmoved = is_unmoved(call, when);
    if (unmoved < 1)
        return unmoved < 0 ? -1 : PyList_Append(moved, call);
    return set_apart(call, when, last) < 0 ? -1 : PyList_Append(calls, call);
}

/* Called with pairs of when and what, in order, and a list for those that have been
 * moved.  Returns the others. */
PyObject *
arrange(PyObject *module, PyObject *arguments)
{
    PyObject *due, *moved;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyList_Type, &due, &PyList_Type, &moved))
        return NULL;
    double last = -INFINITY;
    PyObject *calls = PyList_New(0);
    int failed = calls == NULL;
    for (Py_ssize_t at = 0; !failed && at < PyList_GET_SIZE(due); at++) {
        PyObject *entry = Py_NewRef(PyList_GET_ITEM(due, at));
        failed = add_call(entry, calls, moved, &last) < 0;
        Py_DECREF(entry);
    }
    if (failed)
        Py_CLEAR(calls);
    return calls;
}
