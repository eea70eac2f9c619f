/* What is told of a transport with a socket beside its attributes: see
 * migrate.adapters.streams, which does the same.
 *
 * It must not know how it is told. */
#include "native.h"

/* What is held. */
enum {
    USUAL = SLOW + 1, /* what follows the values of a socket, a tuple */
    ALLOWS,           /* whether instances of a class may be usual */
    REACTOR,          /* the one that runs */
    READERS, WRITERS, /* what it watches, by identity */
    STANDS,           /* the class of what stands for a descriptor */
    NOTHING,          /* no arguments */
    SOCKET,           /* the class of usual sockets */
    FAMILY, KIND,     /* read what a socket was made as */
    ARGUMENTS,
    KNOWN = ARGUMENTS, /* a class that allows it, and its functions: */
    LOST, READ, WRITE,
};

static PyTypeObject *const wanted[ARGUMENTS] = {
    [USUAL] = &PyTuple_Type, [STANDS] = &PyType_Type, [NOTHING] = &PyTuple_Type,
    [READERS] = &PyFrozenSet_Type,
    [WRITERS] = &PyFrozenSet_Type, [FAMILY] = &PyMemberDescr_Type,
    [KIND] = &PyMemberDescr_Type,
};

/* Whether instances of a class may be usual; if so, what it has for methods is kept. */
static int
knows(Callee *self, PyObject *cls)
{
    if (cls == self->held[KNOWN])
        return 1;
    int allowed = -1;
    PyObject *found = PyObject_CallOneArg(self->held[ALLOWS], cls);
    PyObject *lost = PyObject_GetAttr(cls, str_connectionLost);
    PyObject *read = PyObject_GetAttr(cls, str_doRead);
    PyObject *write = PyObject_GetAttr(cls, str_doWrite);
    if (found != NULL && lost != NULL && read != NULL && write != NULL)
        allowed = PyObject_IsTrue(found);
    Py_XDECREF(found);
    if (allowed == 1) {
        keep(self, KNOWN, Py_NewRef(cls));
        keep(self, LOST, lost);
        keep(self, READ, read);
        keep(self, WRITE, write);
        return 1;
    }
    Py_XDECREF(lost);
    Py_XDECREF(read);
    Py_XDECREF(write);
    return allowed;
}

static int
is_ours(Callee *self, PyObject *object)
{
    PyObject *reactor = PyObject_GetAttr(object, str_reactor);
    int ours = reactor == NULL ? -1 : reactor == self->held[REACTOR];
    Py_XDECREF(reactor);
    return ours;
}

/* Whether nothing is to be told of an object but its socket. */
static int
is_usual(Callee *self, PyObject *object)
{
    return is_ours(self, object) == 1 &&
        is_method(object, str_connectionLost, self->held[LOST]) == 1 &&
        is_method(object, str_doRead, self->held[READ]) == 1 &&
        is_method(object, str_doWrite, self->held[WRITE]) == 1 &&
        is_empty(object, str_buffer) == 1 && is_empty(object, str_unsent) == 1 &&
        is_true(object, str_TLS) == 0 && is_true(object, str_aborting) == 0;
}

static PyObject *
watched(PyObject *those, PyObject *object)
{
    PyObject *identity = PyLong_FromVoidPtr(object);
    int found = identity == NULL ? -1 : PySet_Contains(those, identity);
    Py_XDECREF(identity);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

/* What stands for the descriptor of an open socket; NULL, perhaps without an exception,
 * if there is none. */
static PyObject *
stand_in(Callee *self, PyObject *skt)
{
    PyTypeObject *type = (PyTypeObject *)self->held[STANDS];
    PyObject *number = PyObject_CallMethodNoArgs(skt, str_fileno), *found = NULL;
    if (number != NULL && PyLong_AsLong(number) >= 0)
        found = type->tp_new(type, self->held[NOTHING], NULL);
    if (found != NULL && PyObject_SetAttr(found, str_fileno, number) < 0)
        Py_CLEAR(found);
    Py_XDECREF(number);
    return found;
}

static PyObject *
member(PyObject *how, PyObject *skt)
{
    return Py_TYPE(how)->tp_descr_get(how, skt, (PyObject *)Py_TYPE(skt));
}

/* NULL, perhaps without an exception: then plain Python has to say it. */
static PyObject *
values_of(Callee *self, PyObject *object, PyObject *skt)
{
    PyObject *beside = self->held[USUAL];
    PyObject *values[] = {
        stand_in(self, skt),
        member(self->held[FAMILY], skt),
        member(self->held[KIND], skt),
        PyObject_GetAttr(skt, str_proto),
        watched(self->held[READERS], object),
        watched(self->held[WRITERS], object),
        Py_NewRef(Py_None),
    };
    Py_ssize_t count = sizeof values / sizeof *values, missing = 0;
    PyObject *all = PyTuple_New(count + PyTuple_GET_SIZE(beside));
    for (Py_ssize_t at = 0; at < count; at++)
        missing += values[at] == NULL;
    if (all == NULL || missing) {
        for (Py_ssize_t at = 0; at < count; at++)
            Py_XDECREF(values[at]);
        Py_XDECREF(all);
        return NULL;
    }
    for (Py_ssize_t at = 0; at < count; at++)
        PyTuple_SET_ITEM(all, at, values[at]);
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(beside); at++)
        PyTuple_SET_ITEM(all, count + at, Py_NewRef(PyTuple_GET_ITEM(beside, at)));
    return all;
}

static PyObject *
usual_values(Callee *self, PyObject *object)
{
    if (knows(self, (PyObject *)Py_TYPE(object)) < 1 || !is_usual(self, object))
        return NULL;
    PyObject *skt = PyObject_GetAttr(object, str_socket), *values = NULL;
    if (skt != NULL && (PyObject *)Py_TYPE(skt) == self->held[SOCKET])
        values = values_of(self, object, skt);
    Py_XDECREF(skt);
    return values;
}

/* Called with a transport and the capture. */
static PyObject *
extract(PyObject *callee, PyObject *const *parts, size_t count, PyObject *names)
{
    Callee *self = (Callee *)callee;
    PyObject *values =
        are_values(count, names, 2) ? usual_values(self, parts[0]) : NULL;
    return values != NULL ? values : call_slow_instead(self, parts, count);
}

PyObject *
socket_extractor(PyObject *module, PyObject *arguments)
{
    return make_callee(extract, arguments, wanted, ARGUMENTS);
}
