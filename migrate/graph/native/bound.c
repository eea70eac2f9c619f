/* Bound methods that arrive: plain code is asked only once what a class has as a method
 * of a name.
 *
 * It must not know how that is found out. */
#include "records.h"

/* Methods are remembered where the usual adapter makes them. */
int
read_methods(Kind *kind, PyObject *found)
{
    PyObject *adapter = PyObject_GetAttrString(found, "adapter");
    int usual = adapter == NULL ? -1 : PyUnicode_Check(adapter) &&
        PyUnicode_CompareWithASCIIString(adapter, METHODS) == 0;
    Py_XDECREF(adapter);
    if (usual < 1 || kind->known != (PyObject *)&PyMethod_Type || kind->needed != 3)
        return usual < 0 ? -1 : 0;
    kind->methods = PyMem_Calloc(METHODS_KEPT, sizeof *kind->methods);
    if (kind->methods == NULL)
        PyErr_NoMemory();
    return kind->methods == NULL ? -1 : 0;
}

static void
forget_method(Found *found)
{
    Py_CLEAR(found->owner);
    Py_CLEAR(found->name);
    Py_CLEAR(found->function);
}

void
forget_methods(Kind *kind)
{
    for (int i = 0; kind->methods != NULL && i < METHODS_KEPT; i++)
        forget_method(&kind->methods[i]);
    PyMem_Free(kind->methods);
    kind->methods = NULL;
}

/* Where it is remembered what a class has under a name; NULL if nothing can be. */
static Found *
place_of_method(Kind *kind, PyObject *arguments)
{
    if (kind->methods == NULL || PyTuple_GET_SIZE(arguments) != 3 ||
        !PyUnicode_CheckExact(PyTuple_GET_ITEM(arguments, 2)))
        return NULL;
    uintptr_t owner = (uintptr_t)PyTuple_GET_ITEM(arguments, 1);
    Py_hash_t name = PyObject_Hash(PyTuple_GET_ITEM(arguments, 2));
    return &kind->methods[((owner >> 4) * 31 + (size_t)name) % METHODS_KEPT];
}

/* A new method; NULL without an exception if it is not known. */
PyObject *
bound_method(Kind *kind, PyObject *arguments)
{
    Found *found = place_of_method(kind, arguments);
    if (found == NULL || found->owner != PyTuple_GET_ITEM(arguments, 1) ||
        PyUnicode_Compare(found->name, PyTuple_GET_ITEM(arguments, 2)) != 0)
        return NULL;
    return PyMethod_New(found->function, PyTuple_GET_ITEM(arguments, 0));
}

/* Remember what plain code has made. */
void
keep_method(Kind *kind, PyObject *arguments, PyObject *made)
{
    Found *found = place_of_method(kind, arguments);
    if (found == NULL || !PyMethod_Check(made) ||
        PyMethod_GET_SELF(made) != PyTuple_GET_ITEM(arguments, 0))
        return;
    forget_method(found);
    Py_INCREF(found->owner = PyTuple_GET_ITEM(arguments, 1));
    Py_INCREF(found->name = PyTuple_GET_ITEM(arguments, 2));
    Py_INCREF(found->function = PyMethod_GET_FUNCTION(made));
}
