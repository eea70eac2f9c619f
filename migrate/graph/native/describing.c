/* The visits of objects that an adapter describes.
 *
 * It must not know any adapter, nor how a shape is found. */
#include "visits.h"

static int
put_state(Visits *self, PyObject *state, int spoken)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (state == Py_None)
        return 0;
    while (PyDict_Next(state, &at, &key, &value))
        if ((spoken && put(self, key) < 0) || put(self, value) < 0)
            return -1;
    return 0;
}

static int
put_description(Visits *self, Variant *variant, PyObject *arguments, PyObject *state)
{
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    Py_ssize_t names = state == Py_None ? 0 : PyDict_GET_SIZE(state);
    if (begin(self, variant->head, count + names * (variant->spoken ? 2 : 1)) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < count; at++)
        if (put(self, PyTuple_GET_ITEM(arguments, at)) < 0 ||
            note(self, self->last) < 0)
            return -1;
    return put_state(self, state, variant->spoken);
}

static int
note_class(Visits *self, Variant *variant)
{
    PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)variant->head - FIRST);
    if (shape == NULL)
        return -1;
    PyObject *module = PyObject_GetAttr(shape, str_module);
    if (module == NULL)
        return -1;
    int named = module != Py_None;
    Py_DECREF(module);
    return named ? 0 : note(self, find(self, variant->cls));
}

static int
keep_live(Visits *self, Plan *plan, PyObject *object)
{
    if (!plan->live)
        return 0;
    PyObject *live = PyTuple_Pack(2, plan->adapter, object);
    int failed = live == NULL || PyList_Append(self->live, live) < 0;
    Py_XDECREF(live);
    return failed ? -1 : 0;
}

int
visit_described(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *pair[2] = {object, self->capture};
    PyObject *found = PyObject_Vectorcall(plan->describe, pair, 2, NULL);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return visit_read(self, plan, object);
    }
    if ((PyObject *)Py_TYPE(found) != description_type) {
        Py_DECREF(found);
        return visit_read(self, plan, object);
    }
    int failed = -1;
    PyObject *cls = PyObject_GetAttr(found, str_cls);
    PyObject *arguments = PyObject_GetAttr(found, str_arguments);
    PyObject *state = PyObject_GetAttr(found, str_state);
    if (cls == NULL || arguments == NULL || state == NULL)
        goto end;
    Variant *variant = NULL;
    if (PyTuple_CheckExact(arguments) && (state == Py_None || PyDict_CheckExact(state)))
        variant = variant_of(self, plan, found, cls, arguments, state);
    if (variant == NULL) {
        failed = PyErr_Occurred() ? -1 : visit_read(self, plan, object);
        goto end;
    }
    unsigned char flags = variant->flags;
    if (put_description(self, variant, arguments, state) < 0)
        goto end;
    if (flags && note_class(self, variant) < 0)
        goto end;
    if (keep_live(self, plan, object) < 0)
        goto end;
    failed = done(self, plan, flags);
end:
    Py_XDECREF(cls);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    Py_DECREF(found);
    return failed;
}

static int
put_direct(Visits *self, Plan *plan, Variant *variant, PyObject *values)
{
    Attributes *attributes = &self->attributes;
    Py_ssize_t place = 0, count = PyTuple_GET_SIZE(variant->names) - plan->extras;
    if (begin(self, variant->head, PyTuple_GET_SIZE(variant->names)) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < attributes->count && place < count; at++) {
        if (attributes->names[at] != PyTuple_GET_ITEM(variant->names, place))
            continue;
        place++;
        if (put(self, attributes->values[at]) < 0)
            return -1;
    }
    for (Py_ssize_t at = 0; at < plan->extras; at++)
        if (put(self, PyTuple_GET_ITEM(values, at)) < 0)
            return -1;
    return 0;
}

/* Attributes that need no telling, and what the adapter has to say beside. */
int
visit_direct(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *pair[2] = {object, self->capture};
    PyObject *values = PyObject_Vectorcall(plan->extract, pair, 2, NULL);
    if (values == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return visit_read(self, plan, object);
    }
    int failed = -1;
    Variant *variant = NULL;
    Attributes *attributes = &self->attributes;
    if (read_attributes(object, attributes) < 0)
        goto end;
    if (PyTuple_CheckExact(values) && PyTuple_GET_SIZE(values) == plan->extras) {
        variant = direct_variant(plan, attributes);
        if (variant == NULL) {
            variant = describe_variant(self, plan, object);
            if (variant == NULL && PyErr_Occurred())
                goto end;
            /* That was code, and may have asked for the dictionary. */
            if (read_attributes(object, attributes) < 0)
                goto end;
            if (variant != NULL && !fits_attributes(plan, attributes, variant))
                variant = NULL;
        }
    }
    if (variant == NULL || variant->spoken) {
        failed = visit_read(self, plan, object);
        goto end;
    }
    if (put_direct(self, plan, variant, values) < 0)
        goto end;
    if (variant->flags && note_class(self, variant) < 0)
        goto end;
    if (keep_live(self, plan, object) < 0)
        goto end;
    failed = done(self, plan, variant->flags);
end:
    Py_DECREF(values);
    return failed;
}
