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

/* One call, later than the last: a heap does not keep the order of equal times. */
static int
set_time(PyObject *call, PyObject *nothing, PyObject *when, double *last)
{
    double wanted = PyFloat_AsDouble(when);
    if (wanted == -1 && PyErr_Occurred())
        return -1;
    *last = wanted > *last ? wanted : nextafter(*last, INFINITY);
    PyObject *time = PyFloat_FromDouble(*last);
    int failed = time == NULL || PyObject_SetAttr(call, str_time, time) < 0 ||
        PyObject_SetAttr(call, str_delayed, nothing) < 0;
    Py_XDECREF(time);
    return failed ? -1 : 0;
}

static int
add_call(PyObject *entry, PyObject *nothing, PyObject *calls, double *last)
{
    if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 2) {
        PyErr_SetString(PyExc_TypeError, "when, and what");
        return -1;
    }
    PyObject *call = PyTuple_GET_ITEM(entry, 1);
    int active = is_active(call);
    if (active < 1)
        return active;
    if (set_time(call, nothing, PyTuple_GET_ITEM(entry, 0), last) < 0)
        return -1;
    return PyList_Append(calls, call);
}

/* Called with pairs of when and what, in order.  Returns the calls. */
PyObject *
arrange(PyObject *module, PyObject *due)
{
    if (!PyList_CheckExact(due)) {
        PyErr_SetString(PyExc_TypeError, "what is due is a list");
        return NULL;
    }
    double last = -INFINITY;
    PyObject *calls = PyList_New(0), *nothing = PyFloat_FromDouble(0);
    int failed = calls == NULL || nothing == NULL;
    for (Py_ssize_t at = 0; !failed && at < PyList_GET_SIZE(due); at++) {
        PyObject *entry = Py_NewRef(PyList_GET_ITEM(due, at));
        failed = add_call(entry, nothing, calls, &last) < 0;
        Py_DECREF(entry);
    }
    Py_XDECREF(nothing);
    if (failed)
        Py_CLEAR(calls);
    return calls;
}
