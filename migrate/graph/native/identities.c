/* The table of identities: which number an object has.
 *
 * It must not know what objects are, nor what becomes of them. */
#include "visits.h"

/* Where the search begins.  There are as few slots as will do, no power of two. */
static inline size_t
first_of(const void *pointer, size_t slots)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15ull;
    return (size_t)((mixed >> 32) * slots >> 32);
}

static int
grow_table(Visits *self)
{
    size_t slots = self->slots ? self->slots + self->slots / 2 : 1024;
    /* All that is in it can be found anew: never are there two. */
    PyMem_Free(self->table);
    self->slots = 0;
    uint32_t *table = self->table = PyMem_Calloc(slots, sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->slots = slots;
    Py_ssize_t count = PyList_GET_SIZE(self->objects);
    for (Py_ssize_t number = 0; number < count; number++) {
        size_t at = first_of(PyList_GET_ITEM(self->objects, number), slots);
        while (table[at])
            at = at + 1 == slots ? 0 : at + 1;
        table[at] = (uint32_t)number + 1;
    }
    return 0;
}

/* Where an object is in the table, or would be; there is a table. */
static size_t
place_of(Visits *self, PyObject *object)
{
    size_t at = first_of(object, self->slots);
    while (self->table[at] &&
           PyList_GET_ITEM(self->objects, self->table[at] - 1) != object)
        at = at + 1 == self->slots ? 0 : at + 1;
    return at;
}

int64_t
find(Visits *self, PyObject *object)
{
    return self->slots ? (int64_t)self->table[place_of(self, object)] - 1 : -1;
}

/* The number of an object, which it gets at the first time; -1 with an exception. */
int64_t
meet(Visits *self, PyObject *object)
{
    Py_ssize_t count = PyList_GET_SIZE(self->objects);
    if ((size_t)count * 4 >= self->slots * 3 && grow_table(self) < 0)
        return -1;
    size_t at = place_of(self, object);
    if (self->table[at])
        return self->table[at] - 1;
    if (count >= UINT32_MAX - 1) {
        PyErr_SetString(PyExc_OverflowError, "too many objects");
        return -1;
    }
    if (PyList_Append(self->objects, object) < 0)
        return -1;
    self->table[at] = (uint32_t)count + 1;
    return count;
}
