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

/* What the reader says. */
int
visit_read(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *found = PyObject_CallOneArg(plan->reader, object);
    if (found == NULL)
        return -1;
    int failed = -1;
    PyObject *items = NULL;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 2) {
        PyErr_SetString(PyExc_TypeError, "a reader returns a head and elements");
        goto end;
    }
    PyObject *head = PyTuple_GET_ITEM(found, 0);
    if (head == Py_None) {
        PyObject *record = PyTuple_GET_ITEM(found, 1);
        if (!PyList_Check(record) || !PyList_GET_SIZE(record)) {
            PyErr_SetString(PyExc_TypeError, "a finished record is a list");
            goto end;
        }
        long number = PyLong_AsLong(PyList_GET_ITEM(record, 0));
        if (number == -1 && PyErr_Occurred())
            goto end;
        if (self->rows != Py_None) {
            Py_INCREF(record);
            Py_XSETREF(self->row, record);
        }
        else if (place_record(self) < 0 || write_record(self, record) < 0)
            goto end;
        failed = done(self, plan, flags_of(number));
        goto end;
    }
    long number = PyLong_AsLong(head);
    if (number == -1 && PyErr_Occurred())
        goto end;
    items = PySequence_List(PyTuple_GET_ITEM(found, 1));
    if (items == NULL)
        goto end;
    if (number < FIRST) {
        failed = visit_sequence(self, plan, (uint32_t)number,
                                ((PyListObject *)items)->ob_item,
                                PyList_GET_SIZE(items));
        goto end;
    }
    PyObject *shape = PyList_GetItem(self->shapes, number - FIRST);
    if (shape == NULL)
        goto end;
    PyObject *arguments = PyObject_GetAttr(shape, str_arguments);
    if (arguments == NULL)
        goto end;
    Py_ssize_t count = PyLong_AsSsize_t(arguments);
    Py_DECREF(arguments);
    PyObject *module = PyObject_GetAttr(shape, str_module);
    if (module == NULL)
        goto end;
    int named = module != Py_None;
    Py_DECREF(module);
    if (begin(self, (uint32_t)number, PyList_GET_SIZE(items)) < 0)
        goto end;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(items); at++)
        if (put(self, PyList_GET_ITEM(items, at)) < 0 ||
            (at < count && note(self, self->last) < 0))
            goto end;
    if (!named) {
        PyObject *cls = PyObject_GetAttr(shape, str_cls);
        if (cls == NULL)
            goto end;
        int64_t needed = PyLong_AsLongLong(cls);
        Py_DECREF(cls);
        if (note(self, needed) < 0)
            goto end;
    }
    failed = done(self, plan, count || !named ? NEEDY : 0);
end:
    Py_XDECREF(items);
    Py_DECREF(found);
    return failed;
}
