/* What is told of objects that can move unless an attribute of theirs is true: nothing.
 * See migrate.adapters.protocols, which does the same.
 *
 * It must not know what the attribute means. */
#include "native.h"

enum { NAME = SLOW + 1, NOTHING, ARGUMENTS };

static PyTypeObject *const wanted[ARGUMENTS] = {
    [NAME] = &PyUnicode_Type, [NOTHING] = &PyTuple_Type,
};

/* Called with an object and the capture. */
static PyObject *
extract(PyObject *callee, PyObject *const *parts, size_t count, PyObject *names)
{
    Callee *self = (Callee *)callee;
    if (are_values(count, names, 2) && is_true(parts[0], self->held[NAME]) == 0)
        return Py_NewRef(self->held[NOTHING]);
    return call_slow_instead(self, parts, count);
}

PyObject *
quiet_extractor(PyObject *module, PyObject *arguments)
{
    return make_callee(extract, arguments, wanted, ARGUMENTS);
}
