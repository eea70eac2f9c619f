/* Text and bytes that come in pieces.
 *
 * It must not know why they were cut. */
#include "records.h"

/* Bytes of one piece or more. */
PyObject *
make_bytes(Records *self, size_t number)
{
    Elements elements;
    Py_ssize_t length = 0;
    const unsigned char *at;
    PyObject *made = NULL;
    for (int pass = 0;; pass++) {
        char *into = NULL;
        if (pass) {
            made = PyBytes_FromStringAndSize(NULL, length);
            if (made == NULL)
                return NULL;
            into = PyBytes_AS_STRING(made);
        }
        if (elements_of(self, number, &elements) < 0) {
            Py_XDECREF(made);
            return NULL;
        }
        while ((at = next_element(self, &elements)) != NULL) {
            Token box = token_of(at);
            Token token = box.type == ARRAY && box.value == 1
                ? token_of(at + box.head)
                : (Token){NOTHING, 0, 0};
            if (token.type != BIN) {
                Py_XDECREF(made);
                wrong("a piece of bytes is none");
                return NULL;
            }
            if (pass) {
                memcpy(into, at + box.head + token.head, token.value);
                into += token.value;
            }
            else
                length += (Py_ssize_t)token.value;
        }
        if (pass)
            return made;
    }
}

PyObject *
make_text(Records *self, size_t number)
{
    PyObject *pieces = values_of(self, number, PY_SSIZE_T_MAX);
    if (pieces == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pieces); i++)
        if (!PyUnicode_Check(PyList_GET_ITEM(pieces, i))) {
            Py_DECREF(pieces);
            wrong("a piece of text is none");
            return NULL;
        }
    PyObject *nothing = PyUnicode_New(0, 0);
    PyObject *made = nothing == NULL ? NULL : PyUnicode_Join(nothing, pieces);
    Py_XDECREF(nothing);
    Py_DECREF(pieces);
    return made;
}
