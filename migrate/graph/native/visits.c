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

/* The next item of a container, or the next key and value: 1, 0 if there is none. */
static int
visit_item(Visits *self)
{
    PyObject *key, *value, *items = self->items;
    if (PyDict_CheckExact(items)) {
        if (!PyDict_Next(items, &self->item, &key, &value))
            return 0;
        return put(self, key) < 0 || put(self, value) < 0 ? -1 : 1;
    }
    if (self->item >= PySequence_Fast_GET_SIZE(items))
        return 0;
    return put(self, PySequence_Fast_GET_ITEM(items, self->item++)) < 0 ? -1 : 1;
}

/* Go on with a container until there are enough chunks, or it is done. */
int
visit_on(Visits *self)
{
    for (; self->items_left; self->items_left--) {
        if (PyList_GET_SIZE(self->chunks) != self->enough)
            return 0;
        int found = visit_item(self);
        if (!found)
            PyErr_SetString(PyExc_RuntimeError, "a container changed while it moves");
        if (found < 1)
            return -1;
    }
    Py_CLEAR(self->items);
    return done(self, self->plan, flags_of(self->plan->head));
}

/* Begin with a container, of which not all is written at once if it is large. */
static int
visit_items(Visits *self, Plan *plan, PyObject *items, Py_ssize_t count)
{
    int width = PyDict_CheckExact(items) ? 2 : 1;
    if (begin(self, plan->head, count * width) < 0)
        return -1;
    Py_INCREF(items);
    Py_XSETREF(self->items, items);
    self->items_left = count;
    self->plan = plan;
    self->item = 0;
    return visit_on(self);
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
    return visit_items(self, plan, object, count);
}

/* A short one: how long it may be comes first. */
static int
visit_deque(Visits *self, Plan *plan, PyObject *object, PyObject *items)
{
    PyObject *longest = PyObject_GetAttr(object, str_maxlen);
    int failed = longest == NULL || PyList_Insert(items, 0, longest) < 0 ||
        visit_sequence(self, plan, plan->head, ((PyListObject *)items)->ob_item,
                       PyList_GET_SIZE(items)) < 0;
    Py_XDECREF(longest);
    return failed ? -1 : 0;
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
    if (plan->head == DEQUE) {
        int done = count >= MANY ? visit_read(self, plan, object)
                                 : visit_deque(self, plan, object, items);
        Py_DECREF(items);
        return done;
    }
    PyObject **all = PySequence_Fast_ITEMS(items);
    int failed = count >= MANY && is_uniform(all, count)
        ? visit_read(self, plan, object)
        : visit_items(self, plan, items, count);
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

/* Whether only the reader knows what a container is. */
static int
is_outside(Plan *plan, PyObject *object)
{
    if (plan->outside == NULL)
        return 0;
    PyObject *identity = PyLong_FromVoidPtr(object);
    int found = identity == NULL ? -1 : PyDict_Contains(plan->outside, identity);
    Py_XDECREF(identity);
    return found;
}

/* The place of a descriptor that has been sent before, -1 if it is none of these, -2 with
 * an exception. */
static Py_ssize_t
place_before(PyObject *before, PyObject *fileno)
{
    PyObject *known = PyDict_GetItemWithError(before, fileno);
    if (known == NULL)
        return PyErr_Occurred() ? -2 : -1;
    Py_ssize_t place = PyLong_AsSsize_t(known);
    if (place < 0 || PyDict_DelItem(before, fileno) < 0)
        return -2;
    return place;
}

/* The place that it gets among all of them, -1 with an exception. */
static Py_ssize_t
place_of(Plan *plan, PyObject *fileno)
{
    Py_ssize_t place = plan->outside == NULL ? -1 : place_before(plan->outside, fileno);
    if (place == -1 && PyList_Append(plan->adapter, fileno) == 0)
        return PyList_GET_SIZE(plan->adapter) - 1;
    return place < 0 ? -1 : place;
}

/* A descriptor goes by its place among all of them. */
static int
visit_handed(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *fileno = PyObject_GetAttr(object, str_fileno);
    Py_ssize_t place = fileno == NULL ? -1 : place_of(plan, fileno);
    Py_XDECREF(fileno);
    if (place < 0)
        return -1;
    PyObject *record = Py_BuildValue("[i[n]]", DESCRIPTOR, place);
    int failed = record == NULL || visit_finished(self, plan, record) < 0;
    Py_XDECREF(record);
    return failed ? -1 : 0;
}

int
visit(Visits *self)
{
    PyObject *object = PyList_GET_ITEM(self->objects, (Py_ssize_t)self->current);
    Plan *plan = plan_of(self, Py_TYPE(object));
    if (plan == NULL)
        return -1;
    switch (plan->way) {
    case CONTAINER: {
        int outside = is_outside(plan, object);
        if (outside < 0)
            return -1;
        return outside ? visit_read(self, plan, object)
                       : visit_container(self, plan, object);
    }
    case PLAIN:
        return visit_plain(self, plan, object);
    case DESCRIBED:
        return visit_described(self, plan, object);
    case DIRECT:
        return visit_direct(self, plan, object);
    case HANDED:
        return visit_handed(self, plan, object);
    default:
        return visit_read(self, plan, object);
    }
}
