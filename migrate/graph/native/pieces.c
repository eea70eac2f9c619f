/* Text and bytes that come in pieces.
 *
 * It must not know why they were cut. */
#include "records.h"

/* The next piece of bytes; NULL after the last, or with an exception. */
static const unsigned char *
next_piece(Records *self, Elements *elements, size_t *length)
{
    Token box;
    const unsigned char *at = next_token(self, elements, &box);
    if (at == NULL)
        return NULL;
    Token token = box.type == ARRAY && box.value == 1 ? token_of(at + box.head)
                                                      : (Token){NOTHING, 0, 0};
    if (token.type != BIN) {
        wrong("a piece of bytes is none");
        return NULL;
    }
    *length = token.value;
    return at + box.head + token.head;
}

/* The length of all pieces; -1 with an exception. */
static Py_ssize_t
length_of(Records *self, size_t number)
{
    Elements elements;
    size_t length, all = 0;
    if (elements_of(self, number, &elements) < 0)
        return -1;
    while (next_piece(self, &elements, &length) != NULL)
        all += length;
    return PyErr_Occurred() ? -1 : (Py_ssize_t)all;
}

PyObject *
make_bytes(Records *self, size_t number)
{
    Elements elements;
    const unsigned char *at;
    size_t length;
    Py_ssize_t all = length_of(self, number);
    if (all < 0 || elements_of(self, number, &elements) < 0)
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, all);
    if (made == NULL)
        return NULL;
    char *into = PyBytes_AS_STRING(made);
    while ((at = next_piece(self, &elements, &length)) != NULL) {
        memcpy(into, at, length);
        into += length;
    }
    return made;
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
