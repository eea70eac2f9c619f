/* The Python type: its methods and its life.
 *
 * It must not know how anything is taken, made or filled. */
#include "records.h"

PyObject *descriptor_type, *deque_type, *empty_tuple, *str_number, *str_extend;

static int
checked_number(Records *self, PyObject *argument, size_t *number)
{
    Py_ssize_t found = PyLong_AsSsize_t(argument);
    if (found == -1 && PyErr_Occurred())
        return -1;
    if (found < 0 || (size_t)found >= self->count || self->rows[found] == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such record");
        return -1;
    }
    *number = (size_t)found;
    return 0;
}

static PyObject *
records_head(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(head_of(self, number));
}

static PyObject *
records_isTower(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return PyBool_FromLong(self->flags[number] & TOWER);
}

static PyObject *
records_item(PyObject *object, Py_ssize_t place)
{
    Records *self = (Records *)object;
    if (place < 0 || (size_t)place >= self->count || self->rows[place] == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such record");
        return NULL;
    }
    size_t number = (size_t)place;
    Py_ssize_t count = count_elements(self, number);
    Elements elements;
    if (count < 0 || elements_of(self, number, &elements) < 0)
        return NULL;
    PyObject *record = PyList_New(count + 1);
    if (record == NULL)
        return NULL;
    PyObject *item = PyLong_FromUnsignedLongLong(head_of(self, number));
    for (Py_ssize_t i = 0; i <= count; i++) {
        if (i)
            item = literal(next_element(self, &elements));
        if (item == NULL) {
            Py_DECREF(record);
            return NULL;
        }
        PyList_SET_ITEM(record, i, item);
    }
    return record;
}

static Py_ssize_t
records_length(PyObject *self)
{
    return (Py_ssize_t)((Records *)self)->count;
}

static PyObject *
records_elements(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return values_of(self, number, PY_SSIZE_T_MAX);
}

static int
records_init(Records *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"kinds", "shapeCame", "loading", "missing", NULL};
    PyObject *kinds, *loading, *came, *missing;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO", names, &kinds, &came,
                                     &loading, &missing))
        return -1;
    if (self->made != NULL) {
        PyErr_SetString(PyExc_TypeError, "records begin once");
        return -1;
    }
    Py_INCREF(self->natives = kinds);
    Py_INCREF(self->loading = loading);
    Py_INCREF(self->shape_came = came);
    Py_INCREF(self->missing = missing);
    self->filenos = PyObject_GetAttrString(loading, "filenos");
    if (self->filenos == NULL)
        return -1;
    if (!PyList_CheckExact(self->filenos)) {
        PyErr_SetString(PyExc_TypeError, "descriptors are a list");
        return -1;
    }
    self->chunks = PyList_New(0);
    self->extended = PyDict_New();
    self->made = PyList_New(0);
    return self->chunks && self->extended && self->made ? 0 : -1;
}

static int
records_traverse(Records *self, visitproc visit, void *arg)
{
    Py_VISIT(self->chunks);
    Py_VISIT(self->made);
    Py_VISIT(self->missing);
    Py_VISIT(self->natives);
    Py_VISIT(self->loading);
    Py_VISIT(self->filenos);
    Py_VISIT(self->shape_came);
    Py_VISIT(self->extended);
    for (size_t i = 0; i < self->kind_count; i++) {
        Kind *kind = &self->kinds[i];
        Py_VISIT(kind->blank);
        Py_VISIT(kind->maker);
        Py_VISIT(kind->known);
        Py_VISIT(kind->filler);
        Py_VISIT(kind->names);
        Py_VISIT(kind->cls);
        Py_VISIT(kind->restorer);
        for (int at = 0; kind->methods != NULL && at < METHODS_KEPT; at++) {
            Py_VISIT(kind->methods[at].owner);
            Py_VISIT(kind->methods[at].function);
        }
    }
    return 0;
}

static int
records_clear(Records *self)
{
    size_t kinds = self->kind_count;
    self->count = self->kind_count = self->extension_count = self->pending_count = 0;
    for (size_t i = 0; i < kinds; i++)
        forget_kind(&self->kinds[i]);
    Py_CLEAR(self->chunks);
    Py_CLEAR(self->made);
    Py_CLEAR(self->missing);
    Py_CLEAR(self->natives);
    Py_CLEAR(self->loading);
    Py_CLEAR(self->filenos);
    Py_CLEAR(self->blob);
    Py_CLEAR(self->shape_came);
    Py_CLEAR(self->extended);
    return 0;
}

static void
records_dealloc(Records *self)
{
    PyObject_GC_UnTrack(self);
    records_clear(self);
    PyMem_Free(self->rows);
    PyMem_Free(self->flags);
    PyMem_Free(self->kinds);
    PyMem_Free(self->extensions);
    PyMem_Free(self->whole);
    PyMem_Free(self->pending);
    PyMem_Free(self->parts);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
records_made(Records *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->made);
    return self->made;
}

static PyObject *
records_taken(Records *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(self->taken);
}

static PyObject *
records_complete(Records *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->complete);
}

static PyMethodDef methods[] = {
    {"take", (PyCFunction)records_take, METH_O, "See the plain one."},
    {"make", (PyCFunction)records_make, METH_O, "See the plain one."},
    {"fill", (PyCFunction)records_fill, METH_VARARGS, "See the plain one."},
    {"finish", (PyCFunction)records_finish, METH_VARARGS, "See the plain one."},
    {"head", (PyCFunction)records_head, METH_O, "See the plain one."},
    {"isTower", (PyCFunction)records_isTower, METH_O, "See the plain one."},
    {"elements", (PyCFunction)records_elements, METH_O, "See the plain one."},
    {NULL},
};

static PyGetSetDef members[] = {
    {"made", (getter)records_made, NULL, "See the plain one."},
    {"taken", (getter)records_taken, NULL, "See the plain one."},
    {"complete", (getter)records_complete, NULL, "See the plain one."},
    {NULL},
};

static PySequenceMethods sequence = {
    .sq_length = records_length,
    .sq_item = records_item,
};

PyTypeObject RecordsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.graph._native.Records",
    .tp_doc = "The records of a table that arrives.",
    .tp_basicsize = sizeof(Records),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)records_init,
    .tp_traverse = (traverseproc)records_traverse,
    .tp_clear = (inquiry)records_clear,
    .tp_dealloc = (destructor)records_dealloc,
    .tp_methods = methods,
    .tp_getset = members,
    .tp_as_sequence = &sequence,
};

int
records_prepare(void)
{
    PyObject *errors = PyImport_ImportModule("migrate.errors");
    if (errors == NULL)
        return -1;
    malformed = PyObject_GetAttrString(errors, "MalformedTable");
    Py_DECREF(errors);
    PyObject *model = PyImport_ImportModule("migrate.model");
    if (model == NULL)
        return -1;
    descriptor_type = PyObject_GetAttrString(model, "Descriptor");
    Py_DECREF(model);
    PyObject *collections = PyImport_ImportModule("collections");
    if (collections == NULL)
        return -1;
    deque_type = PyObject_GetAttrString(collections, "deque");
    Py_DECREF(collections);
    empty_tuple = PyTuple_New(0);
    str_number = PyUnicode_InternFromString("number");
    str_extend = PyUnicode_InternFromString("extend");
    if (!malformed || !descriptor_type || !deque_type || !empty_tuple || !str_number ||
        !str_extend)
        return -1;
    return PyType_Ready(&RecordsType);
}
