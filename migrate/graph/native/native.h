/* What the compiled parts of the graph have in common.
 *
 * Whatever is done here, plain Python beside it does too, with the same result; the
 * same tests are run with either.  It must not know what visits and records keep.
 */
#ifndef MIGRATE_NATIVE_H
#define MIGRATE_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* Outside, nothing is seen of these files but the beginning of the module. */
#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* Raised whenever compiled and plain code no longer fit each other. */
#define NATIVE_VERSION 4

/* As in migrate.graph.records, which a test compares. */
#define SHORT_ATOM 64
#define WIDTH 1024
#define MANY 8
#define CHUNK_BYTES (1 << 16)
#define FIRST_BYTES (1 << 10)

#define METHODS "method"

enum {
    MORE, SHAPE, END, TEXT, BYTES, INT, NAMED, EXTERNAL, DESCRIPTOR, WEAK,
    LIST, TUPLE, SET, FROZENSET, DICT,
    RAW_LIST, RAW_TUPLE, RAW_SET, RAW_FROZENSET, RAW_DICT,
    REFUSED, LATER, AT, BLOB, PART, SPENT, DEQUE, FIRST = 32
};

/* Bytes that grow. */
typedef struct {
    unsigned char *data;
    size_t length;
    size_t capacity;
} Buffer;

/* Items of which there may be one more: they have moved if there was no room for it,
 * which is for twice as many then. NULL with an exception, and they stay. */
void *grown(void *items, size_t count, size_t *room, size_t first, size_t size);

int buffer_reserve(Buffer *buffer, size_t more);
void buffer_clear(Buffer *buffer);

/* MessagePack; each returns 0, or -1 with an exception. */
int write_array(Buffer *out, size_t length);
int write_unsigned(Buffer *out, uint64_t value);
int write_signed(Buffer *out, int64_t value);
int write_text(Buffer *out, PyObject *text);
int write_utf8(Buffer *out, const char *data, size_t length);
int write_bytes(Buffer *out, const char *data, size_t length);
int write_float(Buffer *out, double value);
/* Atoms, and lists of atoms. */
int write_any(Buffer *out, PyObject *value);

/* The attributes in the instance dictionary of an object, in their order. */
typedef struct {
    PyObject **names; /* borrowed from the object, as the values */
    PyObject **values;
    Py_ssize_t count, room;
} Attributes;

/* An object that has a dictionary gets none here: it would keep it, and be slower. */
int read_attributes(PyObject *object, Attributes *attributes);
void attributes_clear(Attributes *attributes);

/* What the module shows, and what comes before that. */
extern PyObject *str_fileno;
extern PyTypeObject VisitsType;
extern PyTypeObject RecordsType;
int visits_prepare(void);
int records_prepare(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
