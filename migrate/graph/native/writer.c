/* Values as MessagePack.
 *
 * It must not know what a record means. */
#include "native.h"

void *
grown(void *items, size_t count, size_t *room, size_t first, size_t size)
{
    if (count < *room)
        return items;
    size_t more = *room ? *room * 2 : first;
    void *moved = PyMem_Realloc(items, more * size);
    if (moved == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *room = more;
    return moved;
}

int
buffer_reserve(Buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity)
        return 0;
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity < needed)
        capacity *= 2;
    unsigned char *data = PyMem_Realloc(buffer->data, capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

void
buffer_clear(Buffer *buffer)
{
    PyMem_Free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

/* A mark and a number of some bytes, the highest first. */
static int
write_marked(Buffer *out, unsigned char mark, uint64_t value, int bytes)
{
    if (buffer_reserve(out, 9) < 0)
        return -1;
    unsigned char *at = out->data + out->length;
    *at++ = mark;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        *at++ = (unsigned char)(value >> shift);
    out->length += 1 + bytes;
    return 0;
}

/* The same for what has marks for one, two and four bytes, one after the other. */
static int
write_sized(Buffer *out, unsigned char mark, uint64_t value)
{
    if (value <= 0xff)
        return write_marked(out, mark, value, 1);
    if (value <= 0xffff)
        return write_marked(out, mark + 1, value, 2);
    if (value <= 0xffffffff)
        return write_marked(out, mark + 2, value, 4);
    PyErr_SetString(PyExc_OverflowError, "too long for a record");
    return -1;
}

int
write_array(Buffer *out, size_t length)
{
    if (length <= 15)
        return write_marked(out, 0x90 | (unsigned char)length, 0, 0);
    return write_marked(out, length <= 0xffff ? 0xdc : 0xdd, length,
                        length <= 0xffff ? 2 : 4);
}

int
write_unsigned(Buffer *out, uint64_t value)
{
    if (value <= 0x7f)
        return write_marked(out, (unsigned char)value, 0, 0);
    if (value <= 0xffffffff)
        return write_sized(out, 0xcc, value);
    return write_marked(out, 0xcf, value, 8);
}

int
write_signed(Buffer *out, int64_t value)
{
    if (value >= 0)
        return write_unsigned(out, (uint64_t)value);
    if (value >= -32)
        return write_marked(out, (unsigned char)value, 0, 0);
    if (value >= INT8_MIN)
        return write_marked(out, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN)
        return write_marked(out, 0xd1, (uint64_t)value, 2);
    if (value >= INT32_MIN)
        return write_marked(out, 0xd2, (uint64_t)value, 4);
    return write_marked(out, 0xd3, (uint64_t)value, 8);
}

int
write_float(Buffer *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return write_marked(out, 0xcb, bits, 8);
}

static int
write_raw(Buffer *out, const char *data, size_t length)
{
    if (buffer_reserve(out, length) < 0)
        return -1;
    memcpy(out->data + out->length, data, length);
    out->length += length;
    return 0;
}

int
write_bytes(Buffer *out, const char *data, size_t length)
{
    if (write_sized(out, 0xc4, length) < 0)
        return -1;
    return write_raw(out, data, length);
}

int
write_utf8(Buffer *out, const char *data, size_t length)
{
    int failed = length <= 31
        ? write_marked(out, 0xa0 | (unsigned char)length, 0, 0)
        : write_sized(out, 0xd9, length);
    return failed < 0 ? -1 : write_raw(out, data, length);
}

/* Text that UTF-8 does not have stands in a list of two. */
static int
write_escaped(Buffer *out, PyObject *text)
{
    PyObject *data = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (data == NULL)
        return -1;
    int failed = write_array(out, 2) < 0 || write_unsigned(out, 0) < 0 ||
        write_bytes(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)) < 0;
    Py_DECREF(data);
    return failed ? -1 : 0;
}

int
write_text(Buffer *out, PyObject *text)
{
    if (PyUnicode_IS_COMPACT_ASCII(text))
        return write_utf8(out, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text));
    /* Not PyUnicode_AsUTF8: the text would keep what that returns. */
    PyObject *data = PyUnicode_AsUTF8String(text);
    if (data == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear();
        return write_escaped(out, text);
    }
    int failed = write_utf8(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    Py_DECREF(data);
    return failed;
}

int
write_any(Buffer *out, PyObject *value)
{
    if (value == Py_None)
        return write_marked(out, 0xc0, 0, 0);
    if (PyBool_Check(value))
        return write_marked(out, value == Py_True ? 0xc3 : 0xc2, 0, 0);
    if (PyFloat_Check(value))
        return write_float(out, PyFloat_AS_DOUBLE(value));
    if (PyUnicode_Check(value))
        return write_text(out, value);
    if (PyBytes_Check(value))
        return write_bytes(out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    if (PyLong_Check(value)) {
        long long number = PyLong_AsLongLong(value);
        if (number == -1 && PyErr_Occurred())
            return -1;
        return write_signed(out, number);
    }
    if (!PyList_Check(value) && !PyTuple_Check(value)) {
        PyErr_Format(PyExc_TypeError, "no part of a record: %R", value);
        return -1;
    }
    Py_ssize_t length = PySequence_Fast_GET_SIZE(value);
    if (write_array(out, length) < 0)
        return -1;
    for (Py_ssize_t at = 0; at < length; at++)
        if (write_any(out, PySequence_Fast_GET_ITEM(value, at)) < 0)
            return -1;
    return 0;
}
