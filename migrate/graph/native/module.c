/* The module migrate.graph._native.
 *
 * It must not know what its types do. */
#include "pickles.h"

static PyMethodDef functions[] = {
    {"pickled", pickled, METH_O,
     "A chunk of records as a pickle; None where plain code is to make it."},
    {"unpickled", unpickled, METH_O,
     "A pickle as a chunk of records; None where plain code is to read it."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "migrate.graph._native",
    .m_doc = "The loops of the walk and of the loading that run for every element.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    if (visits_prepare() < 0 || records_prepare() < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (PyModule_AddIntConstant(module, "VERSION", NATIVE_VERSION) < 0 ||
        PyModule_AddObjectRef(module, "Visits", (PyObject *)&VisitsType) < 0 ||
        PyModule_AddObjectRef(module, "Records", (PyObject *)&RecordsType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
