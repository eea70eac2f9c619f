/* Kinds: what becomes of the records of one head, as plain code says once.
 *
 * It must not know any record. */
#include "records.h"

static int
flag_of(PyObject *kind, const char *name)
{
    PyObject *found = PyObject_GetAttrString(kind, name);
    int flag = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return flag;
}

/* An attribute; NULL for None. */
static int
part_of(PyObject *kind, const char *name, PyObject **part)
{
    *part = PyObject_GetAttrString(kind, name);
    if (*part == NULL)
        return -1;
    if (*part == Py_None)
        Py_CLEAR(*part);
    return 0;
}

void
forget_kind(Kind *kind)
{
    Py_CLEAR(kind->kind);
    Py_CLEAR(kind->blank);
    Py_CLEAR(kind->maker);
    Py_CLEAR(kind->known);
    Py_CLEAR(kind->filler);
    Py_CLEAR(kind->names);
    Py_CLEAR(kind->cls);
    Py_CLEAR(kind->restorer);
}

static int
read_kind(Kind *kind, PyObject *found)
{
    Py_INCREF(kind->kind = found);
    PyObject *swift = NULL, *needed = NULL, *number = NULL, *filler = NULL;
    PyObject *extras = NULL;
    int failed = -1;
    int complete = flag_of(found, "complete"), whole = flag_of(found, "whole");
    int immediate = flag_of(found, "immediate");
    if (complete < 0 || whole < 0 || immediate < 0 || part_of(found, "blank", &kind->blank) < 0 ||
        part_of(found, "maker", &kind->maker) < 0 ||
        part_of(found, "known", &kind->known) < 0 ||
        part_of(found, "names", &kind->names) < 0 ||
        part_of(found, "swift", &swift) < 0 || part_of(found, "cls", &number) < 0 ||
        part_of(found, "filler", &filler) < 0 ||
        part_of(found, "restorer", &kind->restorer) < 0 ||
        (extras = PyObject_GetAttrString(found, "extras")) == NULL ||
        (needed = PyObject_GetAttrString(found, "needed")) == NULL)
        goto end;
    kind->complete = (char)complete;
    kind->whole = (char)whole;
    kind->immediate = (char)immediate;
    kind->needed = PyLong_AsSsize_t(needed);
    kind->extras = PyLong_AsSsize_t(extras);
    kind->class_number = number == NULL ? -1 : PyLong_AsLongLong(number);
    if (PyErr_Occurred())
        goto end;
    if (kind->names != NULL && !PyTuple_CheckExact(kind->names)) {
        PyErr_SetString(PyExc_TypeError, "names are a tuple");
        goto end;
    }
    if (swift != NULL && kind->names != NULL && PyType_Check(swift)) {
        kind->way = kind->restorer == NULL ? SWIFT : DIRECT;
        Py_INCREF(kind->cls = (PyTypeObject *)swift);
    }
    else if (kind->maker != NULL)
        kind->way = ADAPTED;
    Py_XINCREF(kind->filler = filler);
    failed = 0;
end:
    Py_XDECREF(swift);
    Py_XDECREF(needed);
    Py_XDECREF(number);
    Py_XDECREF(filler);
    Py_XDECREF(extras);
    return failed;
}

int
keep_kind(Records *self, PyObject *found)
{
    if (self->kind_count == self->kind_room) {
        size_t room = self->kind_room ? self->kind_room * 2 : 64;
        Kind *kinds = PyMem_Realloc(self->kinds, room * sizeof *kinds);
        if (kinds == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->kinds = kinds;
        self->kind_room = room;
    }
    Kind *kind = &self->kinds[self->kind_count];
    memset(kind, 0, sizeof *kind);
    if (read_kind(kind, found) < 0) {
        forget_kind(kind);
        return -1;
    }
    self->kind_count++;
    return 0;
}
