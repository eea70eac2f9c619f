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
    Py_CLEAR(kind->blank);
    Py_CLEAR(kind->maker);
    Py_CLEAR(kind->known);
    Py_CLEAR(kind->filler);
    Py_CLEAR(kind->names);
    Py_CLEAR(kind->cls);
    Py_CLEAR(kind->restorer);
    forget_methods(kind);
}

static int
read_flags(Kind *kind, PyObject *found)
{
    int complete = flag_of(found, "complete"), whole = flag_of(found, "whole");
    int immediate = flag_of(found, "immediate");
    if (complete < 0 || whole < 0 || immediate < 0)
        return -1;
    kind->complete = (char)complete;
    kind->whole = (char)whole;
    kind->immediate = (char)immediate;
    return 0;
}

static int
count_of(PyObject *kind, const char *name, Py_ssize_t *count)
{
    PyObject *found = PyObject_GetAttrString(kind, name);
    *count = found == NULL ? -1 : PyLong_AsSsize_t(found);
    Py_XDECREF(found);
    return PyErr_Occurred() ? -1 : 0;
}

/* Which object the class is, where it is one of the graph. */
static int
read_class(Kind *kind, PyObject *found)
{
    PyObject *number;
    if (part_of(found, "cls", &number) < 0)
        return -1;
    kind->class_number = number == NULL ? -1 : PyLong_AsLongLong(number);
    Py_XDECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* Who makes and fills the objects. */
static int
read_way(Kind *kind, PyObject *found)
{
    PyObject *swift;
    if (part_of(found, "swift", &swift) < 0)
        return -1;
    if (swift != NULL && kind->names != NULL && PyType_Check(swift)) {
        kind->way = kind->restorer == NULL ? SWIFT : DIRECT;
        kind->cls = (PyTypeObject *)swift;
        return 0;
    }
    Py_XDECREF(swift);
    kind->way = kind->maker == NULL ? GENERIC : ADAPTED;
    return 0;
}

static int
read_kind(Kind *kind, PyObject *found)
{
    if (read_flags(kind, found) < 0 || part_of(found, "blank", &kind->blank) < 0 ||
        part_of(found, "maker", &kind->maker) < 0 ||
        part_of(found, "known", &kind->known) < 0 ||
        part_of(found, "names", &kind->names) < 0 || read_class(kind, found) < 0 ||
        part_of(found, "filler", &kind->filler) < 0 ||
        part_of(found, "restorer", &kind->restorer) < 0 ||
        count_of(found, "extras", &kind->extras) < 0 ||
        count_of(found, "needed", &kind->needed) < 0)
        return -1;
    if (kind->names != NULL && !PyTuple_CheckExact(kind->names)) {
        PyErr_SetString(PyExc_TypeError, "names are a tuple");
        return -1;
    }
    return read_methods(kind, found) < 0 ? -1 : read_way(kind, found);
}

int
keep_kind(Records *self, PyObject *found)
{
    Kind *kinds =
        grown(self->kinds, self->kind_count, &self->kind_room, 64, sizeof *kinds);
    if (kinds == NULL)
        return -1;
    self->kinds = kinds;
    Kind *kind = &self->kinds[self->kind_count];
    memset(kind, 0, sizeof *kind);
    if (read_kind(kind, found) < 0) {
        forget_kind(kind);
        return -1;
    }
    self->kind_count++;
    return 0;
}
