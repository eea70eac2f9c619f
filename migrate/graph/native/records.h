/* The records of a table that arrives, and the objects that are made of them: see
 * migrate.graph.taking, which does the same.
 *
 * Chunks are kept as they came, and every record is found in them by its number.
 * Whatever is in a chunk is checked when it comes: nothing that is read later can lead
 * out of it.  It must not know how graphs are walked. */
#ifndef MIGRATE_RECORDS_H
#define MIGRATE_RECORDS_H

#include "tokens.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* What is known of a record. */
enum { EXTENDED = 1, TOWER = 2, FULL = 4 };

/* Records that are longer are made and filled when all have come. */
#define LONG 256
/* How many chunks an object is waited for by what mentions it, until then. */
#define PATIENCE 4

/* What waits, and for how many chunks. */
typedef struct {
    uint32_t number;
    unsigned char age;
} Pending;

/* What a file has of a large byte string; with a length of 0, that it has no more. */
typedef struct {
    uint64_t number, begin, place, at, length;
} Part;

/* Who makes and fills the objects of a kind. */
enum { GENERIC, SWIFT, ADAPTED, DIRECT };

/* What a class has as a method of a name: found by plain code once. */
typedef struct {
    PyObject *owner, *name, *function;
} Found;

/* As many are remembered. */
#define METHODS_KEPT 64

/* What becomes of the records of one head. */
typedef struct {
    int way;
    PyObject *blank;  /* makes an object; NULL if it needs more */
    PyObject *maker;  /* makes one of a class and arguments */
    PyObject *known;  /* the class, where it goes by name */
    PyObject *filler; /* fills one; NULL if nothing is left to do */
    PyObject *names;  /* a tuple of text */
    PyTypeObject *cls;  /* for SWIFT and DIRECT */
    PyObject *restorer; /* for DIRECT: told of the values beside the attributes */
    Py_ssize_t extras;  /* how many there are */
    Py_ssize_t needed; /* elements that are arguments */
    int64_t class_number; /* the class, where it is an object of the graph */
    char complete, whole, immediate;
    Found *methods; /* for bound methods; otherwise NULL */
} Kind;

/* Elements of an earlier record. */
typedef struct {
    const unsigned char *at;
    uint32_t count;
} Extension;

/* All that has come of one table. */
typedef struct {
    PyObject_HEAD
    PyObject *chunks;
    PyObject *made;
    PyObject *missing;
    PyObject *natives; /* what becomes of records, by head */
    PyObject *loading;
    PyObject *shape_came; /* told of a shape, returns what becomes of it */
    PyObject *extended;   /* record -> list of places among the extensions */
    const unsigned char **rows; /* by number; NULL if one has not come */
    unsigned char *flags;
    unsigned char *whole; /* whether each is filled, with all that is reachable */
    size_t count, room, come;
    size_t taken; /* of those that have come, objects that move */
    size_t next;     /* the number of the next record */
    size_t elements; /* that have come: no more objects than these are mentioned */
    PyObject *filenos; /* the descriptors that have come */
    Part *parts;       /* in the order of their coming; those before part are done */
    size_t part, part_count, part_room;
    PyObject *blob; /* the large byte string that is being read, or NULL */
    uint64_t blob_number, blob_filled;
    Pending *pending;
    size_t pending_count, pending_room;
    Kind *kinds;
    size_t kind_count, kind_room;
    Extension *extensions;
    size_t extension_count, extension_room;
    int complete; /* the end has come */
    int final;    /* and all descriptors: what is not there will never be */
} Records;

/* What plain code is asked for, and what is needed over and over. */
extern PyObject *descriptor_type, *deque_type, *empty_tuple;
extern PyObject *str_number, *str_extend;

/* The elements of a record, one after the other, and of what extends it. */
typedef struct {
    const unsigned char *at;
    uint64_t left;
    PyObject *more; /* borrowed: places of extensions; NULL if there are none */
    Py_ssize_t next;
} Elements;

/* How the filling of an object went. */
enum { FILLED, SLOW, HASHING, FAILED = -1 };

/* records.c; what returns an int returns -1 with an exception. */
int keep_row(Records *self, const unsigned char *at, uint64_t head, uint64_t elements);
int extend_row(Records *self, size_t number, const unsigned char *at, uint64_t count);
int elements_of(Records *self, size_t number, Elements *elements);
int next_extension(Records *self, Elements *elements);
Py_ssize_t count_elements(Records *self, size_t number);
PyObject *values_of(Records *self, size_t number, Py_ssize_t limit);
int keep_made(Records *self, size_t number, PyObject *object);
int turn(Records *self, size_t number);
int blame(Records *self, size_t number);
unsigned char *marks_of(Records *self, PyObject *array);
int append_number(PyObject *list, size_t number);

/* kinds.c */
int keep_kind(Records *self, PyObject *found);
void forget_kind(Kind *kind);

/* parts.c */
int take_part(Records *self, const unsigned char *at, uint64_t head, uint64_t count);
int read_parts(Records *self);

/* pieces.c and making.c; what cannot be made yet stays missing. */
PyObject *make_text(Records *self, size_t number);
PyObject *make_bytes(Records *self, size_t number);
int make_atom(Records *self, size_t number, unsigned char *whole);
int make_one(Records *self, size_t number, unsigned char *whole);

/* bound.c */
int read_methods(Kind *kind, PyObject *found);
void forget_methods(Kind *kind);
PyObject *bound_method(Kind *kind, PyObject *arguments);
void keep_method(Kind *kind, PyObject *arguments, PyObject *made);

/* filling.c */
int is_ready(Records *self, size_t number);
int fill_attributes(Records *self, size_t number, Kind *kind, PyObject *object);
int fill_one(Records *self, size_t number, unsigned char *whole);

/* progress.c */
int await(Records *self, size_t number);
int progress(Records *self);

/* The methods in taking.c, making.c, filling.c and finishing.c */
PyObject *records_take(Records *self, PyObject *chunk);
PyObject *records_make(Records *self, PyObject *array);
PyObject *records_fill(Records *self, PyObject *args);
PyObject *records_finish(Records *self, PyObject *args);

/* Whether an object is not made yet. */
static inline int
is_missing(Records *self, size_t number)
{
    return PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing;
}

/* An element as the object that it is; a new reference. */
static inline PyObject *
value_of_token(Records *self, const unsigned char *at, Token token)
{
    if (token.type == UNSIGNED || token.type == SIGNED) {
        if (token.value >= (uint64_t)PyList_GET_SIZE(self->made)) {
            wrong("a record refers to what is not there");
            return NULL;
        }
        PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)token.value);
        Py_INCREF(object);
        return object;
    }
    if (token.type == ARRAY)
        return unboxed(at, token);
    return atom_of(at, token, 1);
}

static inline PyObject *
value_of(Records *self, const unsigned char *at)
{
    return value_of_token(self, at, token_of(at));
}

/* The next element; NULL after the last. */
static inline const unsigned char *
next_token(Records *self, Elements *elements, Token *token)
{
    if (!elements->left && !next_extension(self, elements))
        return NULL;
    const unsigned char *at = elements->at;
    *token = token_of(at);
    elements->at = skip_token(at, *token);
    elements->left--;
    return at;
}

static inline const unsigned char *
next_element(Records *self, Elements *elements)
{
    Token token;
    return next_token(self, elements, &token);
}

static inline uint64_t
head_of(Records *self, size_t number)
{
    const unsigned char *at = self->rows[number];
    return token_of(at + token_of(at).head).value;
}

/* NULL if plain records have this head. */
static inline Kind *
kind_of(Records *self, size_t number)
{
    uint64_t head = head_of(self, number);
    return head < FIRST ? NULL : &self->kinds[head - FIRST];
}

/* Whether something is left to do once an object is made. */
static inline int
is_filled(Records *self, size_t number)
{
    uint64_t head = head_of(self, number);
    if (head >= FIRST)
        return 1;
    return head == LIST || head == SET || head == DICT || head == RAW_LIST ||
        head == RAW_SET || head == RAW_DICT || head == DEQUE;
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
