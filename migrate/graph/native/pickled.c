/* A chunk of records becomes a pickle: see pickles.h.
 *
 * It must not know how a pickle is read. */
#include "pickles.h"

/* Bytes before what is framed: the protocol, and how long the frame is. */
#define FRAME_BEGIN 11
/* Lists in lists; records have three. */
#define DEEPEST 8
static int
put_low_first(Buffer *out, unsigned char op, uint64_t value, int bytes)
{
    if (buffer_reserve(out, 9) < 0)
        return FAILED;
    unsigned char *at = out->data + out->length;
    *at++ = op;
    for (int shift = 0; shift < 8 * bytes; shift += 8)
        *at++ = (unsigned char)(value >> shift);
    out->length += 1 + bytes;
    return DONE;
}

static int
put_integer(Buffer *out, Token token)
{
    if (token.type == UNSIGNED && token.value <= 0xff)
        return put_low_first(out, OP_INT1, token.value, 1);
    if (token.type == UNSIGNED && token.value <= 0xffff)
        return put_low_first(out, OP_INT2, token.value, 2);
    if (token.type == UNSIGNED && token.value >> 63)
        return OTHER;
    int64_t value = (int64_t)token.value;
    if (value >= INT32_MIN && value <= INT32_MAX)
        return put_low_first(out, OP_INT4, token.value, 4);
    if (put_low_first(out, OP_LONG1, 8, 1) < 0 || buffer_reserve(out, 8) < 0)
        return FAILED;
    for (int shift = 0; shift < 64; shift += 8)
        out->data[out->length++] = (unsigned char)(token.value >> shift);
    return DONE;
}

static int
put_string(Buffer *out, const unsigned char *content, Token token)
{
    int text = token.type == STR, failed;
    if (token.value <= 0xff)
        failed = put_low_first(out, text ? OP_SHORT_TEXT : OP_SHORT_BYTES,
                               token.value, 1);
    else
        failed = put_low_first(out, text ? OP_TEXT : OP_BYTES, token.value, 4);
    if (failed < 0 || buffer_reserve(out, token.value) < 0)
        return FAILED;
    memcpy(out->data + out->length, content, token.value);
    out->length += token.value;
    return DONE;
}

static int
put_float(Buffer *out, const unsigned char *content)
{
    if (buffer_reserve(out, 9) < 0)
        return FAILED;
    out->data[out->length++] = OP_FLOAT;
    memcpy(out->data + out->length, content, 8);
    out->length += 8;
    return DONE;
}

static int
put_op(Buffer *out, unsigned char op)
{
    return put_low_first(out, op, 0, 0);
}

/* What most elements are, where there is room for it; OTHER if it is something else. */
static inline int
put_short(unsigned char *out, const unsigned char *at, size_t *come, size_t *gone)
{
    unsigned char mark = *at;
    if (mark <= 0x7f || mark == 0xcc) {
        *come = mark == 0xcc ? 2 : 1;
        *gone = 2;
        out[0] = OP_INT1;
        out[1] = at[*come - 1];
        return DONE;
    }
    if (mark == 0xcd) {
        *come = *gone = 3;
        out[0] = OP_INT2;
        out[1] = at[2];
        out[2] = at[1];
        return DONE;
    }
    if (mark >= 0xa0 && mark <= 0xbf) {
        *come = 1 + (mark & 0x1f);
        *gone = *come + 1;
        out[0] = OP_SHORT_TEXT;
        out[1] = mark & 0x1f;
        memcpy(out + 2, at + 1, 31);
        return DONE;
    }
    return OTHER;
}

static int put_token(Buffer *out, Cursor *cursor, int depth);

/* One element of a list. */
static int
put_element(Buffer *out, Cursor *cursor, int depth)
{
    size_t come, gone;
    if (cursor->end - cursor->at >= 32) {
        if (buffer_reserve(out, 33) < 0)
            return FAILED;
        if (!put_short(out->data + out->length, cursor->at, &come, &gone)) {
            cursor->at += come;
            out->length += gone;
            return DONE;
        }
    }
    return put_token(out, cursor, depth);
}

static int
put_list(Buffer *out, Cursor *cursor, uint64_t count, int depth)
{
    if (depth == DEEPEST)
        return OTHER;
    int went = put_op(out, OP_LIST);
    if (!went && count > 1)
        went = put_op(out, OP_MARK);
    for (uint64_t left = count; !went && left; left--)
        went = put_element(out, cursor, depth + 1);
    if (!went && count)
        went = put_op(out, count > 1 ? OP_APPENDS : OP_APPEND);
    return went;
}

static int
put_token(Buffer *out, Cursor *cursor, int depth)
{
    Token token;
    const unsigned char *begin = cursor->at;
    if (read_token(cursor, &token) < 0)
        return FAILED;
    const unsigned char *content = begin + token.head;
    switch (token.type) {
    case NIL:
        return put_op(out, OP_NONE);
    case BOOLEAN:
        return put_op(out, token.value ? OP_TRUE : OP_FALSE);
    case UNSIGNED:
    case SIGNED:
        return put_integer(out, token);
    case FLOAT:
        return put_float(out, begin + 1);
    case STR:
    case BIN:
        return put_string(out, content, token);
    case ARRAY:
        return put_list(out, cursor, token.value, depth);
    default:
        return OTHER;
    }
}

static int
put_pickle(Buffer *out, Cursor *cursor)
{
    /* It is a little longer, as a rule. */
    if (buffer_reserve(out, FRAME_BEGIN + 2 * (cursor->end - cursor->at)) < 0)
        return FAILED;
    out->length = FRAME_BEGIN;
    int went = put_token(out, cursor, 0);
    if (!went && cursor->at != cursor->end)
        went = OTHER;
    if (!went)
        went = put_op(out, OP_STOP);
    if (went)
        return went;
    out->data[0] = OP_PROTO;
    out->data[1] = PROTOCOL;
    out->data[2] = OP_FRAME;
    uint64_t framed = out->length - FRAME_BEGIN;
    for (int at = 0; at < 8; at++)
        out->data[3 + at] = (unsigned char)(framed >> 8 * at);
    return DONE;
}

PyObject *
pickled(PyObject *Py_UNUSED(module), PyObject *chunk)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(chunk, &data, &length) < 0)
        return NULL;
    Cursor cursor = {(unsigned char *)data, (unsigned char *)data + length};
    Buffer out = {0};
    return result(put_pickle(&out, &cursor), &out);
}
