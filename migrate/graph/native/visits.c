/* The visits of plain objects and containers, and which visit an object gets.
 *
 * It must not know how records are written, nor which object comes next. */
#include "visits.h"

static inline int
is_atom(PyTypeObject *type)
{
    return type == &PyUnicode_Type || type == &PyLong_Type ||
        type == &PyBytes_Type || type == &PyFloat_Type;
}

/* Whether nothing but atoms of one type are there. */
static int
is_uniform(PyObject **items, Py_ssize_t count)
{
    PyTypeObject *type = Py_TYPE(items[0]);
    if (!is_atom(type))
        return 0;
    for (Py_ssize_t at = 1; at < count; at++)
        if (Py_TYPE(items[at]) != type)
            return 0;
    return 1;
}

static int
visit_dict(Visits *self, Plan *plan, PyObject *object)
{
    Py_ssize_t count = PyDict_GET_SIZE(object), at = 0;
    PyObject *key, *value;
    if (count >= MANY) {
        PyTypeObject *keys = NULL, *values = NULL;
        int uniform = 1;
        while (uniform && PyDict_Next(object, &at, &key, &value)) {
            if (keys == NULL) {
                keys = Py_TYPE(key);
                values = Py_TYPE(value);
                uniform = is_atom(keys) && is_atom(values);
            }
            else
                uniform = Py_TYPE(key) == keys && Py_TYPE(value) == values;
        }
        if (uniform)
            return visit_read(self, plan, object);
        at = 0;
    }
    if (begin(self, plan->head, 2 * count) < 0)
        return -1;
    while (PyDict_Next(object, &at, &key, &value))
        if (put(self, key) < 0 || put(self, value) < 0)
            return -1;
    return done(self, plan, 0);
}

static int
visit_container(Visits *self, Plan *plan, PyObject *object)
{
    if (plan->type == &PyDict_Type)
        return visit_dict(self, plan, object);
    PyObject *items;
    if (plan->type == &PyList_Type || plan->type == &PyTuple_Type) {
        Py_INCREF(object);
        items = object;
    }
    else
        items = PySequence_List(object);
    if (items == NULL)
        return -1;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    PyObject **all = PySequence_Fast_ITEMS(items);
    int failed = count >= MANY && is_uniform(all, count)
        ? visit_read(self, plan, object)
        : visit_sequence(self, plan, plan->head, all, count);
    Py_DECREF(items);
    return failed;
}

static int
visit_plain(Visits *self, Plan *plan, PyObject *object)
{
    Attributes *attributes = &self->attributes;
    if (read_attributes(object, attributes) < 0)
        return -1;
    Variant *variant = plain_variant(plan, attributes);
    if (variant == NULL) {
        if (visit_read(self, plan, object) < 0)
            return -1;
        if (self->flags[self->current] & OUTSIDE_GRAPH)
            return 0;
        return keep_plain(self, plan, object);
    }
    if (begin(self, variant->head, attributes->count) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < attributes->count; at++)
        if (put(self, attributes->values[at]) < 0)
            return -1;
    return done(self, plan, variant->flags);
}

int
visit(Visits *self)
{
    PyObject *object = PyList_GET_ITEM(self->objects, (Py_ssize_t)self->current);
    Plan *plan = plan_of(self, Py_TYPE(object));
    if (plan == NULL)
        return -1;
    switch (plan->way) {
    case CONTAINER:
        return visit_container(self, plan, object);
    case PLAIN:
        return visit_plain(self, plan, object);
    case DESCRIBED:
        return visit_described(self, plan, object);
    case DIRECT:
        return visit_direct(self, plan, object);
    default:
        return visit_read(self, plan, object);
    }
}
