/* Sockets like one that there is already, but for the number of the descriptor: CPython
 * asks the kernel for the address of each that it makes, and makes it in Python.
 *
 * It must not know where a descriptor came from. */
#include "native.h"

#include <string.h>
#include <sys/socket.h>

/* What CPython calls a socket, and where in one the number is: 0 if sockets differ in
 * more than that, so that there is no other like one. */
static PyTypeObject *plain;
static size_t number_at;

enum { START = sizeof(PyObject) };

/* Where the one number is in which two sockets differ, if that is the number of their
 * descriptors: else 0. */
static size_t
find_difference(const char *one, const char *other, const int numbers[2])
{
    size_t found = 0;
    for (size_t at = START; at < (size_t)plain->tp_basicsize; at += sizeof(int)) {
        if (memcmp(one + at, other + at, sizeof(int)) == 0)
            continue;
        if (found != 0 || memcmp(one + at, &numbers[0], sizeof(int)) != 0 ||
            memcmp(other + at, &numbers[1], sizeof(int)) != 0)
            return 0;
        found = at;
    }
    return found;
}

static int
number_of(PyObject *socket)
{
    PyObject *fileno = PyObject_CallMethodNoArgs(socket, str_fileno);
    int number = fileno == NULL ? -1 : (int)PyLong_AsLong(fileno);
    Py_XDECREF(fileno);
    return number;
}

/* Look at two. */
static void
compare(PyObject *pair)
{
    PyObject *one = PyTuple_GET_ITEM(pair, 0), *other = PyTuple_GET_ITEM(pair, 1);
    if (Py_TYPE(one) != plain || Py_TYPE(other) != plain || plain->tp_itemsize != 0 ||
        plain->tp_basicsize % sizeof(int) != 0)
        return;
    const int numbers[] = {number_of(one), number_of(other)};
    number_at = find_difference((const char *)one, (const char *)other, numbers);
}

void
sockets_prepare(void)
{
    PyObject *module = PyImport_ImportModule("_socket"), *type = NULL, *pair = NULL;
    if (module != NULL)
        type = PyObject_GetAttrString(module, "socket");
    if (type != NULL && PyType_Check(type)) {
        plain = (PyTypeObject *)Py_NewRef(type);
        pair = PyObject_CallMethod(module, "socketpair", NULL);
    }
    if (pair != NULL && PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2)
        compare(pair);
    Py_XDECREF(pair);
    Py_XDECREF(type);
    Py_XDECREF(module);
    PyErr_Clear();
}

int
kind_of_socket(int number)
{
    int found;
    socklen_t length = sizeof found;
    return getsockopt(number, SOL_SOCKET, SO_TYPE, &found, &length) == 0 ? found : -1;
}

PyObject *
mould_of(PyObject *socket)
{
    if (number_at == 0 || Py_TYPE(socket)->tp_base != plain)
        Py_RETURN_NONE;
    const char *start = (const char *)socket + START;
    PyObject *mould = PyBytes_FromStringAndSize(start, plain->tp_basicsize - START);
    if (mould == NULL)
        return NULL;
    const int none = -1;
    memcpy(PyBytes_AS_STRING(mould) + number_at - START, &none, sizeof none);
    return mould;
}

PyObject *
cast_socket(PyTypeObject *type, PyObject *mould, int number)
{
    PyObject *nothing = PyLong_FromLong(0);
    PyObject *made = nothing == NULL ? NULL : type->tp_alloc(type, 0);
    if (made == NULL) {
        Py_XDECREF(nothing);
        return NULL;
    }
    memcpy((char *)made + START, PyBytes_AS_STRING(mould), PyBytes_GET_SIZE(mould));
    int failed = PyObject_SetAttr(made, str_users, nothing) < 0 ||
        PyObject_SetAttr(made, str_closed, Py_False) < 0;
    Py_DECREF(nothing);
    if (failed)
        Py_CLEAR(made);
    else
        memcpy((char *)made + number_at, &number, sizeof number);
    return made;
}
