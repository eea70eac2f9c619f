/* Attributes of instances.
 *
 * From Python 3.11 on an instance keeps its attributes without a dictionary until
 * somebody asks for that; from then on it is larger and slower.  So what is inside the
 * interpreter is read here, in the three ways of its releases; any other release is
 * asked for dictionaries.  It must not know what the attributes are for. */
#define Py_BUILD_CORE_MODULE 1
#include "native.h"

#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030e0000 && \
    !defined(Py_GIL_DISABLED) && defined(__has_include)
#if __has_include("internal/pycore_dict.h")
#define INSIDE 1
#endif
#endif

#ifdef INSIDE
#include "internal/pycore_object.h"
#include "internal/pycore_dict.h"
#endif

/* Have memory get ready what is going to be read: of thousands of objects little is in a
 * cache, and one after the other would be waited for. */
#if defined(__GNUC__)
#define FETCH(object) __builtin_prefetch(object)
#else
#define FETCH(object)
#endif

void
attributes_clear(Attributes *attributes)
{
    PyMem_Free(attributes->names);
    PyMem_Free(attributes->values);
    memset(attributes, 0, sizeof *attributes);
}

static int
reserve(Attributes *attributes, Py_ssize_t count)
{
    if (count <= attributes->room)
        return 0;
    Py_ssize_t room = count + count / 2 + 32;
    PyObject **names = PyMem_Realloc(attributes->names, (size_t)room * sizeof *names);
    if (names != NULL)
        attributes->names = names;
    PyObject **values =
        PyMem_Realloc(attributes->values, (size_t)room * sizeof *values);
    if (values != NULL)
        attributes->values = values;
    if (names == NULL || values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    attributes->room = room;
    return 0;
}

#ifdef INSIDE

/* The values of an object without a dictionary; NULL if it has one. */
static PyDictValues *
values_inside(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT))
        return NULL;
#if PY_VERSION_HEX >= 0x030d0000
    if (!(type->tp_flags & Py_TPFLAGS_INLINE_VALUES) ||
        _PyObject_ManagedDictPointer(object)->dict != NULL)
        return NULL;
    PyDictValues *values = _PyObject_InlineValues(object);
    return values->valid ? values : NULL;
#elif PY_VERSION_HEX >= 0x030c0000
    PyDictOrValues held = *_PyObject_DictOrValuesPointer(object);
    return _PyDictOrValues_IsValues(held) ? _PyDictOrValues_GetValues(held) : NULL;
#else
    return *_PyObject_ValuesPointer(object);
#endif
}

static int
read_inside(PyObject *object, PyDictValues *values, Attributes *attributes)
{
    PyDictKeysObject *keys = ((PyHeapTypeObject *)Py_TYPE(object))->ht_cached_keys;
    if (keys == NULL || !DK_IS_UNICODE(keys))
        return 0;
#if PY_VERSION_HEX >= 0x030d0000
    Py_ssize_t count = values->size;
    uint8_t *order = get_insertion_order_array(values);
#else
    Py_ssize_t count = ((uint8_t *)values)[-2];
    uint8_t *order = (uint8_t *)values - 3;
#endif
    if (reserve(attributes, count) < 0)
        return -1;
    PyDictUnicodeEntry *entries = DK_UNICODE_ENTRIES(keys);
    for (Py_ssize_t at = 0; at < count; at++) {
#if PY_VERSION_HEX >= 0x030d0000
        uint8_t place = order[at];
#else
        uint8_t place = order[-at];
#endif
        if (values->values[place] == NULL)
            return 0;
        attributes->names[at] = entries[place].me_key;
        attributes->values[at] = values->values[place];
        FETCH(values->values[place]);
    }
    attributes->count = count;
    return 1;
}

#endif

int
read_attributes(PyObject *object, Attributes *attributes)
{
    attributes->count = 0;
#ifdef INSIDE
    PyDictValues *inside = values_inside(object);
    if (inside != NULL) {
        int done = read_inside(object, inside, attributes);
        if (done)
            return done < 0 ? -1 : 0;
    }
#endif
    PyObject *held = PyObject_GenericGetDict(object, NULL);
    if (held == NULL)
        return -1;
    PyObject *name, *value;
    Py_ssize_t at = 0;
    int failed = reserve(attributes, PyDict_GET_SIZE(held));
    while (!failed && PyDict_Next(held, &at, &name, &value)) {
        FETCH(value);
        attributes->names[attributes->count] = name;
        attributes->values[attributes->count++] = value;
    }
    /* The object holds it. */
    Py_DECREF(held);
    return failed;
}
