/* The making of objects, as far as what each needs is made.
 *
 * It must not know how objects are filled. */
#include "records.h"

/* What is needed before an object can be made. */
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
    if (is_missing(self, number))
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

/* Have the adapter make an object. */
static PyObject *
ask_adapter(Records *self, size_t number, Kind *kind, PyObject *arguments)
{
    PyObject *cls = kind->known;
    if (kind->class_number >= 0)
        cls = PyList_GET_ITEM(self->made, (Py_ssize_t)kind->class_number);
    PyObject *parts[] = {cls, arguments, self->loading};
    if (turn(self, number) < 0)
        return NULL;
    PyObject *made = PyObject_Vectorcall(kind->maker, parts, 3, NULL);
    if (made != NULL)
        keep_method(kind, arguments, made);
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
    PyObject *values = values_of(self, number, kind->needed);
    PyObject *arguments = values == NULL ? NULL : PyList_AsTuple(values);
    Py_XDECREF(values);
    if (arguments == NULL)
        return blame(self, number);
    PyObject *made = bound_method(kind, arguments);
    if (made == NULL && !PyErr_Occurred())
        made = ask_adapter(self, number, kind, arguments);
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
    PyObject *values = values_of(self, number, PY_SSIZE_T_MAX);
    if (values == NULL)
        return blame(self, number);
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
stand_in(PyObject *fileno)
{
    PyTypeObject *type = (PyTypeObject *)descriptor_type;
    PyObject *made = type->tp_new(type, empty_tuple, NULL);
    if (made != NULL && PyObject_SetAttr(made, str_fileno, fileno) < 0)
        Py_CLEAR(made);
    return made;
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
            return stand_in(PyList_GET_ITEM(self->filenos, (Py_ssize_t)place.value));
    }
    return make_outside(self, number, DESCRIPTOR);
}

/* An empty one, which knows how long it may be. */
static PyObject *
make_deque(Records *self, size_t number)
{
    Elements elements;
    Token token;
    if (elements_of(self, number, &elements) < 0)
        return NULL;
    const unsigned char *at = next_token(self, &elements, &token);
    if (at == NULL || (token.type != NIL && (token.type != ARRAY || token.value != 1)))
        return make_outside(self, number, DEQUE);
    PyObject *longest = value_of_token(self, at, token), *made = NULL;
    if (longest != NULL && (longest == Py_None || PyLong_CheckExact(longest)))
        made = PyObject_CallFunctionObjArgs(deque_type, empty_tuple, longest, NULL);
    else if (longest != NULL)
        made = make_outside(self, number, DEQUE);
    Py_XDECREF(longest);
    return made;
}

/* What needs no other object. */
int
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
    case DEQUE:
        return keep_made(self, number, make_deque(self, number));
    default:
        return 0;
    }
    whole[number] = 1;
    return keep_made(self, number, made);
}

int
make_one(Records *self, size_t number, unsigned char *whole)
{
    Kind *kind = kind_of(self, number);
    if (kind != NULL)
        return kind->way == ADAPTED ? make_adapted(self, number, kind, whole) : 0;
    return head_of(self, number) == TUPLE ? make_tuple(self, number, whole) : 0;
}

/* Make all that can be made. */
static int
make_all(Records *self, unsigned char *whole)
{
    for (size_t number = 0; number < self->count; number++)
        if (is_missing(self, number) && make_atom(self, number, whole) < 0)
            return -1;
    for (size_t number = self->count; number-- > 0;)
        if (is_missing(self, number) && make_one(self, number, whole) < 0)
            return -1;
    /* What is needed mostly has the higher number; not always. */
    for (size_t number = 0; number < self->count; number++)
        if (is_missing(self, number) && make_one(self, number, whole) < 0)
            return -1;
    return 0;
}

PyObject *
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
    if (make_all(self, whole) < 0)
        goto error;
    for (size_t number = self->count; number-- > 0;)
        if (is_missing(self, number) && append_number(left, number) < 0)
            goto error;
    return left;
error:
    Py_DECREF(left);
    return NULL;
}
