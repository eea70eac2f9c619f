/* The module migrate.adapters._native.
 *
 * It must not know what its functions do. */
#include "native.h"

static PyMethodDef methods[] = {
    {"socketRestorer", socket_restorer, METH_VARARGS, NULL},
    {"socketExtractor", socket_extractor, METH_VARARGS, NULL},
    {"timerRestorer", timer_restorer, METH_VARARGS, NULL},
    {"timerExtractor", timer_extractor, METH_VARARGS, NULL},
    {"arrange", arrange, METH_VARARGS, NULL},
    {"quietExtractor", quiet_extractor, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "migrate.adapters._native",
    .m_doc = "What adapters do to each of thousands of objects.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    if (names_prepare() < 0 || PyType_Ready(&CalleeType) < 0)
        return NULL;
    sockets_prepare();
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL &&
        PyModule_AddIntConstant(module, "VERSION", NATIVE_VERSION) < 0)
        Py_CLEAR(module);
    if (module != NULL && PyModule_AddType(module, &LookoutType) < 0)
        Py_CLEAR(module);
    return module;
}
