/* Delayed calls: what is told of one beside its attributes, and how one is tied to its
 * reactor again.  See migrate.adapters.timers, which does the same.
 *
 * It must not know when any of them is due. */
#include "native.h"

/* ---- At the origin. ---- */

enum {
    REACTOR = SLOW + 1,
    CALL,  /* the class of usual calls */
    TOLD,  /* what is told of a pending one: a piece of text */
    TELLING,
};

static PyTypeObject *const to_tell[TELLING] = {
    [CALL] = &PyType_Type, [TOLD] = &PyUnicode_Type,
};

/* Whether a call is going to be made by the reactor that runs, without keywords. */
static int
is_pending(Callee *self, PyObject *call)
{
    PyObject *canceller = PyObject_GetAttr(call, str_canceller);
    int ours = canceller != NULL && PyMethod_Check(canceller) &&
        PyMethod_GET_SELF(canceller) == self->held[REACTOR];
    Py_XDECREF(canceller);
    return ours && is_empty(call, str_kw) == 1 && is_true(call, str_cancelled) == 0 &&
        is_true(call, str_called) == 0;
}

/* What is told of a pending call; NULL, perhaps without an exception, if plain Python has
 * to. */
static PyObject *
told(Callee *self, PyObject *call)
{
    if ((PyObject *)Py_TYPE(call) != self->held[CALL] || !is_pending(self, call))
        return NULL;
    PyObject *time = PyObject_GetAttr(call, str_time);
    PyObject *delayed = PyObject_GetAttr(call, str_delayed);
    PyObject *when = NULL, *values = NULL;
    if (time != NULL && delayed != NULL)
        when = PyNumber_Add(time, delayed);
    if (when != NULL)
        values = PyTuple_Pack(4, self->held[TOLD], when, Py_None, Py_None);
    Py_XDECREF(time);
    Py_XDECREF(delayed);
    Py_XDECREF(when);
    return values;
}

/* Called with a delayed call and the capture. */
static PyObject *
extract(PyObject *callee, PyObject *const *parts, size_t count, PyObject *names)
{
    Callee *self = (Callee *)callee;
    PyObject *values = are_values(count, names, 2) ? told(self, parts[0]) : NULL;
    return values != NULL ? values : call_slow_instead(self, parts, count);
}

PyObject *
timer_extractor(PyObject *module, PyObject *arguments)
{
    return make_callee(extract, arguments, to_tell, TELLING);
}

/* ---- At the recipient. ---- */

enum {
    PENDING = SLOW + 1, /* what is told of a pending call */
    NOT_DELAYED,        /* seconds */
    CANCELLER, RESETTER, SECONDS,
    DUE,                /* a list of when, and what */
    TYING,
};

static PyTypeObject *const to_tie[TYING] = {
    [PENDING] = &PyUnicode_Type, [DUE] = &PyList_Type,
};

/* Whether the values are those of a pending call without keywords. */
static int
is_usual(Callee *self, PyObject *values)
{
    if (!PyTuple_CheckExact(values) || PyTuple_GET_SIZE(values) != 4)
        return 0;
    PyObject *kind = PyTuple_GET_ITEM(values, 0);
    return PyUnicode_CheckExact(kind) &&
        PyUnicode_Compare(kind, self->held[PENDING]) == 0 &&
        PyFloat_CheckExact(PyTuple_GET_ITEM(values, 1)) &&
        PyTuple_GET_ITEM(values, 2) == Py_None;
}

/* The attributes, in the order in which plain Python sets them. */
static int
tie(Callee *self, PyObject *call, PyObject *when)
{
    PyObject *keywords = PyDict_New();
    int failed = keywords == NULL || PyObject_SetAttr(call, str_kw, keywords) < 0 ||
        PyObject_SetAttr(call, str_time, when) < 0 ||
        PyObject_SetAttr(call, str_delayed, self->held[NOT_DELAYED]) < 0 ||
        PyObject_SetAttr(call, str_canceller, self->held[CANCELLER]) < 0 ||
        PyObject_SetAttr(call, str_resetter, self->held[RESETTER]) < 0 ||
        PyObject_SetAttr(call, str_seconds, self->held[SECONDS]) < 0;
    Py_XDECREF(keywords);
    return failed ? -1 : 0;
}

/* Called with a delayed call, what was told of it, and the loading. */
static PyObject *
restore(PyObject *callee, PyObject *const *parts, size_t count, PyObject *names)
{
    Callee *self = (Callee *)callee;
    if (!are_values(count, names, 3) || !is_usual(self, parts[1]))
        return call_slow(self, parts, count);
    PyObject *when = PyTuple_GET_ITEM(parts[1], 1);
    if (tie(self, parts[0], when) < 0)
        return NULL;
    PyObject *entry = PyTuple_Pack(2, when, parts[0]);
    int failed = entry == NULL || PyList_Append(self->held[DUE], entry) < 0;
    Py_XDECREF(entry);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
timer_restorer(PyObject *module, PyObject *arguments)
{
    return make_callee(restore, arguments, to_tie, TYING);
}
