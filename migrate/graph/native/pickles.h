/* A chunk of records as a pickle, and such a pickle as a chunk: the same atoms and lists
 * in the other notation, without any object between them.
 *
 * What is not as it is written here is left to plain code, which knows all that a pickle
 * may be, and what is wrong with it.  It must not know what a record means. */
#ifndef MIGRATE_PICKLES_H
#define MIGRATE_PICKLES_H

#include "tokens.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* What pickletools of the standard library says of them. */
enum {
    OP_PROTO = 0x80, OP_FRAME = 0x95, OP_MEMOIZE = 0x94, OP_STOP = '.',
    OP_NONE = 'N', OP_TRUE = 0x88, OP_FALSE = 0x89, OP_FLOAT = 'G',
    OP_INT1 = 'K', OP_INT2 = 'M', OP_INT4 = 'J', OP_LONG1 = 0x8a,
    OP_SHORT_TEXT = 0x8c, OP_TEXT = 'X', OP_SHORT_BYTES = 'C', OP_BYTES = 'B',
    OP_LIST = ']', OP_MARK = '(', OP_APPEND = 'a', OP_APPENDS = 'e'
};

#define PROTOCOL 5

/* How either went; with OTHER, plain code is to do it. */
enum { DONE = 0, OTHER = 1, FAILED = -1 };

/* The functions of the module; None where plain code is to do it. */
PyObject *pickled(PyObject *module, PyObject *chunk);
PyObject *unpickled(PyObject *module, PyObject *pickle);

static inline PyObject *
result(int went, Buffer *out)
{
    PyObject *found = NULL;
    if (went == OTHER)
        found = Py_NewRef(Py_None);
    else if (went == DONE)
        found = PyBytes_FromStringAndSize((char *)out->data, (Py_ssize_t)out->length);
    buffer_clear(out);
    return found;
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
