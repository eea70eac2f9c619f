/* Many transports come into the hands of a reactor that asks epoll: as its addReader
 * does.
 *
 * It must not know where they come from. */
#include "native.h"

#include <limits.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif

/* Have epoll tell when there is something to read, or the end.  As the reactor does, it
 * is told again until it has been read. */
static int
register_one(int epoll, int fileno)
{
#if defined(__linux__)
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fileno};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fileno, &event);
#else
    return -1;
#endif
}

/* Whether one is watched now: 0 if that is left to the reactor, also if it failed. */
static int
watch_one(PyObject *transport, int epoll, PyObject *watched, PyObject *other,
          PyObject *all)
{
    PyObject *fileno = PyObject_CallMethodNoArgs(transport, str_fileno);
    if (fileno == NULL)
        return 0;
    int known = PySet_Contains(watched, fileno) || PySet_Contains(other, fileno);
    long number = known ? -1 : PyLong_AsLong(fileno);
    int done = number >= 0 && number <= INT_MAX &&
        register_one(epoll, (int)number) == 0 && PySet_Add(watched, fileno) == 0 &&
        PyDict_SetItem(all, fileno, transport) == 0;
    Py_DECREF(fileno);
    return done;
}

/* Called with transports in a list, the descriptor of epoll, the set of those that are
 * watched for what comes, the set of those that are watched for room to write, and all,
 * by number.  Returns those that are left to the reactor. */
PyObject *
watch(PyObject *module, PyObject *arguments)
{
    PyObject *transports, *watched, *other, *all;
    int epoll;
    if (!PyArg_ParseTuple(arguments, "O!iO!O!O!", &PyList_Type, &transports, &epoll,
                          &PySet_Type, &watched, &PySet_Type, &other, &PyDict_Type,
                          &all))
        return NULL;
    PyObject *left = PyList_New(0);
    for (Py_ssize_t at = 0; left != NULL && at < PyList_GET_SIZE(transports); at++) {
        PyObject *transport = Py_NewRef(PyList_GET_ITEM(transports, at));
        if (!watch_one(transport, epoll, watched, other, all)) {
            PyErr_Clear();
            if (PyList_Append(left, transport) < 0)
                Py_CLEAR(left);
        }
        Py_DECREF(transport);
    }
    return left;
}
