/* One record, element by element; it is kept as a list, or written.
 *
 * It must not know how an object is read. */
#include "visits.h"

int
begin(Visits *self, uint32_t head, Py_ssize_t elements)
{
    if (self->rows != Py_None) {
        Py_XSETREF(self->row, PyList_New(elements + 1));
        if (self->row == NULL)
            return -1;
        PyObject *number = PyLong_FromUnsignedLong(head);
        if (number == NULL)
            return -1;
        PyList_SET_ITEM(self->row, 0, number);
        self->place = 1;
        return 0;
    }
    if (head >= FIRST && declare(self, head) < 0)
        return -1;
    if (place_record(self) < 0)
        return -1;
    self->open = elements < WIDTH ? elements : WIDTH;
    self->left = elements - self->open;
    if (open_record(self, self->open + 1) < 0)
        return -1;
    return write_unsigned(&self->out, head);
}

static inline int
is_short(PyObject *element, PyTypeObject *type)
{
    if (type == &PyUnicode_Type)
        return PyUnicode_GET_LENGTH(element) <= SHORT_ATOM;
    return type == &PyBytes_Type && PyBytes_GET_SIZE(element) <= SHORT_ATOM;
}

static PyObject *
boxed(PyObject *element)
{
    PyObject *box = PyList_New(1);
    if (box != NULL) {
        Py_INCREF(element);
        PyList_SET_ITEM(box, 0, element);
    }
    return box;
}

/* How one value stands in a record that is kept; a new reference. */
PyObject *
kept(Visits *self, PyObject *element)
{
    PyTypeObject *type = Py_TYPE(element);
    self->last = -1;
    if (element == Py_None || type == &PyBool_Type || type == &PyFloat_Type) {
        Py_INCREF(element);
        return element;
    }
    if (is_short(element, type)) {
        if (type == &PyBytes_Type)
            return boxed(element);
        Py_INCREF(element);
        return element;
    }
    if (type == &PyLong_Type) {
        int beyond;
        PyLong_AsLongLongAndOverflow(element, &beyond);
        if (!beyond)
            return boxed(element);
    }
    self->last = meet(self, element);
    return self->last < 0 ? NULL : PyLong_FromLongLong(self->last);
}

int
written(Visits *self, PyObject *element)
{
    PyTypeObject *type = Py_TYPE(element);
    self->last = -1;
    if (element == Py_None || type == &PyBool_Type || type == &PyFloat_Type)
        return write_any(&self->out, element);
    if (is_short(element, type)) {
        if (type == &PyUnicode_Type)
            return write_text(&self->out, element);
        if (write_array(&self->out, 1) < 0)
            return -1;
        return write_bytes(&self->out, PyBytes_AS_STRING(element),
                           (size_t)PyBytes_GET_SIZE(element));
    }
    if (type == &PyLong_Type) {
        int beyond;
        long long number = PyLong_AsLongLongAndOverflow(element, &beyond);
        if (!beyond) {
            if (write_array(&self->out, 1) < 0)
                return -1;
            return write_signed(&self->out, number);
        }
    }
    self->last = meet(self, element);
    return self->last < 0 ? -1 : write_unsigned(&self->out, (uint64_t)self->last);
}

int
put(Visits *self, PyObject *element)
{
    if (self->rows != Py_None) {
        PyObject *made = kept(self, element);
        if (made == NULL)
            return -1;
        PyList_SET_ITEM(self->row, self->place++, made);
        return 0;
    }
    if (!self->open) {
        self->open = self->left < WIDTH ? self->left : WIDTH;
        self->left -= self->open;
        if (open_record(self, self->open + 1) < 0 ||
            write_unsigned(&self->out, MORE) < 0)
            return -1;
    }
    self->open--;
    return written(self, element);
}
