/* The visit of an object by its reader, which is plain code and says everything.
 *
 * It must not know why that was chosen. */
#include "visits.h"

int
visit_sequence(Visits *self, Plan *plan, uint32_t head, PyObject **items,
               Py_ssize_t count)
{
    if (begin(self, head, count) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < count; at++)
        if (put(self, items[at]) < 0)
            return -1;
    return done(self, plan, flags_of(head));
}

/* A record that the reader has finished. */
int
visit_finished(Visits *self, Plan *plan, PyObject *record)
{
    if (!PyList_Check(record) || !PyList_GET_SIZE(record)) {
        PyErr_SetString(PyExc_TypeError, "a finished record is a list");
        return -1;
    }
    long head = PyLong_AsLong(PyList_GET_ITEM(record, 0));
    if (head == -1 && PyErr_Occurred())
        return -1;
    if (self->rows != Py_None) {
        Py_INCREF(record);
        Py_XSETREF(self->row, record);
    }
    else if (place_record(self) < 0 || write_record(self, record) < 0)
        return -1;
    return done(self, plan, flags_of(head));
}

/* The object that is visited needs its class, where that is an object of the graph. */
static int
note_shape(Visits *self, PyObject *shape)
{
    PyObject *cls = PyObject_GetAttr(shape, str_cls);
    if (cls == NULL)
        return -1;
    int64_t needed = PyLong_AsLongLong(cls);
    Py_DECREF(cls);
    return note(self, needed);
}

/* Elements for which there is a shape, of which the first are arguments. */
static int
visit_shaped(Visits *self, Plan *plan, long head, PyObject *items)
{
    PyObject *shape = PyList_GetItem(self->shapes, head - FIRST);
    if (shape == NULL)
        return -1;
    PyObject *arguments = PyObject_GetAttr(shape, str_arguments);
    if (arguments == NULL)
        return -1;
    Py_ssize_t count = PyLong_AsSsize_t(arguments);
    Py_DECREF(arguments);
    int named = is_named(shape);
    if (named < 0 || begin(self, (uint32_t)head, PyList_GET_SIZE(items)) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(items); at++)
        if (put(self, PyList_GET_ITEM(items, at)) < 0 ||
            (at < count && note(self, self->last) < 0))
            return -1;
    if (!named && note_shape(self, shape) < 0)
        return -1;
    return done(self, plan, count || !named ? NEEDY : 0);
}

/* A head, and elements that are objects yet. */
static int
visit_elements(Visits *self, Plan *plan, PyObject *number, PyObject *elements)
{
    long head = PyLong_AsLong(number);
    if (head == -1 && PyErr_Occurred())
        return -1;
    PyObject *items = PySequence_List(elements);
    if (items == NULL)
        return -1;
    int failed = head < FIRST
        ? visit_sequence(self, plan, (uint32_t)head, ((PyListObject *)items)->ob_item,
                         PyList_GET_SIZE(items))
        : visit_shaped(self, plan, head, items);
    Py_DECREF(items);
    return failed;
}

/* What the reader says. */
int
visit_read(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *found = PyObject_CallOneArg(plan->reader, object);
    if (found == NULL)
        return -1;
    int failed = -1;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 2)
        PyErr_SetString(PyExc_TypeError, "a reader returns a head and elements");
    else if (PyTuple_GET_ITEM(found, 0) == Py_None)
        failed = visit_finished(self, plan, PyTuple_GET_ITEM(found, 1));
    else
        failed = visit_elements(self, plan, PyTuple_GET_ITEM(found, 0),
                                PyTuple_GET_ITEM(found, 1));
    Py_DECREF(found);
    return failed;
}
