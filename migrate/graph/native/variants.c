/* Variants: which shape there is for the state of an instance, as was found before.
 *
 * It must not know how a record is written. */
#include "visits.h"

void
forget_variant(Variant *variant)
{
    Py_CLEAR(variant->cls);
    Py_CLEAR(variant->names);
}

/* Whether a state has just these names, in this order. */
static int
fits(PyObject *state, PyObject *names)
{
    if (names == NULL)
        return state == Py_None;
    if (state == Py_None || PyDict_GET_SIZE(state) != PyTuple_GET_SIZE(names))
        return 0;
    PyObject *key;
    Py_ssize_t at = 0, place = 0;
    while (PyDict_Next(state, &at, &key, NULL))
        if (key != PyTuple_GET_ITEM(names, place++))
            return 0;
    return 1;
}

static Variant *
find_variant(Plan *plan, PyObject *cls, Py_ssize_t arguments, PyObject *state)
{
    for (int i = 0; i < plan->variants; i++) {
        Variant *variant = &plan->variant[i];
        if (variant->cls == cls && variant->arguments == arguments &&
            fits(state, variant->names))
            return variant;
    }
    return NULL;
}

static Variant *
keep_variant(Visits *self, Plan *plan, PyObject *cls, Py_ssize_t arguments,
             PyObject *state, long head)
{
    PyObject *shape = PyList_GetItem(self->shapes, head - FIRST);
    if (shape == NULL)
        return NULL;
    PyObject *names = NULL, *module = NULL, *own = NULL;
    names = PyObject_GetAttr(shape, str_names);
    module = PyObject_GetAttr(shape, str_module);
    if (names == NULL || module == NULL)
        goto error;
    int spoken = names == Py_True;
    if (state != Py_None && (own = PySequence_Tuple(state)) == NULL)
        goto error;
    Variant *variant = &plan->variant[plan->next];
    if (plan->variants < VARIANTS)
        plan->variants++;
    plan->next = (plan->next + 1) % VARIANTS;
    forget_variant(variant);
    Py_INCREF(variant->cls = cls);
    variant->names = own;
    variant->arguments = arguments;
    variant->head = (uint32_t)head;
    variant->spoken = (unsigned char)spoken;
    variant->flags = arguments || module == Py_None ? NEEDY : 0;
    Py_DECREF(names);
    Py_DECREF(module);
    return variant;
error:
    Py_XDECREF(names);
    Py_XDECREF(module);
    return NULL;
}

/* Whether the class of a shape goes by name. */
int
is_named(PyObject *shape)
{
    PyObject *module = PyObject_GetAttr(shape, str_module);
    if (module == NULL)
        return -1;
    int named = module != Py_None;
    Py_DECREF(module);
    return named;
}

int
read_description(PyObject *found, Description *parts)
{
    memset(parts, 0, sizeof *parts);
    if ((parts->cls = PyObject_GetAttr(found, str_cls)) == NULL ||
        (parts->arguments = PyObject_GetAttr(found, str_arguments)) == NULL ||
        (parts->state = PyObject_GetAttr(found, str_state)) == NULL)
        return -1;
    return 0;
}

void
forget_description(Description *parts)
{
    Py_XDECREF(parts->cls);
    Py_XDECREF(parts->arguments);
    Py_XDECREF(parts->state);
}

/* The head for a description; NULL if the reader has to say what is wrong with it. */
Variant *
variant_of(Visits *self, Plan *plan, PyObject *found, Description *parts)
{
    Py_ssize_t count = PyTuple_GET_SIZE(parts->arguments);
    Variant *variant = find_variant(plan, parts->cls, count, parts->state);
    if (variant != NULL)
        return variant;
    PyObject *head = PyObject_CallMethodObjArgs(self->guide, str_headOf, plan->adapter,
                                                found, NULL);
    if (head == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        return NULL;
    }
    variant = keep_variant(self, plan, parts->cls, count, parts->state,
                           PyLong_AsLong(head));
    Py_DECREF(head);
    return variant;
}

/* Whether an object has just these attributes, in this order. */
static int
fits_names(Attributes *attributes, PyObject *names)
{
    if (names == NULL || PyTuple_GET_SIZE(names) != attributes->count)
        return 0;
    for (Py_ssize_t at = 0; at < attributes->count; at++)
        if (attributes->names[at] != PyTuple_GET_ITEM(names, at))
            return 0;
    return 1;
}

/* The variant of a plain object with these attributes. */
Variant *
plain_variant(Plan *plan, Attributes *attributes)
{
    for (int i = 0; i < plan->variants; i++)
        if (fits_names(attributes, plan->variant[i].names))
            return &plan->variant[i];
    return NULL;
}

/* Remember the shape of a plain object that was read; not where names stand in the
 * record, for they are spelled in another way there. */
int
keep_plain(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *head = PyObject_CallMethodObjArgs(self->guide, str_headOfPlain,
                                                plan->adapter, object, NULL);
    if (head == NULL)
        return -1;
    int failed = 0;
    if (head != Py_None) {
        PyObject *state = PyObject_GenericGetDict(object, NULL);
        failed = state == NULL ||
            keep_variant(self, plan, (PyObject *)plan->type, 0, state,
                         PyLong_AsLong(head)) == NULL;
        Py_XDECREF(state);
    }
    Py_DECREF(head);
    return failed ? -1 : 0;
}

static inline int
is_omitted(Plan *plan, PyObject *name)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(plan->omitted); at++)
        if (PyTuple_GET_ITEM(plan->omitted, at) == name)
            return 1;
    return 0;
}

/* Whether attributes are those that a variant names, beside the omitted ones. */
int
fits_attributes(Plan *plan, Attributes *attributes, Variant *variant)
{
    if (variant->names == NULL || variant->arguments)
        return 0;
    Py_ssize_t count = PyTuple_GET_SIZE(variant->names) - plan->extras;
    Py_ssize_t place = 0;
    for (Py_ssize_t at = 0; at < attributes->count; at++) {
        PyObject *name = attributes->names[at];
        if (place < count && name == PyTuple_GET_ITEM(variant->names, place))
            place++;
        else if (!is_omitted(plan, name))
            return 0;
    }
    return place == count;
}

/* The variant of an object whose adapter adds something to these attributes. */
Variant *
direct_variant(Plan *plan, Attributes *attributes)
{
    for (int i = 0; i < plan->variants; i++)
        if (fits_attributes(plan, attributes, &plan->variant[i]))
            return &plan->variant[i];
    return NULL;
}

/* Find the shape by what the adapter says; NULL if the reader has to say it all. */
Variant *
describe_variant(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *found =
        PyObject_CallFunctionObjArgs(plan->describe, object, self->capture, NULL);
    Variant *variant = NULL;
    if (found == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        return NULL;
    }
    if ((PyObject *)Py_TYPE(found) == description_type) {
        Description parts;
        if (read_description(found, &parts) == 0 &&
            PyTuple_CheckExact(parts.arguments) &&
            !PyTuple_GET_SIZE(parts.arguments) && PyDict_CheckExact(parts.state))
            variant = variant_of(self, plan, found, &parts);
        forget_description(&parts);
    }
    Py_DECREF(found);
    return variant;
}
