/* The records of a table that arrives, and the objects that are made of them: see
 * migrate.graph.taking, which does the same.
 *
 * Chunks are kept as they came, and every record is found in them by its number.
 * Whatever is in a chunk is checked when it comes: nothing that is read later can lead
 * out of it. */
#include "native.h"
#include <unistd.h>

/* What is known of a record. */
enum { EXTENDED = 1, TOWER = 2, FULL = 4 };

/* Records that are longer are made and filled when all have come. */
#define LONG 256
/* How many chunks an object is waited for by what mentions it, until then. */
#define PATIENCE 4

typedef struct {
    uint32_t number;
    unsigned char age;
} Pending;

/* What a file has of a large byte string; with a length of 0, that it has no more. */
typedef struct {
    uint64_t number, begin, place, at, length;
} Part;

enum { GENERIC, SWIFT, ADAPTED, DIRECT };

/* What becomes of the records of one head. */
typedef struct {
    int way;
    PyObject *kind;
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
} Kind;

/* Elements of an earlier record. */
typedef struct {
    const unsigned char *at;
    uint32_t count;
} Extension;

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

static PyObject *malformed;
static PyObject *descriptor_type;
static PyObject *empty_tuple;
static PyObject *str_number;

static int
wrong(const char *what)
{
    PyErr_SetString(malformed, what);
    return -1;
}

/* Reading */

typedef struct {
    const unsigned char *at, *end;
} Cursor;

static int
need(Cursor *cursor, size_t bytes)
{
    if ((size_t)(cursor->end - cursor->at) < bytes)
        return wrong("a chunk holds no records: it ends too soon");
    return 0;
}

static uint64_t
number_at(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* What begins at a place. */
typedef enum { NIL, BOOLEAN, UNSIGNED, SIGNED, FLOAT, STR, BIN, ARRAY, NOTHING } Type;

typedef struct {
    Type type;
    uint64_t value; /* or the length */
    size_t head;    /* bytes before the content */
} Token;

static Token
token_at(const unsigned char *at)
{
    unsigned char mark = *at;
    if (mark <= 0x7f)
        return (Token){UNSIGNED, mark, 1};
    if (mark >= 0xe0)
        return (Token){SIGNED, (uint64_t)(int64_t)(int8_t)mark, 1};
    if (mark >= 0x90 && mark <= 0x9f)
        return (Token){ARRAY, mark & 0x0f, 1};
    if (mark >= 0xa0 && mark <= 0xbf)
        return (Token){STR, mark & 0x1f, 1};
    switch (mark) {
    case 0xc0:
        return (Token){NIL, 0, 1};
    case 0xc2:
    case 0xc3:
        return (Token){BOOLEAN, mark & 1, 1};
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return (Token){BIN, 0, 1 + ((size_t)1 << (mark - 0xc4))};
    case 0xcb:
        return (Token){FLOAT, 0, 9};
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return (Token){UNSIGNED, 0, 1 + ((size_t)1 << (mark - 0xcc))};
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return (Token){SIGNED, 0, 1 + ((size_t)1 << (mark - 0xd0))};
    case 0xd9:
    case 0xda:
    case 0xdb:
        return (Token){STR, 0, 1 + ((size_t)1 << (mark - 0xd9))};
    case 0xdc:
    case 0xdd:
        return (Token){ARRAY, 0, mark == 0xdc ? 3 : 5};
    default:
        return (Token){NOTHING, 0, 1};
    }
}

static Token
long_token(const unsigned char *at)
{
    Token token = token_at(at);
    int bytes = (int)token.head - 1;
    if (!bytes)
        return token;
    uint64_t value = number_at(at + 1, bytes);
    if (token.type == SIGNED && bytes < 8 && value >> (8 * bytes - 1))
        value |= ~(uint64_t)0 << (8 * bytes);
    token.value = value;
    return token;
}

/* The token at a place, of which all bytes are there; most are short. */
static inline Token
token_of(const unsigned char *at)
{
    unsigned char mark = *at;
    if (mark <= 0x7f)
        return (Token){UNSIGNED, mark, 1};
    if (mark <= 0x9f && mark >= 0x90)
        return (Token){ARRAY, mark & 0x0f, 1};
    if (mark <= 0xbf && mark >= 0xa0)
        return (Token){STR, mark & 0x1f, 1};
    if (mark == 0xcd)
        return (Token){UNSIGNED, (uint64_t)at[1] << 8 | at[2], 3};
    return long_token(at);
}

/* The same where bytes may lack; the cursor is left behind it. */
static int
read_token(Cursor *cursor, Token *token)
{
    if (cursor->end - cursor->at >= 9)
        *token = token_of(cursor->at);
    else {
        if (need(cursor, 1) < 0)
            return -1;
        *token = token_at(cursor->at);
        if (token->type != NOTHING && need(cursor, token->head) < 0)
            return -1;
        *token = token_of(cursor->at);
    }
    if (token->type == NOTHING)
        return wrong("a chunk holds no records: something that no record has");
    cursor->at += token->head;
    if (token->type == STR || token->type == BIN) {
        if (need(cursor, token->value) < 0)
            return -1;
        cursor->at += token->value;
    }
    return 0;
}

/* Check one element of a record, and go behind it. */
static int
check_element(Cursor *cursor)
{
    Token token;
    if (read_token(cursor, &token) < 0)
        return -1;
    if (token.type == SIGNED && (int64_t)token.value < 0)
        return wrong("a chunk holds no records: a reference is negative");
    if (token.type == BIN)
        return wrong("a chunk holds no records: bytes that stand in no list");
    if (token.type != ARRAY)
        return 0;
    for (uint64_t left = token.value; left; left--) {
        if (read_token(cursor, &token) < 0)
            return -1;
        if (token.type == ARRAY)
            return wrong("a list in a record is no atom");
    }
    return 0;
}

/* Behind an element that was checked, and that begins with a token. */
static inline const unsigned char *
skip_token(const unsigned char *at, Token token)
{
    at += token.head;
    if (token.type == STR || token.type == BIN)
        return at + token.value;
    if (token.type == ARRAY)
        for (uint64_t left = token.value; left; left--) {
            Token inner = token_of(at);
            at += inner.head;
            if (inner.type == STR || inner.type == BIN)
                at += inner.value;
        }
    return at;
}

static inline const unsigned char *
skip(const unsigned char *at)
{
    return skip_token(at, token_of(at));
}

/* Values */

static PyObject *
text_of(const unsigned char *at, Token token, int shared)
{
    PyObject *text = PyUnicode_DecodeUTF8((const char *)at + token.head,
                                          (Py_ssize_t)token.value, NULL);
    if (text == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
            wrong("a chunk holds no records: text that is no UTF-8");
        return NULL;
    }
    if (shared && PyUnicode_IsIdentifier(text) == 1)
        PyUnicode_InternInPlace(&text);
    return text;
}

/* A value that refers to nothing, as it is. */
static PyObject *
atom_of(const unsigned char *at, Token token, int shared)
{
    switch (token.type) {
    case NIL:
        Py_RETURN_NONE;
    case BOOLEAN:
        return PyBool_FromLong((long)token.value);
    case UNSIGNED:
        return PyLong_FromUnsignedLongLong(token.value);
    case SIGNED:
        return PyLong_FromLongLong((int64_t)token.value);
    case FLOAT: {
        double value;
        memcpy(&value, &token.value, sizeof value);
        return PyFloat_FromDouble(value);
    }
    case STR:
        return text_of(at, token, shared);
    case BIN:
        return PyBytes_FromStringAndSize((const char *)at + token.head,
                                         (Py_ssize_t)token.value);
    default:
        wrong("a list in a record is no atom");
        return NULL;
    }
}

/* What stands in a list. */
static PyObject *
unboxed(const unsigned char *at, Token box)
{
    const unsigned char *inner = at + box.head;
    if (box.value == 1) {
        Token token = token_of(inner);
        if (token.type == BIN || token.type == UNSIGNED || token.type == SIGNED)
            return atom_of(inner, token, 0);
    }
    else if (box.value == 2) {
        Token zero = token_of(inner);
        const unsigned char *second = skip(inner);
        Token token = token_of(second);
        if (zero.type == UNSIGNED && !zero.value && token.type == BIN) {
            PyObject *text =
                PyUnicode_Decode((const char *)second + token.head,
                                 (Py_ssize_t)token.value, "utf-8", "surrogatepass");
            if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
                wrong("text that is none");
            return text;
        }
    }
    wrong("a list in a record is no atom");
    return NULL;
}

/* A part of a record as it was written, for those who look into it. */
static PyObject *
literal(const unsigned char *at)
{
    Token token = token_of(at);
    if (token.type != ARRAY)
        return atom_of(at, token, 0);
    PyObject *list = PyList_New((Py_ssize_t)token.value);
    at += token.head;
    for (uint64_t i = 0; list != NULL && i < token.value; i++) {
        PyObject *item = literal(at);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        at = skip(at);
    }
    return list;
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

static PyObject *
value_of(Records *self, const unsigned char *at)
{
    return value_of_token(self, at, token_of(at));
}

/* Elements of a record, one after the other */

typedef struct {
    const unsigned char *at;
    uint64_t left;
    PyObject *more; /* borrowed: places of extensions; NULL if there are none */
    Py_ssize_t next;
} Elements;

static int
elements_of(Records *self, size_t number, Elements *elements)
{
    const unsigned char *at = self->rows[number];
    Token token = token_of(at);
    elements->at = skip(at + token.head);
    elements->left = token.value - 1;
    elements->more = NULL;
    elements->next = 0;
    if (!(self->flags[number] & EXTENDED))
        return 0;
    PyObject *key = PyLong_FromSize_t(number);
    if (key == NULL)
        return -1;
    elements->more = PyDict_GetItemWithError(self->extended, key);
    Py_DECREF(key);
    return elements->more == NULL && PyErr_Occurred() ? -1 : 0;
}

/* Go on to the next extension, if there is one. */
static int
next_extension(Records *self, Elements *elements)
{
    while (!elements->left) {
        if (elements->more == NULL ||
            elements->next == PyList_GET_SIZE(elements->more))
            return 0;
        PyObject *place = PyList_GET_ITEM(elements->more, elements->next++);
        Extension *extension = &self->extensions[PyLong_AsSize_t(place)];
        elements->at = extension->at;
        elements->left = extension->count;
    }
    return 1;
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

static const unsigned char *
next_element(Records *self, Elements *elements)
{
    Token token;
    return next_token(self, elements, &token);
}

static Py_ssize_t
count_elements(Records *self, size_t number)
{
    Elements elements;
    if (elements_of(self, number, &elements) < 0)
        return -1;
    uint64_t count = elements.left;
    if (elements.more != NULL)
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(elements.more); i++) {
            PyObject *place = PyList_GET_ITEM(elements.more, i);
            count += self->extensions[PyLong_AsSize_t(place)].count;
        }
    return (Py_ssize_t)count;
}

static uint64_t
head_of(Records *self, size_t number)
{
    const unsigned char *at = self->rows[number];
    return token_of(at + token_of(at).head).value;
}

static inline Kind *
kind_of(Records *self, size_t number)
{
    uint64_t head = head_of(self, number);
    return head < FIRST ? NULL : &self->kinds[head - FIRST];
}

/* Kinds */

static int
flag_of(PyObject *kind, const char *name)
{
    PyObject *found = PyObject_GetAttrString(kind, name);
    int flag = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return flag;
}

/* An attribute; NULL for None. */
static int
part_of(PyObject *kind, const char *name, PyObject **part)
{
    *part = PyObject_GetAttrString(kind, name);
    if (*part == NULL)
        return -1;
    if (*part == Py_None)
        Py_CLEAR(*part);
    return 0;
}

static void
forget_kind(Kind *kind)
{
    Py_CLEAR(kind->kind);
    Py_CLEAR(kind->blank);
    Py_CLEAR(kind->maker);
    Py_CLEAR(kind->known);
    Py_CLEAR(kind->filler);
    Py_CLEAR(kind->names);
    Py_CLEAR(kind->cls);
    Py_CLEAR(kind->restorer);
}

static int
read_kind(Kind *kind, PyObject *found)
{
    Py_INCREF(kind->kind = found);
    PyObject *swift = NULL, *needed = NULL, *number = NULL, *filler = NULL;
    PyObject *extras = NULL;
    int failed = -1;
    int complete = flag_of(found, "complete"), whole = flag_of(found, "whole");
    int immediate = flag_of(found, "immediate");
    if (complete < 0 || whole < 0 || immediate < 0 || part_of(found, "blank", &kind->blank) < 0 ||
        part_of(found, "maker", &kind->maker) < 0 ||
        part_of(found, "known", &kind->known) < 0 ||
        part_of(found, "names", &kind->names) < 0 ||
        part_of(found, "swift", &swift) < 0 || part_of(found, "cls", &number) < 0 ||
        part_of(found, "filler", &filler) < 0 ||
        part_of(found, "restorer", &kind->restorer) < 0 ||
        (extras = PyObject_GetAttrString(found, "extras")) == NULL ||
        (needed = PyObject_GetAttrString(found, "needed")) == NULL)
        goto end;
    kind->complete = (char)complete;
    kind->whole = (char)whole;
    kind->immediate = (char)immediate;
    kind->needed = PyLong_AsSsize_t(needed);
    kind->extras = PyLong_AsSsize_t(extras);
    kind->class_number = number == NULL ? -1 : PyLong_AsLongLong(number);
    if (PyErr_Occurred())
        goto end;
    if (kind->names != NULL && !PyTuple_CheckExact(kind->names)) {
        PyErr_SetString(PyExc_TypeError, "names are a tuple");
        goto end;
    }
    if (swift != NULL && kind->names != NULL && PyType_Check(swift)) {
        kind->way = kind->restorer == NULL ? SWIFT : DIRECT;
        Py_INCREF(kind->cls = (PyTypeObject *)swift);
    }
    else if (kind->maker != NULL)
        kind->way = ADAPTED;
    Py_XINCREF(kind->filler = filler);
    failed = 0;
end:
    Py_XDECREF(swift);
    Py_XDECREF(needed);
    Py_XDECREF(number);
    Py_XDECREF(filler);
    Py_XDECREF(extras);
    return failed;
}

static int
keep_kind(Records *self, PyObject *found)
{
    if (self->kind_count == self->kind_room) {
        size_t room = self->kind_room ? self->kind_room * 2 : 64;
        Kind *kinds = PyMem_Realloc(self->kinds, room * sizeof *kinds);
        if (kinds == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->kinds = kinds;
        self->kind_room = room;
    }
    Kind *kind = &self->kinds[self->kind_count];
    memset(kind, 0, sizeof *kind);
    if (read_kind(kind, found) < 0) {
        forget_kind(kind);
        return -1;
    }
    self->kind_count++;
    return 0;
}

/* Taking */

static int
reserve_rows(Records *self, size_t count)
{
    if (count <= self->room)
        return 0;
    size_t room = self->room ? self->room : 1024;
    while (room < count)
        room += room / 2;
    const unsigned char **rows = PyMem_Realloc(self->rows, room * sizeof *rows);
    if (rows == NULL)
        goto error;
    self->rows = rows;
    unsigned char *flags = PyMem_Realloc(self->flags, room);
    if (flags == NULL)
        goto error;
    self->flags = flags;
    unsigned char *whole = PyMem_Realloc(self->whole, room);
    if (whole == NULL)
        goto error;
    self->whole = whole;
    self->room = room;
    return 0;
error:
    PyErr_NoMemory();
    return -1;
}

/* Have room for records up to a number. */
static int
reach(Records *self, size_t number)
{
    if (number < self->count)
        return 0;
    if (reserve_rows(self, number + 1) < 0)
        return -1;
    while (self->count <= number) {
        if (PyList_Append(self->made, self->missing) < 0)
            return -1;
        self->rows[self->count] = NULL;
        self->flags[self->count] = 0;
        self->whole[self->count++] = 0;
    }
    return 0;
}

static int
await(Records *self, size_t number)
{
    if (self->pending_count == self->pending_room) {
        size_t room = self->pending_room ? self->pending_room * 2 : 1024;
        Pending *pending = PyMem_Realloc(self->pending, room * sizeof *pending);
        if (pending == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->pending = pending;
        self->pending_room = room;
    }
    self->pending[self->pending_count++] = (Pending){(uint32_t)number, 0};
    return 0;
}

static int
keep_row(Records *self, const unsigned char *at, uint64_t head, uint64_t elements)
{
    size_t number = self->next;
    if (reach(self, number) < 0)
        return -1;
    if (self->rows[number] != NULL)
        return wrong("there are two records of one number");
    self->next++;
    PyObject *blank = NULL;
    switch (head) {
    case LIST:
    case RAW_LIST:
        blank = PyList_New(0);
        break;
    case SET:
    case RAW_SET:
        blank = PySet_New(NULL);
        break;
    case DICT:
    case RAW_DICT:
        blank = PyDict_New();
        break;
    default:
        if (head >= FIRST) {
            Kind *kind = &self->kinds[head - FIRST];
            if (kind->way == SWIFT || kind->way == DIRECT) {
                blank = PyBaseObject_Type.tp_new(kind->cls, empty_tuple, NULL);
                break;
            }
            if (kind->blank != NULL) {
                blank = PyObject_CallNoArgs(kind->blank);
                break;
            }
        }
        Py_INCREF(blank = self->missing);
    }
    if (blank == NULL)
        return -1;
    PyObject *before = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    PyList_SET_ITEM(self->made, (Py_ssize_t)number, blank);
    Py_DECREF(before);
    self->rows[number] = at;
    self->come++;
    if (head > WEAK && head != BLOB)
        self->taken++;
    return elements < LONG ? await(self, number) : 0;
}

static int
extend_row(Records *self, size_t number, const unsigned char *at, uint64_t count)
{
    if (self->extension_count == self->extension_room) {
        size_t room = self->extension_room ? self->extension_room * 2 : 64;
        Extension *all = PyMem_Realloc(self->extensions, room * sizeof *all);
        if (all == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->extensions = all;
        self->extension_room = room;
    }
    self->extensions[self->extension_count] = (Extension){at, (uint32_t)count};
    PyObject *key = PyLong_FromSize_t(number);
    PyObject *place = PyLong_FromSize_t(self->extension_count);
    PyObject *list = NULL;
    int failed = -1;
    if (key == NULL || place == NULL)
        goto end;
    list = PyDict_GetItemWithError(self->extended, key);
    Py_XINCREF(list);
    if (list == NULL) {
        if (PyErr_Occurred() || (list = PyList_New(0)) == NULL ||
            PyDict_SetItem(self->extended, key, list) < 0)
            goto end;
    }
    if (PyList_Append(list, place) < 0)
        goto end;
    self->extension_count++;
    self->flags[number] |= EXTENDED;
    self->flags[number] &= ~FULL;
    failed = 0;
end:
    Py_XDECREF(key);
    Py_XDECREF(place);
    Py_XDECREF(list);
    return failed;
}

static int
take_shape(Records *self, const unsigned char *record)
{
    PyObject *list = literal(record);
    if (list == NULL)
        return -1;
    PyObject *kind = PyObject_CallOneArg(self->shape_came, list);
    Py_DECREF(list);
    if (kind == NULL)
        return -1;
    int failed = keep_kind(self, kind);
    Py_DECREF(kind);
    return failed;
}

/* A number that stands in a list. */
static int
boxed_number(const unsigned char **at, uint64_t *number)
{
    Token box = token_of(*at);
    if (box.type != ARRAY || box.value != 1)
        return wrong("a part of bytes is none");
    Token token = token_of(*at + box.head);
    if (token.type != UNSIGNED)
        return wrong("a part of bytes is none");
    *number = token.value;
    *at = skip(*at);
    return 0;
}

static int
take_part(Records *self, const unsigned char *at, uint64_t head, uint64_t count)
{
    Part part = {0};
    if (head == SPENT) {
        if (count != 1)
            return wrong("a part of bytes is none");
        if (boxed_number(&at, &part.place) < 0)
            return -1;
    }
    else {
        Token token = count == 5 ? token_of(at) : (Token){NIL, 0, 0};
        if (token.type != UNSIGNED)
            return wrong("a part of bytes is none");
        part.number = token.value;
        at = skip_token(at, token);
        if (boxed_number(&at, &part.begin) < 0 || boxed_number(&at, &part.place) < 0 ||
            boxed_number(&at, &part.at) < 0 || boxed_number(&at, &part.length) < 0)
            return -1;
        if (!part.length)
            return wrong("a part of bytes is empty");
    }
    if (self->part_count == self->part_room) {
        size_t room = self->part_room ? self->part_room * 2 : 64;
        Part *parts = PyMem_Realloc(self->parts, room * sizeof *parts);
        if (parts == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->parts = parts;
        self->part_room = room;
    }
    self->parts[self->part_count++] = part;
    return 0;
}

/* A record that describes no object. */
static int
take_control(Records *self, const unsigned char *record, const unsigned char *at,
             uint64_t head, uint64_t count)
{
    Token token = count ? token_of(at) : (Token){NIL, 0, 0};
    int number = token.type == UNSIGNED || token.type == SIGNED;
    switch (head) {
    case MORE:
        if (!self->next || self->next > self->count ||
            self->rows[self->next - 1] == NULL)
            break;
        return extend_row(self, self->next - 1, at, count);
    case AT:
        if (count != 1 || !number || token.value > self->elements ||
            token.value >= UINT32_MAX ||
            (token.value < self->count && self->rows[token.value] != NULL))
            break;
        self->next = (size_t)token.value;
        return 0;
    case LATER:
        if (count < 2 || !number || token.value >= self->count ||
            self->rows[token.value] == NULL)
            break;
        return extend_row(self, (size_t)token.value, skip(at), count - 1);
    case SHAPE:
        return take_shape(self, record);
    case PART:
    case SPENT:
        return take_part(self, at, head, count);
    case END:
        if (count != 1 || !number || token.value != self->count ||
            self->come != self->count)
            break;
        self->complete = 1;
        return 0;
    }
    PyErr_Format(malformed, "a record begins with %llu", (unsigned long long)head);
    return -1;
}

static int
take_record(Records *self, Cursor *cursor)
{
    const unsigned char *record = cursor->at;
    Token array, head;
    if (read_token(cursor, &array) < 0)
        return -1;
    if (array.type != ARRAY || !array.value || array.value > UINT32_MAX)
        return wrong("a chunk holds no records: one is no list");
    if (read_token(cursor, &head) < 0)
        return -1;
    if (head.type != UNSIGNED)
        return wrong("a record begins with something else than its head");
    const unsigned char *elements = cursor->at;
    for (uint64_t left = array.value - 1; left; left--)
        if (check_element(cursor) < 0)
            return -1;
    if (self->complete)
        return wrong("records come after the last");
    self->elements += array.value;
    if ((head.value >= TEXT && head.value <= RAW_DICT) || head.value == BLOB ||
        (head.value >= FIRST && head.value - FIRST < self->kind_count))
        return keep_row(self, record, head.value, array.value - 1);
    return take_control(self, record, elements, head.value, array.value - 1);
}

/* What is needed before an object can be made */

typedef struct {
    Py_ssize_t count;
    char missing, tower, partial;
} Needs;

/* Add what one reference leads to. */
static int
add_need(Records *self, const unsigned char *whole, uint64_t number, Needs *needs)
{
    if (number >= self->count) {
        if (self->final)
            return wrong("a record refers to what is not there");
        needs->missing = 1;
        return 0;
    }
    needs->count++;
    if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing)
        needs->missing = 1;
    if (self->flags[number] & TOWER)
        needs->tower = 1;
    if (!whole[number])
        needs->partial = 1;
    return 0;
}

static int
needs_of(Records *self, size_t number, const unsigned char *whole, Py_ssize_t limit,
         int64_t class_number, Needs *needs)
{
    Elements elements;
    memset(needs, 0, sizeof *needs);
    if (elements_of(self, number, &elements) < 0)
        return -1;
    Token token;
    while (limit-- > 0 && next_token(self, &elements, &token) != NULL) {
        if ((token.type == UNSIGNED || token.type == SIGNED) &&
            add_need(self, whole, token.value, needs) < 0)
            return -1;
    }
    if (class_number >= 0)
        return add_need(self, whole, (uint64_t)class_number, needs);
    return 0;
}

/* All elements, or the first few, as the objects that they are. */
static PyObject *
values_of(Records *self, size_t number, Py_ssize_t limit)
{
    Py_ssize_t count = count_elements(self, number);
    Elements elements;
    if (count < 0 || elements_of(self, number, &elements) < 0)
        return NULL;
    if (count > limit)
        count = limit;
    PyObject *values = PyList_New(count);
    for (Py_ssize_t i = 0; values != NULL && i < count; i++) {
        Token token;
        const unsigned char *at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyList_SET_ITEM(values, i, value);
    }
    return values;
}

static int
keep_made(Records *self, size_t number, PyObject *object)
{
    if (object == NULL)
        return -1;
    PyObject *before = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    PyList_SET_ITEM(self->made, (Py_ssize_t)number, object);
    Py_DECREF(before);
    return 0;
}

static int
turn(Records *self, size_t number)
{
    PyObject *now = PyLong_FromSize_t(number);
    int failed = now == NULL || PyObject_SetAttr(self->loading, str_number, now) < 0;
    Py_XDECREF(now);
    return failed ? -1 : 0;
}

static int read_parts(Records *self);

/* The making */

/* Bytes of one piece or more. */
static PyObject *
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

static PyObject *
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

/* Make one object that an adapter makes, if nothing is in the way. */
static int
make_adapted(Records *self, size_t number, Kind *kind, unsigned char *whole)
{
    Needs needs;
    if (needs_of(self, number, whole, kind->needed, kind->class_number, &needs) < 0)
        return -1;
    if (needs.missing || needs.tower || (kind->complete && needs.partial))
        return 0;
    if (turn(self, number) < 0)
        return -1;
    PyObject *values = values_of(self, number, kind->needed);
    PyObject *arguments = values == NULL ? NULL : PyList_AsTuple(values);
    Py_XDECREF(values);
    if (arguments == NULL)
        return -1;
    PyObject *cls = kind->known;
    if (kind->class_number >= 0)
        cls = PyList_GET_ITEM(self->made, (Py_ssize_t)kind->class_number);
    PyObject *parts[] = {cls, arguments, self->loading};
    PyObject *made = PyObject_Vectorcall(kind->maker, parts, 3, NULL);
    Py_DECREF(arguments);
    if (keep_made(self, number, made) < 0)
        return -1;
    if (needs.count)
        self->flags[number] |= TOWER;
    if (kind->filler == NULL)
        whole[number] = !needs.partial;
    return 0;
}

static int
make_tuple(Records *self, size_t number, unsigned char *whole)
{
    Needs needs;
    if (needs_of(self, number, whole, PY_SSIZE_T_MAX, -1, &needs) < 0)
        return -1;
    if (needs.missing || needs.tower)
        return 0;
    if (turn(self, number) < 0)
        return -1;
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX);
    if (values == NULL)
        return -1;
    PyObject *made = PyList_AsTuple(values);
    Py_DECREF(values);
    if (keep_made(self, number, made) < 0)
        return -1;
    if (needs.count)
        self->flags[number] |= TOWER;
    whole[number] = !needs.partial;
    return 0;
}

/* What lies outside, as plain code makes it. */
static PyObject *
make_outside(Records *self, size_t number, uint64_t head)
{
    PyObject *key = PyLong_FromUnsignedLongLong(head), *kind = NULL;
    if (key != NULL)
        kind = PyObject_GetItem(self->natives, key);
    Py_XDECREF(key);
    if (kind == NULL || turn(self, number) < 0) {
        Py_XDECREF(kind);
        return NULL;
    }
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX), *made = NULL;
    if (values != NULL)
        made = PyObject_CallMethod(kind, "make", "OO", values, Py_None);
    Py_XDECREF(values);
    Py_DECREF(kind);
    return made;
}

/* Whether a descriptor that a record mentions has come; once all have, one that has
 * not is an error. */
static int
has_descriptor(Records *self, size_t number)
{
    Elements elements;
    if (self->final)
        return 1;
    if (elements_of(self, number, &elements) < 0)
        return 0;
    const unsigned char *at = next_element(self, &elements);
    Token box = at == NULL ? (Token){NIL, 0, 0} : token_of(at);
    if (box.type != ARRAY || box.value != 1)
        return 1;
    Token place = token_of(at + box.head);
    return place.type != UNSIGNED ||
        place.value < (uint64_t)PyList_GET_SIZE(self->filenos);
}

static PyObject *
make_descriptor(Records *self, size_t number)
{
    Elements elements;
    Token token;
    if (elements_of(self, number, &elements) < 0)
        return NULL;
    const unsigned char *at = next_token(self, &elements, &token);
    if (at != NULL && token.type == ARRAY && token.value == 1 && !elements.left) {
        Token place = token_of(at + token.head);
        if (place.type == UNSIGNED &&
            place.value < (uint64_t)PyList_GET_SIZE(self->filenos))
            return PyObject_CallOneArg(
                descriptor_type,
                PyList_GET_ITEM(self->filenos, (Py_ssize_t)place.value));
    }
    return make_outside(self, number, DESCRIPTOR);
}

/* What needs no other object. */
static int
make_atom(Records *self, size_t number, unsigned char *whole)
{
    PyObject *made;
    uint64_t head = head_of(self, number);
    if (head >= FIRST) {
        Kind *kind = &self->kinds[head - FIRST];
        if (kind->way != ADAPTED || kind->needed || kind->class_number >= 0)
            return 0;
        return make_adapted(self, number, kind, whole);
    }
    switch (head) {
    case NAMED:
    case EXTERNAL:
    case DESCRIPTOR: {
        Needs needs;
        if (needs_of(self, number, whole, PY_SSIZE_T_MAX, -1, &needs) < 0)
            return -1;
        if (needs.count || (head == DESCRIPTOR && !has_descriptor(self, number)))
            return 0;
        made = head == DESCRIPTOR ? make_descriptor(self, number)
                                  : make_outside(self, number, head);
        break;
    }
    case TEXT:
        made = make_text(self, number);
        break;
    case BYTES:
        made = make_bytes(self, number);
        break;
    default:
        return 0;
    }
    whole[number] = 1;
    return keep_made(self, number, made);
}

static int
make_one(Records *self, size_t number, unsigned char *whole)
{
    Kind *kind = kind_of(self, number);
    if (kind != NULL)
        return kind->way == ADAPTED ? make_adapted(self, number, kind, whole) : 0;
    return head_of(self, number) == TUPLE ? make_tuple(self, number, whole) : 0;
}

/* A bytearray with a byte for each record. */
static unsigned char *
marks_of(Records *self, PyObject *array)
{
    if (!PyByteArray_Check(array) ||
        (size_t)PyByteArray_GET_SIZE(array) != self->count) {
        PyErr_SetString(PyExc_TypeError, "marks are a bytearray, one for each record");
        return NULL;
    }
    return (unsigned char *)PyByteArray_AS_STRING(array);
}

static PyObject *
records_make(Records *self, PyObject *array)
{
    PyObject *left = NULL;
    unsigned char *whole = marks_of(self, array);
    if (whole == NULL || (left = PyList_New(0)) == NULL)
        return NULL;
    self->final = 1;
    if (read_parts(self) < 0)
        goto error;
    memcpy(whole, self->whole, self->count);
    for (size_t number = 0; number < self->count; number++)
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing &&
            make_atom(self, number, whole) < 0)
            goto error;
    for (size_t number = self->count; number-- > 0;) {
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) != self->missing)
            continue;
        if (make_one(self, number, whole) < 0)
            goto error;
    }
    /* What is needed mostly has the higher number; not always. */
    for (size_t number = 0; number < self->count; number++)
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing &&
            make_one(self, number, whole) < 0)
            goto error;
    for (size_t number = self->count; number-- > 0;) {
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) != self->missing)
            continue;
        PyObject *item = PyLong_FromSize_t(number);
        if (item == NULL || PyList_Append(left, item) < 0) {
            Py_XDECREF(item);
            goto error;
        }
        Py_DECREF(item);
    }
    return left;
error:
    Py_DECREF(left);
    return NULL;
}

/* The filling */

enum { FILLED, SLOW, HASHING, FAILED = -1 };

static int
fill_list(Records *self, size_t number, PyObject *list)
{
    if (PyList_GET_SIZE(list))
        return SLOW;
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX);
    if (values == NULL)
        return FAILED;
    Py_ssize_t count = PyList_GET_SIZE(values);
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyList_GET_ITEM(values, i) == self->missing) {
            Py_DECREF(values);
            return SLOW;
        }
    int failed = PyList_SetSlice(list, 0, 0, values);
    Py_DECREF(values);
    return failed ? FAILED : FILLED;
}

/* Whether hashing and comparing an object looks at what is in it. */
static int
looks(Records *self, const unsigned char *whole, uint64_t number)
{
    if (whole[number])
        return 0;
    PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(self->made, (Py_ssize_t)number));
    return PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing ||
        type->tp_hash != PyBaseObject_Type.tp_hash ||
        type->tp_richcompare != PyBaseObject_Type.tp_richcompare;
}

/* What has to be known of a key before it is hashed. */
static int
check_key(Records *self, const unsigned char *whole, const unsigned char *at)
{
    Token token = token_of(at);
    if (token.type != UNSIGNED && token.type != SIGNED)
        return FILLED;
    if (token.value >= self->count)
        return wrong("a key refers to what is not there");
    if (looks(self, whole, token.value))
        return HASHING;
    PyObject *key = PyList_GET_ITEM(self->made, (Py_ssize_t)token.value);
    if (self->flags[token.value] & TOWER || PyTuple_CheckExact(key) ||
        PyFrozenSet_CheckExact(key))
        return SLOW;
    return FILLED;
}

/* Whether all keys may be hashed at once. */
static int
check_keys(Records *self, size_t number, const unsigned char *whole, int step)
{
    Elements elements;
    const unsigned char *at;
    int found = FILLED, place = 0;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    for (; (at = next_element(self, &elements)) != NULL; place++) {
        if (place % step)
            continue;
        int one = check_key(self, whole, at);
        if (one == FAILED || one == HASHING)
            return one;
        if (one == SLOW)
            found = SLOW;
    }
    return place % step ? SLOW : found;
}

static int
fill_keyed(Records *self, size_t number, PyObject *object, const unsigned char *whole)
{
    int step = PyDict_CheckExact(object) ? 2 : 1;
    Elements elements;
    const unsigned char *at;
    Py_ssize_t count = 0;
    int found = check_keys(self, number, whole, step);
    if (found != FILLED)
        return found;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    while ((at = next_element(self, &elements)) != NULL) {
        PyObject *key = value_of(self, at), *value = NULL;
        if (key == NULL)
            return FAILED;
        if (step == 2) {
            value = value_of(self, next_element(self, &elements));
            if (value == NULL || value == self->missing) {
                Py_DECREF(key);
                Py_XDECREF(value);
                return value == NULL ? FAILED : SLOW;
            }
        }
        int failed = step == 2 ? PyDict_SetItem(object, key, value)
                               : PySet_Add(object, key);
        Py_DECREF(key);
        Py_XDECREF(value);
        if (failed)
            return FAILED;
        count++;
    }
    /* Keys that are equal here are reported where the other errors are. */
    Py_ssize_t size = step == 2 ? PyDict_GET_SIZE(object) : PySet_GET_SIZE(object);
    return size == count ? FILLED : SLOW;
}

/* Whether all that a record refers to is made. */
static int
is_ready(Records *self, size_t number)
{
    Elements elements;
    Token token;
    if (elements_of(self, number, &elements) < 0)
        return -1;
    while (next_token(self, &elements, &token) != NULL) {
        if (token.type != UNSIGNED && token.type != SIGNED)
            continue;
        if (token.value >= self->count) {
            if (self->final)
                return wrong("a record refers to what is not there");
            return 0;
        }
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)token.value) == self->missing)
            return 0;
    }
    return 1;
}

/* Set attributes, and give the rest of the elements to the adapter, if there is one. */
static int
fill_attributes(Records *self, size_t number, Kind *kind, PyObject *object)
{
    Elements elements;
    Token token;
    const unsigned char *at;
    Py_ssize_t count = PyTuple_GET_SIZE(kind->names);
    Py_ssize_t all = count_elements(self, number);
    if (all < 0)
        return FAILED;
    int ready = all == count ? is_ready(self, number) : 0;
    if (ready < 1)
        return ready < 0 ? FAILED : SLOW;
    if (elements_of(self, number, &elements) < 0)
        return FAILED;
    for (Py_ssize_t i = 0; i < count - kind->extras; i++) {
        at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            return FAILED;
        /* No class attribute of these names has a say: see migrate.graph.kinds. */
        int failed = PyObject_GenericSetAttr(
            object, PyTuple_GET_ITEM(kind->names, i), value);
        Py_DECREF(value);
        if (failed)
            return FAILED;
    }
    if (kind->restorer == NULL)
        return FILLED;
    PyObject *values = PyTuple_New(kind->extras);
    for (Py_ssize_t i = 0; values != NULL && i < kind->extras; i++) {
        at = next_token(self, &elements, &token);
        PyObject *value = value_of_token(self, at, token);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyTuple_SET_ITEM(values, i, value);
    }
    if (values == NULL)
        return FAILED;
    PyObject *parts[] = {object, values, self->loading};
    PyObject *none = PyObject_Vectorcall(kind->restorer, parts, 3, NULL);
    Py_DECREF(values);
    Py_XDECREF(none);
    return none == NULL ? FAILED : FILLED;
}

static int
fill_one(Records *self, size_t number, unsigned char *whole)
{
    PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    Kind *kind = kind_of(self, number);
    if (kind != NULL)
        return kind->way == SWIFT ? fill_attributes(self, number, kind, object) : SLOW;
    switch (head_of(self, number)) {
    case LIST:
        return fill_list(self, number, object);
    case SET:
    case DICT:
        return fill_keyed(self, number, object, whole);
    default:
        return SLOW;
    }
}

static int
append_number(PyObject *list, size_t number)
{
    PyObject *item = PyLong_FromSize_t(number);
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* Whether something is left to do once an object is made. */
static int
is_filled(Records *self, size_t number)
{
    uint64_t head = head_of(self, number);
    if (head >= FIRST)
        return 1;
    return head == LIST || head == SET || head == DICT || head == RAW_LIST ||
        head == RAW_SET || head == RAW_DICT;
}

static PyObject *
records_fill(Records *self, PyObject *args)
{
    PyObject *wholes, *filleds;
    if (!PyArg_ParseTuple(args, "OO", &wholes, &filleds))
        return NULL;
    unsigned char *whole = marks_of(self, wholes), *filled = marks_of(self, filleds);
    if (whole == NULL || filled == NULL)
        return NULL;
    PyObject *rest = PyList_New(0), *looking = PyList_New(0);
    PyObject *hashing = PyList_New(0), *slow = PyList_New(0);
    if (rest == NULL || looking == NULL || hashing == NULL || slow == NULL)
        goto error;
    for (size_t number = 0; number < self->count; number++) {
        Kind *kind = kind_of(self, number);
        PyObject *into = NULL;
        if (self->flags[number] & FULL) {
            filled[number] = 1;
            continue;
        }
        if (!is_filled(self, number) || (kind != NULL && kind->filler == NULL))
            continue;
        if (kind != NULL && (kind->way == ADAPTED || kind->way == DIRECT)) {
            if (kind->whole && append_number(looking, number) < 0)
                goto error;
            into = rest;
        }
        else {
            if (turn(self, number) < 0)
                goto error;
            switch (fill_one(self, number, whole)) {
            case FILLED:
                filled[number] = 1;
                continue;
            case HASHING:
                into = hashing;
                break;
            case SLOW:
                into = slow;
                break;
            default:
                goto error;
            }
        }
        if (append_number(into, number) < 0)
            goto error;
    }
    return Py_BuildValue("(NNNN)", rest, looking, hashing, slow);
error:
    Py_XDECREF(rest);
    Py_XDECREF(looking);
    Py_XDECREF(hashing);
    Py_XDECREF(slow);
    return NULL;
}

/* While records come: make and fill what has all that it mentions. */

/* 1 if nothing is left to do, or only when all has come; 0 if it has to wait. */
static int
advance(Records *self, size_t number)
{
    Kind *kind = kind_of(self, number);
    if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing) {
        if (make_atom(self, number, self->whole) < 0)
            return -1;
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing &&
            make_one(self, number, self->whole) < 0)
            return -1;
        if (PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing)
            return 0;
    }
    if (!is_filled(self, number) || (kind != NULL && kind->filler == NULL))
        return 1;
    if (kind != NULL && (kind->way == ADAPTED || kind->way == GENERIC ||
                         (kind->way == DIRECT && !kind->immediate)))
        return 1;
    if (kind == NULL) {
        int ready = is_ready(self, number);
        if (ready < 1)
            return ready;
    }
    if (turn(self, number) < 0)
        return -1;
    PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    int done = kind != NULL && kind->way == DIRECT
        ? fill_attributes(self, number, kind, object)
        : fill_one(self, number, self->whole);
    if (done == FAILED)
        return -1;
    if (done != FILLED)
        return 0;
    self->flags[number] |= FULL;
    return 1;
}

/* Begin with a large byte string, of which the first part has come. */
static int
begin_blob(Records *self, Part *part)
{
    uint64_t length;
    if (part->number >= self->count || self->rows[part->number] == NULL ||
        head_of(self, part->number) != BLOB || part->begin ||
        PyList_GET_ITEM(self->made, (Py_ssize_t)part->number) != self->missing)
        return wrong("parts of what is no large byte string came");
    Elements elements;
    if (elements_of(self, part->number, &elements) < 0)
        return -1;
    if (elements.left != 1)
        return wrong("a large byte string has no length");
    const unsigned char *at = elements.at;
    if (boxed_number(&at, &length) < 0)
        return -1;
    if (length > PY_SSIZE_T_MAX)
        return wrong("a large byte string is too large");
    self->blob = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    self->blob_number = part->number;
    self->blob_filled = 0;
    return self->blob == NULL ? -1 : 0;
}

static int
read_part(Records *self, Part *part, int fileno)
{
    if (self->blob == NULL && begin_blob(self, part) < 0)
        return -1;
    uint64_t length = (uint64_t)PyBytes_GET_SIZE(self->blob);
    if (part->number != self->blob_number || part->begin != self->blob_filled ||
        part->length > length - self->blob_filled)
        return wrong("a part of bytes is not where it should be");
    char *into = PyBytes_AS_STRING(self->blob) + part->begin;
    for (uint64_t got = 0; got < part->length;) {
        ssize_t some = pread(fileno, into + got, part->length - got,
                             (off_t)(part->at + got));
        if (some <= 0)
            return wrong("a part of bytes cannot be read");
        got += (uint64_t)some;
    }
    self->blob_filled += part->length;
    if (self->blob_filled < length)
        return 0;
    PyObject *blob = self->blob;
    self->blob = NULL;
    self->whole[part->number] = 1;
    return keep_made(self, part->number, blob);
}

/* Read what has come in files. */
static int
read_parts(Records *self)
{
    for (; self->part < self->part_count; self->part++) {
        Part *part = &self->parts[self->part];
        if (part->place >= (uint64_t)PyList_GET_SIZE(self->filenos)) {
            if (self->final)
                return wrong("a file with parts of bytes is missing");
            return 0;
        }
        if (!part->length) {
            PyObject *none =
                PyObject_CallMethod(self->loading, "spend", "K", part->place);
            Py_XDECREF(none);
            if (none == NULL)
                return -1;
            continue;
        }
        PyObject *fileno = PyList_GET_ITEM(self->filenos, (Py_ssize_t)part->place);
        if (read_part(self, part, (int)PyLong_AsLong(fileno)) < 0)
            return -1;
    }
    self->part = self->part_count = 0;
    return 0;
}

/* What is mentioned mostly comes right behind what mentions it. */
static int
progress(Records *self)
{
    if (read_parts(self) < 0)
        return -1;
    size_t left = self->pending_count;
    for (size_t at = 0; at < self->pending_count; at++) {
        size_t number = self->pending[at].number;
        if ((number + 1 != self->next || self->complete) &&
            PyList_GET_ITEM(self->made, (Py_ssize_t)number) == self->missing &&
            make_atom(self, number, self->whole) < 0)
            return -1;
    }
    for (size_t at = self->pending_count; at-- > 0;) {
        Pending *pending = &self->pending[at];
        if (pending->number + 1 == self->next && !self->complete) {
            /* There may be more of it. */
            self->pending[--left] = *pending;
            continue;
        }
        int done = advance(self, pending->number);
        if (done < 0)
            return -1;
        if (done || ++pending->age == PATIENCE)
            continue;
        self->pending[--left] = *pending;
    }
    /* Those that wait stand at the end now, in their order. */
    if (left)
        memmove(self->pending, self->pending + left,
            (self->pending_count - left) * sizeof *self->pending);
    self->pending_count -= left;
    return 0;
}

static PyObject *
records_take(Records *self, PyObject *chunk)
{
    if (!PyBytes_Check(chunk)) {
        PyErr_SetString(PyExc_TypeError, "a chunk is bytes");
        return NULL;
    }
    if (PyList_Append(self->chunks, chunk) < 0)
        return NULL;
    Cursor cursor = {(const unsigned char *)PyBytes_AS_STRING(chunk), NULL};
    cursor.end = cursor.at + PyBytes_GET_SIZE(chunk);
    Token array;
    if (read_token(&cursor, &array) < 0)
        return NULL;
    if (array.type != ARRAY) {
        wrong("a chunk holds no records: it is no list");
        return NULL;
    }
    for (uint64_t left = array.value; left; left--)
        if (take_record(self, &cursor) < 0)
            return NULL;
    if (cursor.at != cursor.end) {
        wrong("a chunk holds no records: something comes behind them");
        return NULL;
    }
    if (progress(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The state of an object as a dictionary; NULL without an exception if it does not
 * fit, or if something is not made. */
static PyObject *
state_of(Records *self, size_t number, Kind *kind)
{
    Elements elements;
    Py_ssize_t count = PyTuple_GET_SIZE(kind->names);
    Py_ssize_t all = count_elements(self, number);
    if (all < 0 || all != kind->needed + count ||
        elements_of(self, number, &elements) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < kind->needed; i++)
        next_element(self, &elements);
    PyObject *state = PyDict_New();
    for (Py_ssize_t i = 0; state != NULL && i < count; i++) {
        PyObject *value = value_of(self, next_element(self, &elements));
        if (value == NULL || value == self->missing ||
            PyDict_SetItem(state, PyTuple_GET_ITEM(kind->names, i), value) < 0)
            Py_CLEAR(state);
        Py_XDECREF(value);
    }
    return state;
}

static PyObject *
records_finish(Records *self, PyObject *args)
{
    PyObject *numbers, *filleds;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &numbers, &filleds))
        return NULL;
    unsigned char *filled = marks_of(self, filleds);
    PyObject *left = filled == NULL ? NULL : PyList_New(0);
    if (left == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(numbers); i++) {
        size_t number = PyLong_AsSize_t(PyList_GET_ITEM(numbers, i));
        if (number >= self->count) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_IndexError, "no such record");
            goto error;
        }
        Kind *kind = kind_of(self, number);
        PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
        if (filled[number])
            continue;
        PyObject *state = NULL;
        if (kind != NULL && kind->way == DIRECT) {
            if (turn(self, number) < 0)
                goto error;
            int done = fill_attributes(self, number, kind, object);
            if (done == FAILED || (done == SLOW && append_number(left, number) < 0))
                goto error;
            filled = marks_of(self, filleds);
            if (filled == NULL)
                goto error;
            if (done == FILLED)
                filled[number] = 1;
            continue;
        }
        if (object != self->missing && kind != NULL && kind->way == ADAPTED &&
            kind->names != NULL && kind->filler != NULL) {
            if (turn(self, number) < 0)
                goto error;
            state = state_of(self, number, kind);
            if (state == NULL && PyErr_Occurred())
                goto error;
        }
        if (state == NULL) {
            if (append_number(left, number) < 0)
                goto error;
            continue;
        }
        PyObject *parts[] = {object, state, self->loading};
        PyObject *none = PyObject_Vectorcall(kind->filler, parts, 3, NULL);
        Py_DECREF(state);
        if (none == NULL)
            goto error;
        Py_DECREF(none);
        filled = marks_of(self, filleds);
        if (filled == NULL)
            goto error;
        filled[number] = 1;
    }
    return left;
error:
    Py_DECREF(left);
    return NULL;
}

/* What plain code asks */

static int
checked_number(Records *self, PyObject *argument, size_t *number)
{
    Py_ssize_t found = PyLong_AsSsize_t(argument);
    if (found == -1 && PyErr_Occurred())
        return -1;
    if (found < 0 || (size_t)found >= self->count || self->rows[found] == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such record");
        return -1;
    }
    *number = (size_t)found;
    return 0;
}

static PyObject *
records_head(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(head_of(self, number));
}

static PyObject *
records_isTower(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return PyBool_FromLong(self->flags[number] & TOWER);
}

static PyObject *
records_item(PyObject *object, Py_ssize_t place)
{
    Records *self = (Records *)object;
    if (place < 0 || (size_t)place >= self->count || self->rows[place] == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such record");
        return NULL;
    }
    size_t number = (size_t)place;
    Py_ssize_t count = count_elements(self, number);
    Elements elements;
    if (count < 0 || elements_of(self, number, &elements) < 0)
        return NULL;
    PyObject *record = PyList_New(count + 1);
    if (record == NULL)
        return NULL;
    PyObject *item = PyLong_FromUnsignedLongLong(head_of(self, number));
    for (Py_ssize_t i = 0; i <= count; i++) {
        if (i)
            item = literal(next_element(self, &elements));
        if (item == NULL) {
            Py_DECREF(record);
            return NULL;
        }
        PyList_SET_ITEM(record, i, item);
    }
    return record;
}

static Py_ssize_t
records_length(PyObject *self)
{
    return (Py_ssize_t)((Records *)self)->count;
}

static PyObject *
records_elements(Records *self, PyObject *argument)
{
    size_t number;
    if (checked_number(self, argument, &number) < 0)
        return NULL;
    return values_of(self, number, PY_SSIZE_T_MAX);
}

/* Life */

static int
records_init(Records *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"kinds", "shapeCame", "loading", "missing", NULL};
    PyObject *kinds, *loading, *came, *missing;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO", names, &kinds, &came,
                                     &loading, &missing))
        return -1;
    if (self->made != NULL) {
        PyErr_SetString(PyExc_TypeError, "records begin once");
        return -1;
    }
    Py_INCREF(self->natives = kinds);
    Py_INCREF(self->loading = loading);
    Py_INCREF(self->shape_came = came);
    Py_INCREF(self->missing = missing);
    self->filenos = PyObject_GetAttrString(loading, "filenos");
    if (self->filenos == NULL)
        return -1;
    if (!PyList_CheckExact(self->filenos)) {
        PyErr_SetString(PyExc_TypeError, "descriptors are a list");
        return -1;
    }
    self->chunks = PyList_New(0);
    self->extended = PyDict_New();
    self->made = PyList_New(0);
    return self->chunks && self->extended && self->made ? 0 : -1;
}

static int
records_traverse(Records *self, visitproc visit, void *arg)
{
    Py_VISIT(self->chunks);
    Py_VISIT(self->made);
    Py_VISIT(self->missing);
    Py_VISIT(self->natives);
    Py_VISIT(self->loading);
    Py_VISIT(self->filenos);
    Py_VISIT(self->shape_came);
    Py_VISIT(self->extended);
    for (size_t i = 0; i < self->kind_count; i++) {
        Kind *kind = &self->kinds[i];
        Py_VISIT(kind->kind);
        Py_VISIT(kind->blank);
        Py_VISIT(kind->maker);
        Py_VISIT(kind->known);
        Py_VISIT(kind->filler);
        Py_VISIT(kind->names);
        Py_VISIT(kind->cls);
        Py_VISIT(kind->restorer);
    }
    return 0;
}

static int
records_clear(Records *self)
{
    size_t kinds = self->kind_count;
    self->count = self->kind_count = self->extension_count = self->pending_count = 0;
    for (size_t i = 0; i < kinds; i++)
        forget_kind(&self->kinds[i]);
    Py_CLEAR(self->chunks);
    Py_CLEAR(self->made);
    Py_CLEAR(self->missing);
    Py_CLEAR(self->natives);
    Py_CLEAR(self->loading);
    Py_CLEAR(self->filenos);
    Py_CLEAR(self->blob);
    Py_CLEAR(self->shape_came);
    Py_CLEAR(self->extended);
    return 0;
}

static void
records_dealloc(Records *self)
{
    PyObject_GC_UnTrack(self);
    records_clear(self);
    PyMem_Free(self->rows);
    PyMem_Free(self->flags);
    PyMem_Free(self->kinds);
    PyMem_Free(self->extensions);
    PyMem_Free(self->whole);
    PyMem_Free(self->pending);
    PyMem_Free(self->parts);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
records_made(Records *self, void *Py_UNUSED(closure))
{
    Py_INCREF(self->made);
    return self->made;
}

static PyObject *
records_taken(Records *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(self->taken);
}

static PyObject *
records_complete(Records *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->complete);
}

static PyMethodDef methods[] = {
    {"take", (PyCFunction)records_take, METH_O, "See the plain one."},
    {"make", (PyCFunction)records_make, METH_O, "See the plain one."},
    {"fill", (PyCFunction)records_fill, METH_VARARGS, "See the plain one."},
    {"finish", (PyCFunction)records_finish, METH_VARARGS, "See the plain one."},
    {"head", (PyCFunction)records_head, METH_O, "See the plain one."},
    {"isTower", (PyCFunction)records_isTower, METH_O, "See the plain one."},
    {"elements", (PyCFunction)records_elements, METH_O, "See the plain one."},
    {NULL},
};

static PyGetSetDef members[] = {
    {"made", (getter)records_made, NULL, "See the plain one."},
    {"taken", (getter)records_taken, NULL, "See the plain one."},
    {"complete", (getter)records_complete, NULL, "See the plain one."},
    {NULL},
};

static PySequenceMethods sequence = {
    .sq_length = records_length,
    .sq_item = records_item,
};

PyTypeObject RecordsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.graph._native.Records",
    .tp_doc = "The records of a table that arrives.",
    .tp_basicsize = sizeof(Records),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)records_init,
    .tp_traverse = (traverseproc)records_traverse,
    .tp_clear = (inquiry)records_clear,
    .tp_dealloc = (destructor)records_dealloc,
    .tp_methods = methods,
    .tp_getset = members,
    .tp_as_sequence = &sequence,
};

int
records_prepare(void)
{
    PyObject *errors = PyImport_ImportModule("migrate.errors");
    if (errors == NULL)
        return -1;
    malformed = PyObject_GetAttrString(errors, "MalformedTable");
    Py_DECREF(errors);
    PyObject *model = PyImport_ImportModule("migrate.model");
    if (model == NULL)
        return -1;
    descriptor_type = PyObject_GetAttrString(model, "Descriptor");
    Py_DECREF(model);
    empty_tuple = PyTuple_New(0);
    str_number = PyUnicode_InternFromString("number");
    if (!malformed || !descriptor_type || !empty_tuple || !str_number)
        return -1;
    return PyType_Ready(&RecordsType);
}
