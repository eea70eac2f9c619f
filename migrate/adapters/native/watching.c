/* Many transports come into the hands of a reactor that asks epoll: as its addReader
 * does.
 *
 * It must not know where they come from. */
#include "native.h"

/* Whether one is watched now: 0 if that is left to the reactor, also if it failed. */
static int
watch_one(PyObject *transport, PyObject *how, PyObject *event, PyObject *watched,
          PyObject *other, PyObject *all)
{
    PyObject *fileno = PyObject_CallMethodNoArgs(transport, str_fileno), *none = NULL;
    if (fileno == NULL)
        return 0;
    int known = PySet_Contains(watched, fileno) || PySet_Contains(other, fileno);
    PyObject *parts[] = {fileno, event};
    if (!known && !PyErr_Occurred())
        none = PyObject_Vectorcall(how, parts, 2, NULL);
    int done = none != NULL && PySet_Add(watched, fileno) == 0 &&
        PyDict_SetItem(all, fileno, transport) == 0;
    Py_XDECREF(none);
    Py_DECREF(fileno);
    return done;
}

/* Called with transports in a list, what registers a descriptor, for which event, the
 * set of those that are watched for it, the set of those that are watched for the other
 * one, and all, by number.  Returns those that are left to the reactor. */
PyObject *
watch(PyObject *module, PyObject *arguments)
{
    PyObject *transports, *how, *event, *watched, *other, *all;
    if (!PyArg_ParseTuple(arguments, "O!OOO!O!O!", &PyList_Type, &transports, &how,
                          &event, &PySet_Type, &watched, &PySet_Type, &other,
                          &PyDict_Type, &all))
        return NULL;
    PyObject *left = PyList_New(0);
    for (Py_ssize_t at = 0; left != NULL && at < PyList_GET_SIZE(transports); at++) {
        PyObject *transport = Py_NewRef(PyList_GET_ITEM(transports, at));
        if (!watch_one(transport, how, event, watched, other, all)) {
            PyErr_Clear();
            if (PyList_Append(left, transport) < 0)
                Py_CLEAR(left);
        }
        Py_DECREF(transport);
    }
    return left;
}
