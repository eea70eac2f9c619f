/* The visits of a walk: see migrate.graph.visits, which does the same.
 *
 * What it keeps of a graph is one list of all objects, four to eight bytes for each to
 * find it by its identity, and a byte of flags.  It must not know how records are read.
 */
#ifndef MIGRATE_VISITS_H
#define MIGRATE_VISITS_H

#include "native.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* How the instances of a class are read. */
enum { READ, CONTAINER, PLAIN, DESCRIBED, DIRECT, HANDED };

/* What is known of an object that was visited. */
enum { OUTSIDE_GRAPH = 1, UNCOUNTED = 2, NEEDY = 4, VISITED = 8 };

/* Objects that were met one after the other, and are visited in that order. */
typedef struct {
    uint32_t next, end;
} Range;

/* As many of them as there are. */
typedef struct {
    Range *ranges;
    size_t count, room;
} Ranges;

/* States with the same names, for which there is a shape. */
typedef struct {
    PyObject *cls;
    PyObject *names; /* NULL if there is no state */
    Py_ssize_t arguments;
    uint32_t head;
    unsigned char spoken; /* names stand in the record */
    unsigned char flags;
} Variant;

#define VARIANTS 16
/* So many objects that were met together are visited together. */
#define FEW 64

/* Where the class of what methods are bound to has a function: found by plain code once.
 * Type and function are those of objects that are kept. */
typedef struct {
    PyTypeObject *type;
    PyObject *function, *owner, *name;
} Home;

/* As many are remembered. */
#define HOMES 64

/* What is known of a class whose instances are visited. */
typedef struct {
    PyTypeObject *type;
    int way;
    int live;
    uint32_t head;
    PyObject *reader;
    PyObject *adapter;
    PyObject *describe;
    PyObject *extract, *omitted; /* for DIRECT */
    Home *homes;       /* for bound methods; otherwise NULL */
    PyObject *outside; /* for CONTAINER: those of which only the reader knows, or NULL */
    Py_ssize_t extras;
    Py_ssize_t count;
    int variants, next;
    Variant variant[VARIANTS];
} Plan;

/* All that is known of one walk. */
typedef struct {
    PyObject_HEAD
    PyObject *objects;
    PyObject *rows; /* None if records are written */
    PyObject *guide, *shapes, *capture, *live, *chunks;
    uint32_t *table; /* numbers + 1, by identity */
    size_t slots;
    unsigned char *flags; /* by number */
    uint32_t *parents;    /* who was the first to meet each; if rows are kept */
    size_t known, room;   /* how many have these */
    Ranges few, many; /* to be visited, the last first */
    Range active;     /* being visited */
    size_t mark;      /* what was met by that begins here among the few */
    size_t visited, current;
    size_t written; /* the number after that of the last record that was written */
    Plan **plans;
    size_t plan_slots, plan_count;
    uint32_t *mentions; /* pairs: an object, and what it needs */
    size_t mention_count, mention_room;
    Buffer out;
    uint32_t records; /* in this chunk */
    size_t full; /* so many bytes are enough for it */
    size_t declared;
    PyObject *row; /* the record that is being made, if rows are kept */
    Py_ssize_t place, left, open;
    PyObject *items; /* a dict, list or tuple that is amid being written, or NULL */
    Plan *plan;      /* that of the container */
    Py_ssize_t item; /* where to go on */
    Py_ssize_t items_left;
    Py_ssize_t enough; /* the chunks after which to stop */
    int64_t last; /* the number that was mentioned last, or -1 */
    Attributes attributes; /* of the object that is visited */
} Visits;

/* What plain code is asked for, and how its attributes are called. */
extern PyObject *description_type;
extern PyObject *str_cls, *str_arguments, *str_state, *str_module, *str_names;
extern PyObject *str_record, *str_headOf, *str_headOfPlain, *str_plan;
extern PyObject *str_maxlen;

/* Where the search for an identity begins. */
static inline size_t
slot_of(const void *pointer, size_t slots)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15ull;
    return (size_t)(mixed >> 24) & (slots - 1);
}

/* identities.c; a number is -1 if there is none, or with an exception. */
int64_t meet(Visits *self, PyObject *object);
int64_t find(Visits *self, PyObject *object);

/* plans.c */
Plan *plan_of(Visits *self, PyTypeObject *type);
void forget_plan(Plan *plan);

/* The parts of a description, which is not read again. */
typedef struct {
    PyObject *cls, *arguments, *state;
} Description;

/* variants.c; a variant is NULL if there is none, or with an exception. */
Variant *plain_variant(Plan *plan, Attributes *attributes);
Variant *direct_variant(Plan *plan, Attributes *attributes);
int fits_attributes(Plan *plan, Attributes *attributes, Variant *variant);
Variant *variant_of(Visits *self, Plan *plan, PyObject *found, Description *parts);
Variant *describe_variant(Visits *self, Plan *plan, PyObject *object);
int read_description(PyObject *found, Description *parts);
void forget_description(Description *parts);
int is_named(PyObject *shape);
int keep_plain(Visits *self, Plan *plan, PyObject *object);
void forget_variant(Variant *variant);

/* chunks.c */
int flush(Visits *self);
int open_record(Visits *self, Py_ssize_t elements);
int write_record(Visits *self, PyObject *record);
int declare(Visits *self, uint32_t head);
int place_record(Visits *self);

/* putting.c */
int begin(Visits *self, uint32_t head, Py_ssize_t elements);
int put(Visits *self, PyObject *element);
PyObject *kept(Visits *self, PyObject *element);
int written(Visits *self, PyObject *element);

/* queue.c */
int queue(Visits *self, uint32_t parent);
int next_object(Visits *self);
unsigned char flags_of(long head);
int done(Visits *self, Plan *plan, unsigned char flags);
int note(Visits *self, int64_t needed);

/* reading.c, describing.c and visits.c */
int visit_sequence(Visits *self, Plan *plan, uint32_t head, PyObject **items,
                   Py_ssize_t count);
int visit_read(Visits *self, Plan *plan, PyObject *object);
int visit_finished(Visits *self, Plan *plan, PyObject *record);
Home *home_of(Plan *plan, PyObject *method);
void keep_home(Plan *plan, PyObject *method, PyObject *arguments);
void forget_homes(Plan *plan);
int visit_described(Visits *self, Plan *plan, PyObject *object);
int visit_direct(Visits *self, Plan *plan, PyObject *object);
int visit(Visits *self);
int visit_on(Visits *self);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
