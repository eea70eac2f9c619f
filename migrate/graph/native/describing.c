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
    int named = shape == NULL ? -1 : is_named(shape);
    if (named)
        return named < 0 ? -1 : 0;
    return note(self, find(self, variant->cls));
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

/* All elements are put; say what else is known of the object. */
static int
end_visit(Visits *self, Plan *plan, Variant *variant, PyObject *object)
{
    unsigned char flags = variant->flags;
    if ((flags && note_class(self, variant) < 0) || keep_live(self, plan, object) < 0)
        return -1;
    return done(self, plan, flags);
}

static int
visit_description(Visits *self, Plan *plan, PyObject *object, PyObject *found)
{
    int failed = -1;
    Variant *variant = NULL;
    Description parts;
    if (read_description(found, &parts) < 0)
        goto end;
    PyObject *arguments = parts.arguments, *state = parts.state;
    if (plan->homes != NULL)
        keep_home(plan, object, arguments);
    if (PyTuple_CheckExact(arguments) && (state == Py_None || PyDict_CheckExact(state)))
        variant = variant_of(self, plan, found, &parts);
    if (variant == NULL)
        failed = PyErr_Occurred() ? -1 : visit_read(self, plan, object);
    else if (put_description(self, variant, arguments, state) == 0)
        failed = end_visit(self, plan, variant, object);
end:
    forget_description(&parts);
    return failed;
}

/* A method of which it is known where its class has it: 1; 0 if that does not do. */
static int
visit_method(Visits *self, Plan *plan, PyObject *object, Home *home)
{
    PyObject *arguments =
        PyTuple_Pack(3, PyMethod_GET_SELF(object), home->owner, home->name);
    if (arguments == NULL)
        return -1;
    Description parts = {(PyObject *)&PyMethod_Type, arguments, Py_None};
    Variant *variant = variant_of(self, plan, NULL, &parts);
    int found = variant != NULL;
    if (found && (put_description(self, variant, arguments, Py_None) < 0 ||
                  end_visit(self, plan, variant, object) < 0))
        found = -1;
    Py_DECREF(arguments);
    return found;
}

int
visit_described(Visits *self, Plan *plan, PyObject *object)
{
    Home *home = plan->homes == NULL ? NULL : home_of(plan, object);
    if (home != NULL) {
        int found = visit_method(self, plan, object, home);
        if (found)
            return found < 0 ? -1 : 0;
    }
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
    int failed = visit_description(self, plan, object, found);
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

/* The variant for the attributes that were read; NULL if the reader has to say it all,
 * or with an exception. */
static Variant *
choose_direct(Visits *self, Plan *plan, PyObject *object)
{
    Attributes *attributes = &self->attributes;
    Variant *variant = direct_variant(plan, attributes);
    if (variant != NULL)
        return variant;
    variant = describe_variant(self, plan, object);
    if (variant == NULL && PyErr_Occurred())
        return NULL;
    /* That was code, and may have asked for the dictionary. */
    if (read_attributes(object, attributes) < 0 || variant == NULL)
        return NULL;
    return fits_attributes(plan, attributes, variant) ? variant : NULL;
}

static int
visit_extracted(Visits *self, Plan *plan, PyObject *object, PyObject *values)
{
    Variant *variant = NULL;
    if (read_attributes(object, &self->attributes) < 0)
        return -1;
    if (PyTuple_CheckExact(values) && PyTuple_GET_SIZE(values) == plan->extras) {
        variant = choose_direct(self, plan, object);
        if (variant == NULL && PyErr_Occurred())
            return -1;
    }
    if (variant == NULL || variant->spoken)
        return visit_read(self, plan, object);
    if (put_direct(self, plan, variant, values) < 0)
        return -1;
    return end_visit(self, plan, variant, object);
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
    int failed = visit_extracted(self, plan, object, values);
    Py_DECREF(values);
    return failed;
}
