/* When delayed calls are due: as migrate.adapters.timers does.
 *
 * It must not know who makes them. */
#include "native.h"

#include <math.h>
#include <stdlib.h>

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
set_apart(PyObject *call, double wanted, double *last)
{
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

/* When, as a number and as it was given, and what. */
typedef struct {
    double time;
    PyObject *when, *call;
} Entry;

/* Equal times keep their order: entries lie in memory as they stood in the list. */
static int
compare(const void *one, const void *other)
{
    const Entry *first = *(const Entry *const *)one;
    const Entry *second = *(const Entry *const *)other;
    if (first->time != second->time)
        return first->time < second->time ? -1 : 1;
    return first < second ? -1 : first > second;
}

/* What the entries are, and where they are in order: both of as many as there are due. */
static int
read_entries(PyObject *due, Entry *entries, const Entry **order)
{
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(due); at++) {
        PyObject *entry = PyList_GET_ITEM(due, at);
        if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 2) {
            PyErr_SetString(PyExc_TypeError, "when, and what");
            return -1;
        }
        entries[at].when = PyTuple_GET_ITEM(entry, 0);
        entries[at].call = PyTuple_GET_ITEM(entry, 1);
        entries[at].time = PyFloat_AsDouble(entries[at].when);
        if (entries[at].time == -1 && PyErr_Occurred())
            return -1;
        order[at] = &entries[at];
    }
    qsort(order, PyList_GET_SIZE(due), sizeof *order, compare);
    return 0;
}

static int
add_call(const Entry *entry, PyObject *calls, PyObject *moved, double *last)
{
    int active = is_active(entry->call);
    if (active < 1)
        return active;
    int unmoved = is_unmoved(entry->call, entry->when);
    if (unmoved < 1)
        return unmoved < 0 ? -1 : PyList_Append(moved, entry->call);
    if (set_apart(entry->call, entry->time, last) < 0)
        return -1;
    return PyList_Append(calls, entry->call);
}

/* The calls, in order. */
static PyObject *
arranged(PyObject *due, PyObject *moved, Entry *entries, const Entry **order)
{
    /* What is asked of a call could change the list. */
    PyObject *kept = PyList_GetSlice(due, 0, PyList_GET_SIZE(due));
    PyObject *calls = kept == NULL ? NULL : PyList_New(0);
    int failed = calls == NULL || read_entries(kept, entries, order) < 0;
    double last = -INFINITY;
    for (Py_ssize_t at = 0; !failed && at < PyList_GET_SIZE(kept); at++)
        failed = add_call(order[at], calls, moved, &last) < 0;
    Py_XDECREF(kept);
    if (failed)
        Py_CLEAR(calls);
    return calls;
}

/* Called with pairs of when and what, and a list for those that have been moved.  Returns
 * the others, in order. */
PyObject *
arrange(PyObject *module, PyObject *arguments)
{
    PyObject *due, *moved;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyList_Type, &due, &PyList_Type, &moved))
        return NULL;
    size_t count = PyList_GET_SIZE(due);
    Entry *entries = PyMem_New(Entry, count);
    const Entry **order = PyMem_New(const Entry *, count);
    PyObject *calls = NULL;
    if (entries == NULL || order == NULL)
        PyErr_NoMemory();
    else
        calls = arranged(due, moved, entries, order);
    PyMem_Free(order);
    PyMem_Free(entries);
    return calls;
}
