/* The Python type: its methods and its life.
 *
 * It must not know how anything is visited. */
#include "visits.h"

PyObject *description_type;
PyObject *str_cls, *str_arguments, *str_state, *str_module, *str_names;
PyObject *str_record, *str_headOf, *str_headOfPlain, *str_plan;
PyObject *str_fileno, *str_maxlen;

static PyObject *
visits_drain(Visits *self, PyObject *Py_UNUSED(none))
{
    self->enough = PyList_GET_SIZE(self->chunks);
    if (self->items == NULL && queue(self, 0) < 0)
        return NULL;
    while (PyList_GET_SIZE(self->chunks) == self->enough) {
        if (self->items == NULL && !next_object(self))
            break;
        if ((self->items == NULL ? visit(self) : visit_on(self)) < 0)
            return NULL;
        if (self->items == NULL && queue(self, (uint32_t)self->current) < 0)
            return NULL;
    }
    int done = self->items == NULL && self->active.next == self->active.end &&
        !self->few.count && !self->many.count;
    return PyBool_FromLong(done);
}

static PyObject *
visits_meet(Visits *self, PyObject *object)
{
    int64_t number = meet(self, object);
    return number < 0 ? NULL : PyLong_FromLongLong(number);
}

static PyObject *
visits_number(Visits *self, PyObject *object)
{
    return PyLong_FromLongLong(find(self, object));
}

static PyObject *
visits_moves(Visits *self, PyObject *object)
{
    int64_t number = find(self, object);
    int moves = number >= 0 && (size_t)number < self->known &&
        self->flags[number] & VISITED && !(self->flags[number] & OUTSIDE_GRAPH);
    return PyBool_FromLong(moves);
}

static PyObject *
visits_parent(Visits *self, PyObject *argument)
{
    size_t number = PyLong_AsSize_t(argument);
    if (number == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (self->rows == Py_None) {
        PyErr_SetString(PyExc_ValueError, "records are written, not kept");
        return NULL;
    }
    if (number >= self->known) {
        PyErr_SetString(PyExc_IndexError, "no such object");
        return NULL;
    }
    return PyLong_FromUnsignedLong(self->parents[number]);
}

static PyObject *
visits_knots(Visits *self, PyObject *Py_UNUSED(none))
{
    for (size_t at = 0; at < self->mention_count; at++) {
        uint32_t number = self->mentions[at];
        if (number < self->known && self->flags[number] & NEEDY)
            Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

static PyObject *
visits_counts(Visits *self, PyObject *Py_UNUSED(none))
{
    PyObject *counts = PyDict_New();
    for (size_t at = 0; counts != NULL && at < self->plan_slots; at++) {
        Plan *plan = self->plans[at];
        if (plan == NULL || !plan->count)
            continue;
        PyObject *count = PyLong_FromSsize_t(plan->count);
        if (count == NULL || PyDict_SetItem(counts, (PyObject *)plan->type, count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(count);
    }
    return counts;
}

static PyObject *
visits_later(Visits *self, PyObject *args)
{
    Py_ssize_t number;
    PyObject *value;
    if (!PyArg_ParseTuple(args, "nO", &number, &value))
        return NULL;
    if (self->rows == Py_None) {
        if (open_record(self, 3) < 0 || write_unsigned(&self->out, LATER) < 0 ||
            write_unsigned(&self->out, (uint64_t)number) < 0 ||
            written(self, value) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *row = PyList_GetItem(self->rows, number);
    if (row == NULL)
        return NULL;
    PyObject *element = kept(self, value);
    if (element == NULL)
        return NULL;
    int failed = PyList_Append(row, element);
    Py_DECREF(element);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
visits_add(Visits *self, PyObject *records)
{
    if (!PyList_Check(records)) {
        PyErr_SetString(PyExc_TypeError, "records are a list");
        return NULL;
    }
    if (self->rows != Py_None)
        Py_RETURN_NONE;
    if (self->items != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a record is open");
        return NULL;
    }
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(records); at++) {
        PyObject *record = PyList_GET_ITEM(records, at);
        if (!PyList_Check(record) || !PyList_GET_SIZE(record)) {
            PyErr_SetString(PyExc_TypeError, "a record is a list");
            return NULL;
        }
        if (write_record(self, record) < 0)
            return NULL;
    }
    if (flush(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
visits_end(Visits *self, PyObject *Py_UNUSED(none))
{
    if (open_record(self, 2) < 0 || write_unsigned(&self->out, END) < 0 ||
        write_unsigned(&self->out, self->visited) < 0 || flush(self) < 0)
        return NULL;
    buffer_clear(&self->out);
    Py_RETURN_NONE;
}

static PyObject *
visits_amid(Visits *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(self->items != NULL);
}

static PyObject *
visits_take(Visits *self, PyObject *Py_UNUSED(none))
{
    PyObject *fresh = PyList_New(0);
    if (fresh == NULL)
        return NULL;
    PyObject *chunks = self->chunks;
    self->chunks = fresh;
    return chunks;
}

static PyObject *
visits_forget(Visits *self, PyObject *Py_UNUSED(none))
{
    PyMem_Free(self->table);
    self->table = NULL;
    self->slots = 0;
    if (PyList_SetSlice(self->objects, 0, PyList_GET_SIZE(self->objects), NULL) < 0)
        return NULL;
    self->known = 0;
    Py_INCREF(Py_None);
    Py_SETREF(self->guide, Py_None);
    Py_RETURN_NONE;
}

static int
visits_init(Visits *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"guide", "keep", NULL};
    PyObject *guide;
    int keep;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Op", names, &guide, &keep))
        return -1;
    if (self->objects != NULL) {
        PyErr_SetString(PyExc_TypeError, "visits begin once");
        return -1;
    }
    Py_INCREF(self->guide = guide);
    self->full = FIRST_BYTES;
    self->objects = PyList_New(0);
    self->chunks = PyList_New(0);
    self->shapes = PyObject_GetAttrString(guide, "shapes");
    self->capture = PyObject_GetAttrString(guide, "capture");
    self->live = PyObject_GetAttrString(guide, "live");
    if (keep)
        self->rows = PyList_New(0);
    else
        Py_INCREF(self->rows = Py_None);
    if (!self->objects || !self->chunks || !self->rows || !self->shapes ||
        !self->capture || !self->live)
        return -1;
    if (!PyList_Check(self->shapes) || !PyList_Check(self->live)) {
        PyErr_SetString(PyExc_TypeError, "a guide has lists");
        return -1;
    }
    return 0;
}

static int
visits_traverse(Visits *self, visitproc visit, void *arg)
{
    Py_VISIT(self->objects);
    Py_VISIT(self->rows);
    Py_VISIT(self->guide);
    Py_VISIT(self->shapes);
    Py_VISIT(self->capture);
    Py_VISIT(self->live);
    Py_VISIT(self->chunks);
    Py_VISIT(self->row);
    Py_VISIT(self->items);
    for (size_t at = 0; at < self->plan_slots; at++) {
        Plan *plan = self->plans[at];
        if (plan == NULL)
            continue;
        Py_VISIT(plan->type);
        Py_VISIT(plan->reader);
        Py_VISIT(plan->adapter);
        Py_VISIT(plan->describe);
        Py_VISIT(plan->extract);
        Py_VISIT(plan->omitted);
        Py_VISIT(plan->outside);
        for (int i = 0; plan->homes != NULL && i < HOMES; i++)
            Py_VISIT(plan->homes[i].owner);
        for (int i = 0; i < plan->variants; i++) {
            Py_VISIT(plan->variant[i].cls);
            Py_VISIT(plan->variant[i].names);
        }
    }
    return 0;
}

static int
visits_clear(Visits *self)
{
    size_t slots = self->plan_slots;
    Plan **plans = self->plans;
    self->plans = NULL;
    self->plan_slots = self->plan_count = 0;
    for (size_t at = 0; at < slots; at++)
        if (plans[at] != NULL)
            forget_plan(plans[at]);
    PyMem_Free(plans);
    /* Nothing can be found any more in what is not there. */
    PyMem_Free(self->table);
    self->table = NULL;
    self->slots = 0;
    Py_CLEAR(self->objects);
    Py_CLEAR(self->rows);
    Py_CLEAR(self->guide);
    Py_CLEAR(self->shapes);
    Py_CLEAR(self->capture);
    Py_CLEAR(self->live);
    Py_CLEAR(self->chunks);
    Py_CLEAR(self->row);
    Py_CLEAR(self->items);
    return 0;
}

static void
visits_dealloc(Visits *self)
{
    PyObject_GC_UnTrack(self);
    visits_clear(self);
    PyMem_Free(self->flags);
    PyMem_Free(self->parents);
    PyMem_Free(self->few.ranges);
    PyMem_Free(self->many.ranges);
    PyMem_Free(self->mentions);
    buffer_clear(&self->out);
    attributes_clear(&self->attributes);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
visits_objects(Visits *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->objects);
    return self->objects;
}

static PyObject *
visits_rows(Visits *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->rows);
    return self->rows;
}

static PyMethodDef methods[] = {
    {"amid", (PyCFunction)visits_amid, METH_NOARGS, "See the plain one."},
    {"drain", (PyCFunction)visits_drain, METH_NOARGS, "See the plain one."},
    {"meet", (PyCFunction)visits_meet, METH_O, "See the plain one."},
    {"number", (PyCFunction)visits_number, METH_O, "See the plain one."},
    {"moves", (PyCFunction)visits_moves, METH_O, "See the plain one."},
    {"parent", (PyCFunction)visits_parent, METH_O, "See the plain one."},
    {"knots", (PyCFunction)visits_knots, METH_NOARGS, "See the plain one."},
    {"counts", (PyCFunction)visits_counts, METH_NOARGS, "See the plain one."},
    {"later", (PyCFunction)visits_later, METH_VARARGS, "See the plain one."},
    {"add", (PyCFunction)visits_add, METH_O, "See the plain one."},
    {"end", (PyCFunction)visits_end, METH_NOARGS, "See the plain one."},
    {"forget", (PyCFunction)visits_forget, METH_NOARGS, "See the plain one."},
    {"take", (PyCFunction)visits_take, METH_NOARGS, "See the plain one."},
    {NULL},
};

static PyGetSetDef members[] = {
    {"objects", (getter)visits_objects, NULL, "See the plain one."},
    {"rows", (getter)visits_rows, NULL, "See the plain one."},
    {NULL},
};

PyTypeObject VisitsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.graph._native.Visits",
    .tp_doc = "All visits of one walk.",
    .tp_basicsize = sizeof(Visits),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)visits_init,
    .tp_traverse = (traverseproc)visits_traverse,
    .tp_clear = (inquiry)visits_clear,
    .tp_dealloc = (destructor)visits_dealloc,
    .tp_methods = methods,
    .tp_getset = members,
};

int
visits_prepare(void)
{
    PyObject *model = PyImport_ImportModule("migrate.model");
    if (model == NULL)
        return -1;
    description_type = PyObject_GetAttrString(model, "Description");
    Py_DECREF(model);
    str_cls = PyUnicode_InternFromString("cls");
    str_arguments = PyUnicode_InternFromString("arguments");
    str_state = PyUnicode_InternFromString("state");
    str_module = PyUnicode_InternFromString("module");
    str_names = PyUnicode_InternFromString("names");
    str_record = PyUnicode_InternFromString("record");
    str_headOf = PyUnicode_InternFromString("headOf");
    str_headOfPlain = PyUnicode_InternFromString("headOfPlain");
    str_plan = PyUnicode_InternFromString("plan");
    str_fileno = PyUnicode_InternFromString("fileno");
    str_maxlen = PyUnicode_InternFromString("maxlen");
    if (!description_type || !str_cls || !str_arguments || !str_state || !str_module ||
        !str_names || !str_record || !str_headOf ||
        !str_headOfPlain || !str_plan || !str_fileno || !str_maxlen)
        return -1;
    return PyType_Ready(&VisitsType);
}
