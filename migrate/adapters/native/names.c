/* Attributes, and what they are called.
 *
 * It must not know whose they are. */
#include "native.h"

PyObject *str_socket, *str_fileno, *str_proto, *str_reactor, *str_buffer;
PyObject *str_unsent, *str_length, *str_connectionLost, *str_doRead;
PyObject *str_doWrite, *str_TLS, *str_aborting, *str_time, *str_delayed, *str_kw;
PyObject *str_canceller, *str_resetter, *str_seconds, *str_cancelled;
PyObject *str_called, *str_users, *str_closed;

static const struct {
    PyObject **name;
    const char *text;
} names[] = {
    {&str_socket, "socket"},
    {&str_fileno, "fileno"},
    {&str_proto, "proto"},
    {&str_reactor, "reactor"},
    {&str_buffer, "dataBuffer"},
    {&str_unsent, "_tempDataBuffer"},
    {&str_length, "_tempDataLen"},
    {&str_connectionLost, "connectionLost"},
    {&str_doRead, "doRead"},
    {&str_doWrite, "doWrite"},
    {&str_TLS, "TLS"},
    {&str_aborting, "_aborting"},
    {&str_time, "time"},
    {&str_delayed, "delayed_time"},
    {&str_kw, "kw"},
    {&str_canceller, "canceller"},
    {&str_resetter, "resetter"},
    {&str_seconds, "seconds"},
    {&str_cancelled, "cancelled"},
    {&str_called, "called"},
    {&str_users, "_io_refs"},
    {&str_closed, "_closed"},
};

int
names_prepare(void)
{
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].name = PyUnicode_InternFromString(names[at].text)) == NULL)
            return -1;
    return 0;
}

int
is_true(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(object, name);
    int result = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return result;
}

int
is_method(PyObject *object, PyObject *name, PyObject *function)
{
    PyObject *found = PyObject_GetAttr(object, name);
    if (found == NULL)
        return -1;
    int result = PyMethod_Check(found) && PyMethod_GET_FUNCTION(found) == function &&
        PyMethod_GET_SELF(found) == object;
    Py_DECREF(found);
    return result;
}

int
is_empty(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(object, name);
    if (found == NULL)
        return -1;
    int sized = PyBytes_CheckExact(found) || PyList_CheckExact(found) ||
        PyDict_CheckExact(found);
    int result = sized && PyObject_Size(found) == 0;
    Py_DECREF(found);
    return result;
}
