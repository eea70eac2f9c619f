/* Something that is called for each of many objects.
 *
 * It must not know what it does. */
#include "native.h"

static int
callee_traverse(Callee *self, visitproc visit, void *arg)
{
    for (int at = 0; at < HELD; at++)
        Py_VISIT(self->held[at]);
    return 0;
}

static int
callee_clear(Callee *self)
{
    for (int at = 0; at < HELD; at++)
        Py_CLEAR(self->held[at]);
    return 0;
}

static void
callee_dealloc(Callee *self)
{
    PyObject_GC_UnTrack(self);
    callee_clear(self);
    PyObject_GC_Del(self);
}

PyTypeObject CalleeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.adapters._native.Callee",
    .tp_doc = "What is called for each of many objects.",
    .tp_basicsize = sizeof(Callee),
    .tp_vectorcall_offset = offsetof(Callee, call),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_dealloc = (destructor)callee_dealloc,
    .tp_traverse = (traverseproc)callee_traverse,
    .tp_clear = (inquiry)callee_clear,
};

PyObject *
make_callee(vectorcallfunc call, PyObject *arguments, PyTypeObject *const *wanted,
            Py_ssize_t count)
{
    int fits = PyTuple_GET_SIZE(arguments) == count;
    for (Py_ssize_t at = 0; fits && at < count; at++)
        fits = wanted[at] == NULL || Py_IS_TYPE(PyTuple_GET_ITEM(arguments, at), wanted[at]);
    if (!fits) {
        PyErr_SetString(PyExc_TypeError, "something else is needed for that");
        return NULL;
    }
    Callee *self = PyObject_GC_New(Callee, &CalleeType);
    if (self == NULL)
        return NULL;
    self->call = call;
    for (Py_ssize_t at = 0; at < HELD; at++)
        self->held[at] =
            at < count ? Py_NewRef(PyTuple_GET_ITEM(arguments, at)) : NULL;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}
