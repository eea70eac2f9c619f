/* How a transport gets its socket back: see migrate.adapters.transports, which does the
 * same.
 *
 * It must not know what was told at the origin, nor what the reactor does then. */
#include "native.h"

#include <sys/socket.h>

/* What is told of a socket, and what else there may be. */
enum { DESCRIPTOR, FAMILY, KIND, PROTOCOL, READING, WRITING, UNSENT, BESIDE };

/* What is held. */
enum {
    USUAL = SLOW + 1, /* what follows those values, a tuple */
    CAME,             /* the class of a descriptor that came */
    UNOWNED,          /* the numbers of those that nobody owns, a set */
    MAKE,             /* makes a socket */
    UNBLOCKING,       /* a kind that does not block, by kind; a dictionary */
    OWN,              /* the function that usual classes have for fileno */
    ALL, READERS, WRITERS, /* lists, of those that have arrived */
    LOOKOUT,          /* knows those that have come ahead; or None */
    ARGUMENTS,
    KNOWN = ARGUMENTS, /* a class that has been found to have it */
    MOULD,             /* what makes sockets of the following, or None */
    OF_FAMILY, OF_KIND, OF_PROTOCOL,
};

static PyTypeObject *const wanted[ARGUMENTS] = {
    [USUAL] = &PyTuple_Type, [UNOWNED] = &PySet_Type, [UNBLOCKING] = &PyDict_Type,
    [ALL] = &PyList_Type, [READERS] = &PyList_Type, [WRITERS] = &PyList_Type,
};

/* Whether the values are those of a connected transport with nothing to be sent. */
static int
is_usual(Callee *self, PyObject *values)
{
    PyObject *usual = self->held[USUAL];
    Py_ssize_t beside = PyTuple_GET_SIZE(usual);
    if (!PyTuple_CheckExact(values) || PyTuple_GET_SIZE(values) != BESIDE + beside ||
        PyTuple_GET_ITEM(values, UNSENT) != Py_None ||
        (PyObject *)Py_TYPE(PyTuple_GET_ITEM(values, DESCRIPTOR)) != self->held[CAME])
        return 0;
    for (Py_ssize_t at = FAMILY; at <= PROTOCOL; at++)
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(values, at)))
            return 0;
    for (Py_ssize_t at = 0; at < beside; at++)
        if (PyTuple_GET_ITEM(values, BESIDE + at) != PyTuple_GET_ITEM(usual, at))
            return 0;
    return PyBool_Check(PyTuple_GET_ITEM(values, READING)) &&
        PyBool_Check(PyTuple_GET_ITEM(values, WRITING));
}

/* Whether the kernel says, or has said, that it is what it is said to be. */
static int
is_of_kind(Callee *self, PyObject *number, PyObject *kind)
{
    int fileno = (int)PyLong_AsLong(number);
    long told = PyLong_AsLong(kind);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    if (told == SOCK_STREAM && is_looked_out_for(self->held[LOOKOUT], fileno))
        return 1;
    return kind_of_socket(fileno) == told;
}

/* A socket of a family, kind and protocol for which there was none yet. */
static PyObject *
first_socket(Callee *self, PyObject *values, PyObject *number)
{
    PyObject *family = PyTuple_GET_ITEM(values, FAMILY);
    PyObject *kind = PyTuple_GET_ITEM(values, KIND);
    PyObject *protocol = PyTuple_GET_ITEM(values, PROTOCOL);
    PyObject *unblocking = PyDict_GetItemWithError(self->held[UNBLOCKING], kind);
    if (unblocking == NULL)
        return NULL;
    PyObject *arguments[] = {family, unblocking, protocol, number};
    PyObject *made = PyObject_Vectorcall(self->held[MAKE], arguments, 4, NULL);
    if (made == NULL || (PyObject *)Py_TYPE(made) != self->held[MAKE])
        return made;
    PyObject *mould = mould_of(made);
    if (mould == NULL) {
        PyErr_Clear();
        return made;
    }
    keep(self, MOULD, mould);
    keep(self, OF_FAMILY, Py_NewRef(family));
    keep(self, OF_KIND, Py_NewRef(kind));
    keep(self, OF_PROTOCOL, Py_NewRef(protocol));
    return made;
}

/* Whether the last mould is for the same kind of sockets: these are small numbers, of
 * each of which there is one. */
static int
fits_mould(Callee *self, PyObject *values)
{
    return self->held[MOULD] != NULL && PyBytes_CheckExact(self->held[MOULD]) &&
        PyTuple_GET_ITEM(values, FAMILY) == self->held[OF_FAMILY] &&
        PyTuple_GET_ITEM(values, KIND) == self->held[OF_KIND] &&
        PyTuple_GET_ITEM(values, PROTOCOL) == self->held[OF_PROTOCOL];
}

/* A socket that owns a descriptor which nobody did.  NULL, perhaps without an exception,
 * if there is none: then nobody does still. */
static PyObject *
own_socket(Callee *self, PyObject *values, PyObject *number)
{
    if (!is_of_kind(self, number, PyTuple_GET_ITEM(values, KIND)) ||
        PySet_Discard(self->held[UNOWNED], number) < 1)
        return NULL;
    PyObject *made = fits_mould(self, values)
        ? cast_socket((PyTypeObject *)self->held[MAKE], self->held[MOULD],
                      (int)PyLong_AsLong(number))
        : first_socket(self, values, number);
    if (made == NULL) {
        PyErr_Clear();
        PySet_Add(self->held[UNOWNED], number);
    }
    return made;
}

/* Whether the class of an object says the number of its descriptor in the usual way. */
static int
has_usual_fileno(Callee *self, PyObject *cls)
{
    if (cls == self->held[KNOWN])
        return 1;
    PyObject *found = PyObject_GetAttr(cls, str_fileno);
    int usual = found == NULL ? -1 : found == self->held[OWN];
    Py_XDECREF(found);
    if (usual == 1)
        keep(self, KNOWN, Py_NewRef(cls));
    return usual;
}

static int
give_fileno(Callee *self, PyObject *object, PyObject *made)
{
    int usual = has_usual_fileno(self, (PyObject *)Py_TYPE(object));
    if (usual < 1)
        return usual;
    PyObject *fileno = PyObject_GetAttr(made, str_fileno);
    int failed = fileno == NULL || PyObject_SetAttr(object, str_fileno, fileno) < 0;
    Py_XDECREF(fileno);
    return failed ? -1 : 0;
}

/* The attributes, in the order in which plain Python sets them. */
static int
give_socket(Callee *self, PyObject *object, PyObject *made)
{
    PyObject *unsent = PyList_New(0), *nothing = PyLong_FromLong(0);
    int failed = unsent == NULL || nothing == NULL ||
        PyObject_SetAttr(object, str_unsent, unsent) < 0 ||
        PyObject_SetAttr(object, str_length, nothing) < 0 ||
        PyObject_SetAttr(object, str_socket, made) < 0 ||
        give_fileno(self, object, made) < 0;
    Py_XDECREF(unsent);
    Py_XDECREF(nothing);
    return failed ? -1 : 0;
}

static int
note(Callee *self, PyObject *object, PyObject *values)
{
    if (PyList_Append(self->held[ALL], object) < 0)
        return -1;
    if (PyTuple_GET_ITEM(values, READING) == Py_True &&
        PyList_Append(self->held[READERS], object) < 0)
        return -1;
    if (PyTuple_GET_ITEM(values, WRITING) == Py_True &&
        PyList_Append(self->held[WRITERS], object) < 0)
        return -1;
    return 0;
}

/* Called with a transport, what was told of it, and the loading. */
static PyObject *
restore(PyObject *callee, PyObject *const *parts, size_t count, PyObject *names)
{
    Callee *self = (Callee *)callee;
    if (!are_values(count, names, 3) || !is_usual(self, parts[1]))
        return call_slow(self, parts, count);
    PyObject *object = parts[0], *values = parts[1];
    PyObject *number =
        PyObject_GetAttr(PyTuple_GET_ITEM(values, DESCRIPTOR), str_fileno);
    if (number == NULL)
        return NULL;
    PyObject *made = own_socket(self, values, number);
    Py_DECREF(number);
    if (made == NULL)
        return PyErr_Occurred() ? NULL : call_slow(self, parts, count);
    int failed = give_socket(self, object, made) < 0 || note(self, object, values) < 0;
    Py_DECREF(made);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
socket_restorer(PyObject *module, PyObject *arguments)
{
    return make_callee(restore, arguments, wanted, ARGUMENTS);
}
