/* The visits of a walk: see migrate.graph.visits, which does the same.
 *
 * What it keeps of a graph is one list of all objects, four to eight bytes for each to
 * find it by its identity, and a byte of flags. */
#include "native.h"

enum { READ, CONTAINER, PLAIN, DESCRIBED, DIRECT };

/* What is known of an object that was visited. */
enum { OUTSIDE_GRAPH = 1, UNCOUNTED = 2, NEEDY = 4, VISITED = 8 };

/* Objects that were met one after the other, and are visited in that order. */
typedef struct {
    uint32_t next, end;
} Range;

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

/* How the instances of a class are read. */
typedef struct {
    PyTypeObject *type;
    int way;
    int live;
    uint32_t head;
    PyObject *reader;
    PyObject *adapter;
    PyObject *describe;
    PyObject *extract, *omitted; /* for DIRECT */
    Py_ssize_t extras;
    Py_ssize_t count;
    int variants, next;
    Variant variant[VARIANTS];
} Plan;

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
    size_t declared;
    PyObject *row; /* the record that is being made, if rows are kept */
    Py_ssize_t place, left, open;
    int64_t last; /* the number that was mentioned last, or -1 */
    Attributes attributes; /* of the object that is visited */
} Visits;

static PyObject *description_type;
static PyObject *str_cls, *str_arguments, *str_state, *str_module, *str_names;
static PyObject *str_record, *str_headOf, *str_headOfPlain, *str_plan;

/* Identities */

static inline size_t
slot_of(const void *pointer, size_t slots)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15ull;
    return (size_t)(mixed >> 24) & (slots - 1);
}

static int
grow_table(Visits *self)
{
    size_t slots = self->slots ? self->slots * 2 : 1024;
    uint32_t *table = PyMem_Calloc(slots, sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyMem_Free(self->table);
    self->table = table;
    self->slots = slots;
    Py_ssize_t count = PyList_GET_SIZE(self->objects);
    for (Py_ssize_t number = 0; number < count; number++) {
        size_t at = slot_of(PyList_GET_ITEM(self->objects, number), slots);
        while (table[at])
            at = (at + 1) & (slots - 1);
        table[at] = (uint32_t)number + 1;
    }
    return 0;
}

static int64_t
find(Visits *self, PyObject *object)
{
    if (!self->slots)
        return -1;
    size_t at = slot_of(object, self->slots);
    while (self->table[at]) {
        uint32_t number = self->table[at] - 1;
        if (PyList_GET_ITEM(self->objects, number) == object)
            return number;
        at = (at + 1) & (self->slots - 1);
    }
    return -1;
}

/* The number of an object, which it gets at the first time; -1 with an exception. */
static int64_t
meet(Visits *self, PyObject *object)
{
    Py_ssize_t count = PyList_GET_SIZE(self->objects);
    if ((size_t)count * 4 >= self->slots * 3 && grow_table(self) < 0)
        return -1;
    size_t at = slot_of(object, self->slots);
    while (self->table[at]) {
        uint32_t number = self->table[at] - 1;
        if (PyList_GET_ITEM(self->objects, number) == object)
            return number;
        at = (at + 1) & (self->slots - 1);
    }
    if (count >= UINT32_MAX - 1) {
        PyErr_SetString(PyExc_OverflowError, "too many objects");
        return -1;
    }
    if (PyList_Append(self->objects, object) < 0)
        return -1;
    self->table[at] = (uint32_t)count + 1;
    return count;
}

/* Plans */

static void
forget_variant(Variant *variant)
{
    Py_CLEAR(variant->cls);
    Py_CLEAR(variant->names);
}

static void
forget_plan(Plan *plan)
{
    for (int i = 0; i < plan->variants; i++)
        forget_variant(&plan->variant[i]);
    Py_CLEAR(plan->type);
    Py_CLEAR(plan->reader);
    Py_CLEAR(plan->adapter);
    Py_CLEAR(plan->describe);
    Py_CLEAR(plan->extract);
    Py_CLEAR(plan->omitted);
    PyMem_Free(plan);
}

static void
put_plan(Plan **plans, size_t slots, Plan *plan)
{
    size_t at = slot_of(plan->type, slots);
    while (plans[at])
        at = (at + 1) & (slots - 1);
    plans[at] = plan;
}

static int
keep_plan(Visits *self, Plan *plan)
{
    if (self->plan_count * 2 >= self->plan_slots) {
        size_t slots = self->plan_slots ? self->plan_slots * 2 : 256;
        Plan **plans = PyMem_Calloc(slots, sizeof *plans);
        if (plans == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < self->plan_slots; i++)
            if (self->plans[i])
                put_plan(plans, slots, self->plans[i]);
        PyMem_Free(self->plans);
        self->plans = plans;
        self->plan_slots = slots;
    }
    put_plan(self->plans, self->plan_slots, plan);
    self->plan_count++;
    return 0;
}

static int
read_direct(Plan *plan)
{
    PyObject *extras = PyObject_GetAttrString(plan->adapter, "extras");
    if (extras == NULL)
        return -1;
    plan->extras = PyObject_Length(extras);
    Py_DECREF(extras);
    plan->extract = PyObject_GetAttrString(plan->adapter, "extract");
    plan->omitted = PyObject_GetAttrString(plan->adapter, "omitted");
    if (plan->extras < 0 || plan->extract == NULL || plan->omitted == NULL)
        return -1;
    if (!PyTuple_CheckExact(plan->omitted)) {
        PyErr_SetString(PyExc_TypeError, "what is omitted is a tuple");
        return -1;
    }
    return 0;
}

/* The tuple: way, reader, head, adapter, live. */
static int
read_plan(Plan *plan, PyObject *found)
{
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 5) {
        PyErr_SetString(PyExc_TypeError, "no plan");
        return -1;
    }
    plan->way = (int)PyLong_AsLong(PyTuple_GET_ITEM(found, 0));
    plan->head = (uint32_t)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(found, 2));
    plan->live = PyObject_IsTrue(PyTuple_GET_ITEM(found, 4));
    if (PyErr_Occurred())
        return -1;
    Py_INCREF(plan->reader = PyTuple_GET_ITEM(found, 1));
    Py_INCREF(plan->adapter = PyTuple_GET_ITEM(found, 3));
    if (plan->way != DESCRIBED && plan->way != DIRECT)
        return 0;
    plan->describe = PyObject_GetAttrString(plan->adapter, "describe");
    if (plan->describe == NULL)
        return -1;
    return plan->way == DIRECT ? read_direct(plan) : 0;
}

static Plan *
make_plan(Visits *self, PyTypeObject *type)
{
    PyObject *found = PyObject_CallMethodObjArgs(self->guide, str_plan, type, NULL);
    if (found == NULL)
        return NULL;
    Plan *plan = PyMem_Calloc(1, sizeof *plan);
    if (plan == NULL) {
        Py_DECREF(found);
        PyErr_NoMemory();
        return NULL;
    }
    Py_INCREF(plan->type = type);
    int failed = read_plan(plan, found) < 0 || keep_plan(self, plan) < 0;
    Py_DECREF(found);
    if (failed) {
        forget_plan(plan);
        return NULL;
    }
    return plan;
}

static Plan *
find_plan(Visits *self, PyTypeObject *type)
{
    if (!self->plan_slots)
        return NULL;
    size_t at = slot_of(type, self->plan_slots);
    while (self->plans[at]) {
        if (self->plans[at]->type == type)
            return self->plans[at];
        at = (at + 1) & (self->plan_slots - 1);
    }
    return NULL;
}

static Plan *
plan_of(Visits *self, PyTypeObject *type)
{
    Plan *plan = find_plan(self, type);
    return plan ? plan : make_plan(self, type);
}

/* Chunks */

static int
flush(Visits *self)
{
    if (!self->records)
        return 0;
    Buffer head = {0};
    if (write_array(&head, self->records) < 0)
        return -1;
    /* There is room for the longest before the first record. */
    size_t begin = 5 - head.length;
    memcpy(self->out.data + begin, head.data, head.length);
    buffer_clear(&head);
    PyObject *chunk = PyBytes_FromStringAndSize(
        (char *)self->out.data + begin, (Py_ssize_t)(self->out.length - begin));
    self->out.length = 0;
    self->records = 0;
    if (chunk == NULL)
        return -1;
    int failed = PyList_Append(self->chunks, chunk);
    Py_DECREF(chunk);
    return failed;
}

/* Make room for one record of some elements. */
static int
open_record(Visits *self, Py_ssize_t elements)
{
    if (self->out.length >= CHUNK_BYTES && flush(self) < 0)
        return -1;
    if (!self->records) {
        if (buffer_reserve(&self->out, 5) < 0)
            return -1;
        self->out.length = 5;
    }
    self->records++;
    return write_array(&self->out, (size_t)elements);
}

static int
write_record(Visits *self, PyObject *record)
{
    Py_ssize_t length = PyList_GET_SIZE(record) - 1, step = WIDTH;
    long head = PyLong_AsLong(PyList_GET_ITEM(record, 0));
    if (head == -1 && PyErr_Occurred())
        return -1;
    if ((head >= TEXT && head <= INT) || (head >= RAW_LIST && head <= RAW_FROZENSET))
        step = 1;
    else if (head == RAW_DICT)
        step = 2;
    Py_ssize_t at = 0;
    do {
        Py_ssize_t part = length - at < step ? length - at : step;
        if (open_record(self, part + 1) < 0 ||
            write_unsigned(&self->out, at ? MORE : (uint64_t)head) < 0)
            return -1;
        for (Py_ssize_t end = at + part; at < end; at++) {
            PyObject *element = PyList_GET_ITEM(record, at + 1);
            if (write_any(&self->out, element) < 0)
                return -1;
        }
    } while (at < length);
    return 0;
}

/* Write the shapes that a record with this head is the first to need. */
static int
declare(Visits *self, uint32_t head)
{
    while (head >= FIRST + self->declared) {
        PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)self->declared);
        if (shape == NULL)
            return -1;
        PyObject *record = PyObject_CallMethodNoArgs(shape, str_record);
        if (record == NULL)
            return -1;
        int failed = write_record(self, record);
        Py_DECREF(record);
        if (failed < 0)
            return -1;
        self->declared++;
    }
    return 0;
}

/* Say which number the next record has, where that is not the next one. */
static int
place_record(Visits *self)
{
    size_t expected = self->written;
    self->written = self->current + 1;
    if (self->current == expected)
        return 0;
    if (open_record(self, 2) < 0 || write_unsigned(&self->out, AT) < 0)
        return -1;
    return write_unsigned(&self->out, self->current);
}

/* One record, element by element */

static int
begin(Visits *self, uint32_t head, Py_ssize_t elements)
{
    if (self->rows != Py_None) {
        Py_XSETREF(self->row, PyList_New(elements + 1));
        if (self->row == NULL)
            return -1;
        PyObject *number = PyLong_FromUnsignedLong(head);
        if (number == NULL)
            return -1;
        PyList_SET_ITEM(self->row, 0, number);
        self->place = 1;
        return 0;
    }
    if (head >= FIRST && declare(self, head) < 0)
        return -1;
    if (place_record(self) < 0)
        return -1;
    self->open = elements < WIDTH ? elements : WIDTH;
    self->left = elements - self->open;
    if (open_record(self, self->open + 1) < 0)
        return -1;
    return write_unsigned(&self->out, head);
}

static inline int
is_short(PyObject *element, PyTypeObject *type)
{
    if (type == &PyUnicode_Type)
        return PyUnicode_GET_LENGTH(element) <= SHORT_ATOM;
    return type == &PyBytes_Type && PyBytes_GET_SIZE(element) <= SHORT_ATOM;
}

static PyObject *
boxed(PyObject *element)
{
    PyObject *box = PyList_New(1);
    if (box != NULL) {
        Py_INCREF(element);
        PyList_SET_ITEM(box, 0, element);
    }
    return box;
}

/* How one value stands in a record that is kept; a new reference. */
static PyObject *
kept(Visits *self, PyObject *element)
{
    PyTypeObject *type = Py_TYPE(element);
    self->last = -1;
    if (element == Py_None || type == &PyBool_Type || type == &PyFloat_Type) {
        Py_INCREF(element);
        return element;
    }
    if (is_short(element, type)) {
        if (type == &PyBytes_Type)
            return boxed(element);
        Py_INCREF(element);
        return element;
    }
    if (type == &PyLong_Type) {
        int beyond;
        PyLong_AsLongLongAndOverflow(element, &beyond);
        if (!beyond)
            return boxed(element);
    }
    self->last = meet(self, element);
    return self->last < 0 ? NULL : PyLong_FromLongLong(self->last);
}

static int
written(Visits *self, PyObject *element)
{
    PyTypeObject *type = Py_TYPE(element);
    self->last = -1;
    if (element == Py_None || type == &PyBool_Type || type == &PyFloat_Type)
        return write_any(&self->out, element);
    if (is_short(element, type)) {
        if (type == &PyUnicode_Type)
            return write_text(&self->out, element);
        if (write_array(&self->out, 1) < 0)
            return -1;
        return write_bytes(&self->out, PyBytes_AS_STRING(element),
                           (size_t)PyBytes_GET_SIZE(element));
    }
    if (type == &PyLong_Type) {
        int beyond;
        long long number = PyLong_AsLongLongAndOverflow(element, &beyond);
        if (!beyond) {
            if (write_array(&self->out, 1) < 0)
                return -1;
            return write_signed(&self->out, number);
        }
    }
    self->last = meet(self, element);
    return self->last < 0 ? -1 : write_unsigned(&self->out, (uint64_t)self->last);
}

static int
put(Visits *self, PyObject *element)
{
    if (self->rows != Py_None) {
        PyObject *made = kept(self, element);
        if (made == NULL)
            return -1;
        PyList_SET_ITEM(self->row, self->place++, made);
        return 0;
    }
    if (!self->open) {
        self->open = self->left < WIDTH ? self->left : WIDTH;
        self->left -= self->open;
        if (open_record(self, self->open + 1) < 0 ||
            write_unsigned(&self->out, MORE) < 0)
            return -1;
    }
    self->open--;
    return written(self, element);
}

static int
reserve_marks(Visits *self, size_t count)
{
    if (count <= self->room)
        return 0;
    size_t room = self->room ? self->room : 1024;
    while (room < count)
        room += room / 2;
    unsigned char *flags = PyMem_Realloc(self->flags, room);
    if (flags == NULL)
        goto error;
    self->flags = flags;
    if (self->rows != Py_None) {
        uint32_t *parents = PyMem_Realloc(self->parents, room * sizeof *parents);
        if (parents == NULL)
            goto error;
        self->parents = parents;
    }
    self->room = room;
    return 0;
error:
    PyErr_NoMemory();
    return -1;
}

/* Have those visited next that were met since the last time. */
static int
queue(Visits *self, uint32_t parent)
{
    size_t known = self->known, count = (size_t)PyList_GET_SIZE(self->objects);
    if (known == count)
        return 0;
    if (reserve_marks(self, count) < 0)
        return -1;
    Ranges *into = count - known > FEW ? &self->many : &self->few;
    if (into->count == into->room) {
        size_t room = into->room ? into->room * 2 : 64;
        Range *ranges = PyMem_Realloc(into->ranges, room * sizeof *ranges);
        if (ranges == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        into->ranges = ranges;
        into->room = room;
    }
    into->ranges[into->count++] = (Range){(uint32_t)known, (uint32_t)count};
    memset(self->flags + known, 0, count - known);
    for (size_t number = known; self->rows != Py_None && number < count; number++) {
        self->parents[number] = parent;
        if (PyList_Append(self->rows, Py_None) < 0)
            return -1;
    }
    self->known = count;
    return 0;
}

static unsigned char
flags_of(long head)
{
    if ((head >= TEXT && head <= EXTERNAL) || head == REFUSED || head == BLOB)
        return OUTSIDE_GRAPH | UNCOUNTED;
    if (head == DESCRIPTOR)
        return UNCOUNTED;
    if (head == WEAK)
        return UNCOUNTED | NEEDY;
    return head == TUPLE || head == FROZENSET ? NEEDY : 0;
}

/* A visit is over. */
static int
done(Visits *self, Plan *plan, unsigned char flags)
{
    if (self->row != NULL) {
        PyObject *row = self->row;
        self->row = NULL;
        if (PyList_SetItem(self->rows, (Py_ssize_t)self->current, row) < 0)
            return -1;
    }
    self->flags[self->current] = flags | VISITED;
    self->visited++;
    if (!(flags & UNCOUNTED))
        plan->count++;
    return 0;
}

/* The object that is being visited needs what was mentioned last. */
static int
note(Visits *self, int64_t needed)
{
    if (needed < 0 ||
        ((size_t)needed < self->known && self->flags[needed] & VISITED &&
         !(self->flags[needed] & NEEDY)))
        return 0;
    if (self->mention_count == self->mention_room) {
        size_t room = self->mention_room ? self->mention_room * 2 : 1024;
        uint32_t *found = PyMem_Realloc(self->mentions, room * sizeof *found);
        if (found == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->mentions = found;
        self->mention_room = room;
    }
    self->mentions[self->mention_count++] = (uint32_t)needed;
    return 0;
}

/* The visits of each kind of object */

static int
visit_sequence(Visits *self, Plan *plan, uint32_t head, PyObject **items,
               Py_ssize_t count)
{
    if (begin(self, head, count) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < count; at++)
        if (put(self, items[at]) < 0)
            return -1;
    return done(self, plan, flags_of(head));
}

/* What the reader says. */
static int
visit_read(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *found = PyObject_CallOneArg(plan->reader, object);
    if (found == NULL)
        return -1;
    int failed = -1;
    PyObject *items = NULL;
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 2) {
        PyErr_SetString(PyExc_TypeError, "a reader returns a head and elements");
        goto end;
    }
    PyObject *head = PyTuple_GET_ITEM(found, 0);
    if (head == Py_None) {
        PyObject *record = PyTuple_GET_ITEM(found, 1);
        if (!PyList_Check(record) || !PyList_GET_SIZE(record)) {
            PyErr_SetString(PyExc_TypeError, "a finished record is a list");
            goto end;
        }
        long number = PyLong_AsLong(PyList_GET_ITEM(record, 0));
        if (number == -1 && PyErr_Occurred())
            goto end;
        if (self->rows != Py_None) {
            Py_INCREF(record);
            Py_XSETREF(self->row, record);
        }
        else if (place_record(self) < 0 || write_record(self, record) < 0)
            goto end;
        failed = done(self, plan, flags_of(number));
        goto end;
    }
    long number = PyLong_AsLong(head);
    if (number == -1 && PyErr_Occurred())
        goto end;
    items = PySequence_List(PyTuple_GET_ITEM(found, 1));
    if (items == NULL)
        goto end;
    if (number < FIRST) {
        failed = visit_sequence(self, plan, (uint32_t)number,
                                ((PyListObject *)items)->ob_item,
                                PyList_GET_SIZE(items));
        goto end;
    }
    PyObject *shape = PyList_GetItem(self->shapes, number - FIRST);
    if (shape == NULL)
        goto end;
    PyObject *arguments = PyObject_GetAttr(shape, str_arguments);
    if (arguments == NULL)
        goto end;
    Py_ssize_t count = PyLong_AsSsize_t(arguments);
    Py_DECREF(arguments);
    PyObject *module = PyObject_GetAttr(shape, str_module);
    if (module == NULL)
        goto end;
    int named = module != Py_None;
    Py_DECREF(module);
    if (begin(self, (uint32_t)number, PyList_GET_SIZE(items)) < 0)
        goto end;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(items); at++)
        if (put(self, PyList_GET_ITEM(items, at)) < 0 ||
            (at < count && note(self, self->last) < 0))
            goto end;
    if (!named) {
        PyObject *cls = PyObject_GetAttr(shape, str_cls);
        if (cls == NULL)
            goto end;
        int64_t needed = PyLong_AsLongLong(cls);
        Py_DECREF(cls);
        if (note(self, needed) < 0)
            goto end;
    }
    failed = done(self, plan, count || !named ? NEEDY : 0);
end:
    Py_XDECREF(items);
    Py_DECREF(found);
    return failed;
}

static inline int
is_atom(PyTypeObject *type)
{
    return type == &PyUnicode_Type || type == &PyLong_Type ||
        type == &PyBytes_Type || type == &PyFloat_Type;
}

/* Whether nothing but atoms of one type are there. */
static int
is_uniform(PyObject **items, Py_ssize_t count)
{
    PyTypeObject *type = Py_TYPE(items[0]);
    if (!is_atom(type))
        return 0;
    for (Py_ssize_t at = 1; at < count; at++)
        if (Py_TYPE(items[at]) != type)
            return 0;
    return 1;
}

static int
visit_dict(Visits *self, Plan *plan, PyObject *object)
{
    Py_ssize_t count = PyDict_GET_SIZE(object), at = 0;
    PyObject *key, *value;
    if (count >= MANY) {
        PyTypeObject *keys = NULL, *values = NULL;
        int uniform = 1;
        while (uniform && PyDict_Next(object, &at, &key, &value)) {
            if (keys == NULL) {
                keys = Py_TYPE(key);
                values = Py_TYPE(value);
                uniform = is_atom(keys) && is_atom(values);
            }
            else
                uniform = Py_TYPE(key) == keys && Py_TYPE(value) == values;
        }
        if (uniform)
            return visit_read(self, plan, object);
        at = 0;
    }
    if (begin(self, plan->head, 2 * count) < 0)
        return -1;
    while (PyDict_Next(object, &at, &key, &value))
        if (put(self, key) < 0 || put(self, value) < 0)
            return -1;
    return done(self, plan, 0);
}

static int
visit_container(Visits *self, Plan *plan, PyObject *object)
{
    if (plan->type == &PyDict_Type)
        return visit_dict(self, plan, object);
    PyObject *items;
    if (plan->type == &PyList_Type || plan->type == &PyTuple_Type) {
        Py_INCREF(object);
        items = object;
    }
    else
        items = PySequence_List(object);
    if (items == NULL)
        return -1;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    PyObject **all = PySequence_Fast_ITEMS(items);
    int failed = count >= MANY && is_uniform(all, count)
        ? visit_read(self, plan, object)
        : visit_sequence(self, plan, plan->head, all, count);
    Py_DECREF(items);
    return failed;
}

/* Whether a state has just these names, in this order. */
static int
fits(PyObject *state, PyObject *names)
{
    if (names == NULL)
        return state == Py_None;
    if (state == Py_None || PyDict_GET_SIZE(state) != PyTuple_GET_SIZE(names))
        return 0;
    PyObject *key;
    Py_ssize_t at = 0, place = 0;
    while (PyDict_Next(state, &at, &key, NULL))
        if (key != PyTuple_GET_ITEM(names, place++))
            return 0;
    return 1;
}

static Variant *
find_variant(Plan *plan, PyObject *cls, Py_ssize_t arguments, PyObject *state)
{
    for (int i = 0; i < plan->variants; i++) {
        Variant *variant = &plan->variant[i];
        if (variant->cls == cls && variant->arguments == arguments &&
            fits(state, variant->names))
            return variant;
    }
    return NULL;
}

static Variant *
keep_variant(Visits *self, Plan *plan, PyObject *cls, Py_ssize_t arguments,
             PyObject *state, long head)
{
    PyObject *shape = PyList_GetItem(self->shapes, head - FIRST);
    if (shape == NULL)
        return NULL;
    PyObject *names = NULL, *module = NULL, *own = NULL;
    names = PyObject_GetAttr(shape, str_names);
    module = PyObject_GetAttr(shape, str_module);
    if (names == NULL || module == NULL)
        goto error;
    int spoken = names == Py_True;
    if (state != Py_None && (own = PySequence_Tuple(state)) == NULL)
        goto error;
    Variant *variant = &plan->variant[plan->next];
    if (plan->variants < VARIANTS)
        plan->variants++;
    plan->next = (plan->next + 1) % VARIANTS;
    forget_variant(variant);
    Py_INCREF(variant->cls = cls);
    variant->names = own;
    variant->arguments = arguments;
    variant->head = (uint32_t)head;
    variant->spoken = (unsigned char)spoken;
    variant->flags = arguments || module == Py_None ? NEEDY : 0;
    Py_DECREF(names);
    Py_DECREF(module);
    return variant;
error:
    Py_XDECREF(names);
    Py_XDECREF(module);
    return NULL;
}

static int
put_state(Visits *self, PyObject *state, int spoken)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (state == Py_None)
        return 0;
    while (PyDict_Next(state, &at, &key, &value))
        if ((spoken && put(self, key) < 0) || put(self, value) < 0)
            return -1;
    return 0;
}

/* Whether an object has just these attributes, in this order. */
static int
fits_names(Attributes *attributes, PyObject *names)
{
    if (names == NULL || PyTuple_GET_SIZE(names) != attributes->count)
        return 0;
    for (Py_ssize_t at = 0; at < attributes->count; at++)
        if (attributes->names[at] != PyTuple_GET_ITEM(names, at))
            return 0;
    return 1;
}

/* Remember the shape of a plain object that was read; not where names stand in the
 * record, for they are spelled in another way there. */
static int
keep_plain(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *head = PyObject_CallMethodObjArgs(self->guide, str_headOfPlain,
                                                plan->adapter, object, NULL);
    if (head == NULL)
        return -1;
    int failed = 0;
    if (head != Py_None) {
        PyObject *state = PyObject_GenericGetDict(object, NULL);
        failed = state == NULL ||
            keep_variant(self, plan, (PyObject *)plan->type, 0, state,
                         PyLong_AsLong(head)) == NULL;
        Py_XDECREF(state);
    }
    Py_DECREF(head);
    return failed ? -1 : 0;
}

static int
visit_plain(Visits *self, Plan *plan, PyObject *object)
{
    Attributes *attributes = &self->attributes;
    if (read_attributes(object, attributes) < 0)
        return -1;
    Variant *variant = NULL;
    for (int i = 0; variant == NULL && i < plan->variants; i++)
        if (fits_names(attributes, plan->variant[i].names))
            variant = &plan->variant[i];
    if (variant == NULL) {
        if (visit_read(self, plan, object) < 0)
            return -1;
        if (self->flags[self->current] & OUTSIDE_GRAPH)
            return 0;
        return keep_plain(self, plan, object);
    }
    if (begin(self, variant->head, attributes->count) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < attributes->count; at++)
        if (put(self, attributes->values[at]) < 0)
            return -1;
    return done(self, plan, variant->flags);
}

/* The head for a description; NULL if the reader has to say what is wrong with it. */
static Variant *
variant_of(Visits *self, Plan *plan, PyObject *found, PyObject *cls,
           PyObject *arguments, PyObject *state)
{
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    Variant *variant = find_variant(plan, cls, count, state);
    if (variant != NULL)
        return variant;
    PyObject *head = PyObject_CallMethodObjArgs(self->guide, str_headOf, plan->adapter,
                                                found, NULL);
    if (head == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        return NULL;
    }
    variant =
        keep_variant(self, plan, cls, count, state, PyLong_AsLong(head));
    Py_DECREF(head);
    return variant;
}

static int
put_description(Visits *self, Variant *variant, PyObject *arguments, PyObject *state)
{
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    Py_ssize_t names = state == Py_None ? 0 : PyDict_GET_SIZE(state);
    if (begin(self, variant->head, count + names * (variant->spoken ? 2 : 1)) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < count; at++)
        if (put(self, PyTuple_GET_ITEM(arguments, at)) < 0 ||
            note(self, self->last) < 0)
            return -1;
    return put_state(self, state, variant->spoken);
}

static int
note_class(Visits *self, Variant *variant)
{
    PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)variant->head - FIRST);
    if (shape == NULL)
        return -1;
    PyObject *module = PyObject_GetAttr(shape, str_module);
    if (module == NULL)
        return -1;
    int named = module != Py_None;
    Py_DECREF(module);
    return named ? 0 : note(self, find(self, variant->cls));
}

static int
keep_live(Visits *self, Plan *plan, PyObject *object)
{
    if (!plan->live)
        return 0;
    PyObject *live = PyTuple_Pack(2, plan->adapter, object);
    int failed = live == NULL || PyList_Append(self->live, live) < 0;
    Py_XDECREF(live);
    return failed ? -1 : 0;
}

static int
visit_described(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *pair[2] = {object, self->capture};
    PyObject *found = PyObject_Vectorcall(plan->describe, pair, 2, NULL);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return visit_read(self, plan, object);
    }
    if ((PyObject *)Py_TYPE(found) != description_type) {
        Py_DECREF(found);
        return visit_read(self, plan, object);
    }
    int failed = -1;
    PyObject *cls = PyObject_GetAttr(found, str_cls);
    PyObject *arguments = PyObject_GetAttr(found, str_arguments);
    PyObject *state = PyObject_GetAttr(found, str_state);
    if (cls == NULL || arguments == NULL || state == NULL)
        goto end;
    Variant *variant = NULL;
    if (PyTuple_CheckExact(arguments) && (state == Py_None || PyDict_CheckExact(state)))
        variant = variant_of(self, plan, found, cls, arguments, state);
    if (variant == NULL) {
        failed = PyErr_Occurred() ? -1 : visit_read(self, plan, object);
        goto end;
    }
    unsigned char flags = variant->flags;
    if (put_description(self, variant, arguments, state) < 0)
        goto end;
    if (flags && note_class(self, variant) < 0)
        goto end;
    if (keep_live(self, plan, object) < 0)
        goto end;
    failed = done(self, plan, flags);
end:
    Py_XDECREF(cls);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    Py_DECREF(found);
    return failed;
}

static inline int
is_omitted(Plan *plan, PyObject *name)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(plan->omitted); at++)
        if (PyTuple_GET_ITEM(plan->omitted, at) == name)
            return 1;
    return 0;
}

/* Whether attributes are those that a variant names, beside the omitted ones. */
static int
fits_attributes(Plan *plan, Attributes *attributes, Variant *variant)
{
    if (variant->names == NULL || variant->arguments)
        return 0;
    Py_ssize_t count = PyTuple_GET_SIZE(variant->names) - plan->extras;
    Py_ssize_t place = 0;
    for (Py_ssize_t at = 0; at < attributes->count; at++) {
        PyObject *name = attributes->names[at];
        if (place < count && name == PyTuple_GET_ITEM(variant->names, place))
            place++;
        else if (!is_omitted(plan, name))
            return 0;
    }
    return place == count;
}

/* Find the shape by what the adapter says; NULL if the reader has to say it all. */
static Variant *
describe_variant(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *found =
        PyObject_CallFunctionObjArgs(plan->describe, object, self->capture, NULL);
    Variant *variant = NULL;
    if (found == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        return NULL;
    }
    PyObject *cls = NULL, *arguments = NULL, *state = NULL;
    if ((PyObject *)Py_TYPE(found) == description_type) {
        cls = PyObject_GetAttr(found, str_cls);
        arguments = PyObject_GetAttr(found, str_arguments);
        state = PyObject_GetAttr(found, str_state);
        if (cls && arguments && state && PyTuple_CheckExact(arguments) &&
            !PyTuple_GET_SIZE(arguments) && PyDict_CheckExact(state))
            variant = variant_of(self, plan, found, cls, arguments, state);
    }
    Py_XDECREF(cls);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    Py_DECREF(found);
    return variant;
}

static int
put_direct(Visits *self, Plan *plan, Variant *variant, PyObject *values)
{
    Attributes *attributes = &self->attributes;
    Py_ssize_t place = 0, count = PyTuple_GET_SIZE(variant->names) - plan->extras;
    if (begin(self, variant->head, PyTuple_GET_SIZE(variant->names)) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < attributes->count && place < count; at++) {
        if (attributes->names[at] != PyTuple_GET_ITEM(variant->names, place))
            continue;
        place++;
        if (put(self, attributes->values[at]) < 0)
            return -1;
    }
    for (Py_ssize_t at = 0; at < plan->extras; at++)
        if (put(self, PyTuple_GET_ITEM(values, at)) < 0)
            return -1;
    return 0;
}

/* Attributes that need no telling, and what the adapter has to say beside. */
static int
visit_direct(Visits *self, Plan *plan, PyObject *object)
{
    PyObject *pair[2] = {object, self->capture};
    PyObject *values = PyObject_Vectorcall(plan->extract, pair, 2, NULL);
    if (values == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return visit_read(self, plan, object);
    }
    int failed = -1;
    Variant *variant = NULL;
    Attributes *attributes = &self->attributes;
    if (read_attributes(object, attributes) < 0)
        goto end;
    if (PyTuple_CheckExact(values) && PyTuple_GET_SIZE(values) == plan->extras) {
        for (int i = 0; variant == NULL && i < plan->variants; i++)
            if (fits_attributes(plan, attributes, &plan->variant[i]))
                variant = &plan->variant[i];
        if (variant == NULL) {
            variant = describe_variant(self, plan, object);
            if (variant == NULL && PyErr_Occurred())
                goto end;
            /* That was code, and may have asked for the dictionary. */
            if (read_attributes(object, attributes) < 0)
                goto end;
            if (variant != NULL && !fits_attributes(plan, attributes, variant))
                variant = NULL;
        }
    }
    if (variant == NULL || variant->spoken) {
        failed = visit_read(self, plan, object);
        goto end;
    }
    if (put_direct(self, plan, variant, values) < 0)
        goto end;
    if (variant->flags && note_class(self, variant) < 0)
        goto end;
    if (keep_live(self, plan, object) < 0)
        goto end;
    failed = done(self, plan, variant->flags);
end:
    Py_DECREF(values);
    return failed;
}

static int
visit(Visits *self)
{
    PyObject *object = PyList_GET_ITEM(self->objects, (Py_ssize_t)self->current);
    Plan *plan = plan_of(self, Py_TYPE(object));
    if (plan == NULL)
        return -1;
    switch (plan->way) {
    case CONTAINER:
        return visit_container(self, plan, object);
    case PLAIN:
        return visit_plain(self, plan, object);
    case DESCRIBED:
        return visit_described(self, plan, object);
    case DIRECT:
        return visit_direct(self, plan, object);
    default:
        return visit_read(self, plan, object);
    }
}

static void
reverse(Range *low, Range *high)
{
    while (low < high) {
        Range other = *low;
        *low++ = *--high;
        *high = other;
    }
}

/* Choose what is visited next: those that were met together and are few come first; of
 * many, one with all below it before the next. */
static int
next_object(Visits *self)
{
    if (self->active.next == self->active.end) {
        reverse(self->few.ranges + self->mark, self->few.ranges + self->few.count);
        self->mark = self->few.count;
        if (self->few.count) {
            self->active = self->few.ranges[--self->few.count];
            self->mark = self->few.count;
        }
        else if (self->many.count) {
            Range *range = &self->many.ranges[self->many.count - 1];
            self->current = range->next++;
            if (range->next == range->end)
                self->many.count--;
            return 1;
        }
        else
            return 0;
    }
    self->current = self->active.next++;
    return 1;
}

/* Methods */

static PyObject *
visits_drain(Visits *self, PyObject *Py_UNUSED(none))
{
    Py_ssize_t chunks = PyList_GET_SIZE(self->chunks);
    if (queue(self, 0) < 0)
        return NULL;
    while (PyList_GET_SIZE(self->chunks) == chunks && next_object(self))
        if (visit(self) < 0 || queue(self, (uint32_t)self->current) < 0)
            return NULL;
    int done = self->active.next == self->active.end && !self->few.count &&
        !self->many.count;
    return PyBool_FromLong(done);
}

static PyObject *
visits_meet(Visits *self, PyObject *object)
{
    int64_t number = meet(self, object);
    return number < 0 ? NULL : PyLong_FromLongLong(number);
}

static PyObject *
visits_number(Visits *self, PyObject *object)
{
    return PyLong_FromLongLong(find(self, object));
}

static PyObject *
visits_moves(Visits *self, PyObject *object)
{
    int64_t number = find(self, object);
    int moves = number >= 0 && (size_t)number < self->known &&
        self->flags[number] & VISITED && !(self->flags[number] & OUTSIDE_GRAPH);
    return PyBool_FromLong(moves);
}

static PyObject *
visits_parent(Visits *self, PyObject *argument)
{
    size_t number = PyLong_AsSize_t(argument);
    if (number == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (self->rows == Py_None) {
        PyErr_SetString(PyExc_ValueError, "records are written, not kept");
        return NULL;
    }
    if (number >= self->known) {
        PyErr_SetString(PyExc_IndexError, "no such object");
        return NULL;
    }
    return PyLong_FromUnsignedLong(self->parents[number]);
}

static PyObject *
visits_knots(Visits *self, PyObject *Py_UNUSED(none))
{
    for (size_t at = 0; at < self->mention_count; at++) {
        uint32_t number = self->mentions[at];
        if (number < self->known && self->flags[number] & NEEDY)
            Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

static PyObject *
visits_counts(Visits *self, PyObject *Py_UNUSED(none))
{
    PyObject *counts = PyDict_New();
    for (size_t at = 0; counts != NULL && at < self->plan_slots; at++) {
        Plan *plan = self->plans[at];
        if (plan == NULL || !plan->count)
            continue;
        PyObject *count = PyLong_FromSsize_t(plan->count);
        if (count == NULL || PyDict_SetItem(counts, (PyObject *)plan->type, count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(count);
    }
    return counts;
}

static PyObject *
visits_later(Visits *self, PyObject *args)
{
    Py_ssize_t number;
    PyObject *value;
    if (!PyArg_ParseTuple(args, "nO", &number, &value))
        return NULL;
    if (self->rows == Py_None) {
        if (open_record(self, 3) < 0 || write_unsigned(&self->out, LATER) < 0 ||
            write_unsigned(&self->out, (uint64_t)number) < 0 ||
            written(self, value) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *row = PyList_GetItem(self->rows, number);
    if (row == NULL)
        return NULL;
    PyObject *element = kept(self, value);
    if (element == NULL)
        return NULL;
    int failed = PyList_Append(row, element);
    Py_DECREF(element);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
visits_add(Visits *self, PyObject *records)
{
    if (!PyList_Check(records)) {
        PyErr_SetString(PyExc_TypeError, "records are a list");
        return NULL;
    }
    if (self->rows != Py_None)
        Py_RETURN_NONE;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(records); at++) {
        PyObject *record = PyList_GET_ITEM(records, at);
        if (!PyList_Check(record) || !PyList_GET_SIZE(record)) {
            PyErr_SetString(PyExc_TypeError, "a record is a list");
            return NULL;
        }
        if (write_record(self, record) < 0)
            return NULL;
    }
    if (flush(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
visits_end(Visits *self, PyObject *Py_UNUSED(none))
{
    if (open_record(self, 2) < 0 || write_unsigned(&self->out, END) < 0 ||
        write_unsigned(&self->out, self->visited) < 0 || flush(self) < 0)
        return NULL;
    buffer_clear(&self->out);
    Py_RETURN_NONE;
}

static PyObject *
visits_take(Visits *self, PyObject *Py_UNUSED(none))
{
    PyObject *fresh = PyList_New(0);
    if (fresh == NULL)
        return NULL;
    PyObject *chunks = self->chunks;
    self->chunks = fresh;
    return chunks;
}

static PyObject *
visits_forget(Visits *self, PyObject *Py_UNUSED(none))
{
    PyMem_Free(self->table);
    self->table = NULL;
    self->slots = 0;
    if (PyList_SetSlice(self->objects, 0, PyList_GET_SIZE(self->objects), NULL) < 0)
        return NULL;
    self->known = 0;
    Py_INCREF(Py_None);
    Py_SETREF(self->guide, Py_None);
    Py_RETURN_NONE;
}

/* Life */

static int
visits_init(Visits *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"guide", "keep", NULL};
    PyObject *guide;
    int keep;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Op", names, &guide, &keep))
        return -1;
    if (self->objects != NULL) {
        PyErr_SetString(PyExc_TypeError, "visits begin once");
        return -1;
    }
    Py_INCREF(self->guide = guide);
    self->objects = PyList_New(0);
    self->chunks = PyList_New(0);
    self->shapes = PyObject_GetAttrString(guide, "shapes");
    self->capture = PyObject_GetAttrString(guide, "capture");
    self->live = PyObject_GetAttrString(guide, "live");
    if (keep)
        self->rows = PyList_New(0);
    else
        Py_INCREF(self->rows = Py_None);
    if (!self->objects || !self->chunks || !self->rows || !self->shapes ||
        !self->capture || !self->live)
        return -1;
    if (!PyList_Check(self->shapes) || !PyList_Check(self->live)) {
        PyErr_SetString(PyExc_TypeError, "a guide has lists");
        return -1;
    }
    return 0;
}

static int
visits_traverse(Visits *self, visitproc visit, void *arg)
{
    Py_VISIT(self->objects);
    Py_VISIT(self->rows);
    Py_VISIT(self->guide);
    Py_VISIT(self->shapes);
    Py_VISIT(self->capture);
    Py_VISIT(self->live);
    Py_VISIT(self->chunks);
    Py_VISIT(self->row);
    for (size_t at = 0; at < self->plan_slots; at++) {
        Plan *plan = self->plans[at];
        if (plan == NULL)
            continue;
        Py_VISIT(plan->type);
        Py_VISIT(plan->reader);
        Py_VISIT(plan->adapter);
        Py_VISIT(plan->describe);
        Py_VISIT(plan->extract);
        Py_VISIT(plan->omitted);
        for (int i = 0; i < plan->variants; i++) {
            Py_VISIT(plan->variant[i].cls);
            Py_VISIT(plan->variant[i].names);
        }
    }
    return 0;
}

static int
visits_clear(Visits *self)
{
    size_t slots = self->plan_slots;
    Plan **plans = self->plans;
    self->plans = NULL;
    self->plan_slots = self->plan_count = 0;
    for (size_t at = 0; at < slots; at++)
        if (plans[at] != NULL)
            forget_plan(plans[at]);
    PyMem_Free(plans);
    /* Nothing can be found any more in what is not there. */
    PyMem_Free(self->table);
    self->table = NULL;
    self->slots = 0;
    Py_CLEAR(self->objects);
    Py_CLEAR(self->rows);
    Py_CLEAR(self->guide);
    Py_CLEAR(self->shapes);
    Py_CLEAR(self->capture);
    Py_CLEAR(self->live);
    Py_CLEAR(self->chunks);
    Py_CLEAR(self->row);
    return 0;
}

static void
visits_dealloc(Visits *self)
{
    PyObject_GC_UnTrack(self);
    visits_clear(self);
    PyMem_Free(self->flags);
    PyMem_Free(self->parents);
    PyMem_Free(self->few.ranges);
    PyMem_Free(self->many.ranges);
    PyMem_Free(self->mentions);
    buffer_clear(&self->out);
    attributes_clear(&self->attributes);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
visits_objects(Visits *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->objects);
    return self->objects;
}

static PyObject *
visits_rows(Visits *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->rows);
    return self->rows;
}

static PyMethodDef methods[] = {
    {"drain", (PyCFunction)visits_drain, METH_NOARGS, "See the plain one."},
    {"meet", (PyCFunction)visits_meet, METH_O, "See the plain one."},
    {"number", (PyCFunction)visits_number, METH_O, "See the plain one."},
    {"moves", (PyCFunction)visits_moves, METH_O, "See the plain one."},
    {"parent", (PyCFunction)visits_parent, METH_O, "See the plain one."},
    {"knots", (PyCFunction)visits_knots, METH_NOARGS, "See the plain one."},
    {"counts", (PyCFunction)visits_counts, METH_NOARGS, "See the plain one."},
    {"later", (PyCFunction)visits_later, METH_VARARGS, "See the plain one."},
    {"add", (PyCFunction)visits_add, METH_O, "See the plain one."},
    {"end", (PyCFunction)visits_end, METH_NOARGS, "See the plain one."},
    {"forget", (PyCFunction)visits_forget, METH_NOARGS, "See the plain one."},
    {"take", (PyCFunction)visits_take, METH_NOARGS, "See the plain one."},
    {NULL},
};

static PyGetSetDef members[] = {
    {"objects", (getter)visits_objects, NULL, "See the plain one."},
    {"rows", (getter)visits_rows, NULL, "See the plain one."},
    {NULL},
};

PyTypeObject VisitsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.graph._native.Visits",
    .tp_doc = "All visits of one walk.",
    .tp_basicsize = sizeof(Visits),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)visits_init,
    .tp_traverse = (traverseproc)visits_traverse,
    .tp_clear = (inquiry)visits_clear,
    .tp_dealloc = (destructor)visits_dealloc,
    .tp_methods = methods,
    .tp_getset = members,
};

int
visits_prepare(void)
{
    PyObject *model = PyImport_ImportModule("migrate.model");
    if (model == NULL)
        return -1;
    description_type = PyObject_GetAttrString(model, "Description");
    Py_DECREF(model);
    str_cls = PyUnicode_InternFromString("cls");
    str_arguments = PyUnicode_InternFromString("arguments");
    str_state = PyUnicode_InternFromString("state");
    str_module = PyUnicode_InternFromString("module");
    str_names = PyUnicode_InternFromString("names");
    str_record = PyUnicode_InternFromString("record");
    str_headOf = PyUnicode_InternFromString("headOf");
    str_headOfPlain = PyUnicode_InternFromString("headOfPlain");
    str_plan = PyUnicode_InternFromString("plan");
    if (!description_type || !str_cls || !str_arguments || !str_state || !str_module ||
        !str_names || !str_record || !str_headOf ||
        !str_headOfPlain || !str_plan)
        return -1;
    return PyType_Ready(&VisitsType);
}
