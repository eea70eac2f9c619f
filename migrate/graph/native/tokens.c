/* MessagePack that arrives: see tokens.h.
 *
 * It must not know what a record means, nor any number of an object. */
#include "tokens.h"

PyObject *malformed;

int
wrong(const char *what)
{
    PyErr_SetString(malformed, what);
    return -1;
}

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

Token
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

/* The same where bytes may lack; the cursor is left behind it. */
int
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

/* How long an element is of which the mark says it all; 0 of any other one. */
static inline size_t
short_length(unsigned char mark)
{
    if (mark <= 0x7f || mark == 0xc0 || mark == 0xc2 || mark == 0xc3)
        return 1;
    if (mark >= 0xa0 && mark <= 0xbf)
        return 1 + (mark & 0x1f);
    switch (mark) {
    case 0xcc:
        return 2;
    case 0xcd:
        return 3;
    case 0xce:
        return 5;
    case 0xcb:
        return 9;
    default:
        return 0;
    }
}

/* Check one element of a record, and go behind it. */
static int
check_element(Cursor *cursor)
{
    Token token;
    if (cursor->end - cursor->at >= 32) {
        size_t length = short_length(*cursor->at);
        cursor->at += length;
        if (length)
            return 0;
    }
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

int
check_elements(Cursor *cursor, uint64_t count)
{
    for (uint64_t left = count; left; left--)
        if (check_element(cursor) < 0)
            return -1;
    return 0;
}

/* Short texts that have come lately, by what is in them: most come again. */
#define TEXTS (1 << 10)
#define SHORT_TEXT 32
static PyObject *texts[TEXTS];

static PyObject **
place_of_text(const unsigned char *text, uint64_t length)
{
    uint64_t first = 0, last = 0, few = length < 8 ? length : 8;
    memcpy(&first, text, few);
    memcpy(&last, text + length - few, few);
    first = (first ^ length) * 0x9E3779B97F4A7C15ull;
    last = (last ^ first >> 32) * 0xC2B2AE3D27D4EB4Full;
    return &texts[last >> 54];
}

/* Whether text is nothing but these bytes. */
static int
is_text(PyObject *text, const unsigned char *bytes, uint64_t length)
{
    return text != NULL && (uint64_t)PyUnicode_GET_LENGTH(text) == length &&
        memcmp(PyUnicode_1BYTE_DATA(text), bytes, length) == 0;
}

/* As PyUnicode_IsIdentifier tells, which takes longer, for what is ASCII. */
static int
is_identifier(const unsigned char *text, uint64_t length)
{
    if (!length || (text[0] >= '0' && text[0] <= '9'))
        return 0;
    for (uint64_t at = 0; at < length; at++) {
        unsigned char small = text[at] | 0x20;
        if (!(small >= 'a' && small <= 'z') && text[at] != '_' &&
            !(text[at] >= '0' && text[at] <= '9'))
            return 0;
    }
    return 1;
}

/* The one object that all code of this process means by a text, if it is like a name. */
static PyObject *
text_in_code(const unsigned char *bytes, uint64_t length)
{
    PyObject **place = place_of_text(bytes, length);
    if (is_text(*place, bytes, length))
        return Py_NewRef(*place);
    PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)length, NULL);
    if (text == NULL)
        return NULL;
    if (!PyUnicode_IS_ASCII(text)) {
        if (PyUnicode_IsIdentifier(text) == 1)
            PyUnicode_InternInPlace(&text);
        return text;
    }
    if (is_identifier(bytes, length))
        PyUnicode_InternInPlace(&text);
    Py_XSETREF(*place, Py_NewRef(text));
    return text;
}

static PyObject *
text_of(const unsigned char *at, Token token, int shared)
{
    PyObject *text = shared && token.value <= SHORT_TEXT
        ? text_in_code(at + token.head, token.value)
        : PyUnicode_DecodeUTF8((const char *)at + token.head,
                               (Py_ssize_t)token.value, NULL);
    if (text == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
            wrong("a chunk holds no records: text that is no UTF-8");
        return NULL;
    }
    if (shared && token.value > SHORT_TEXT && PyUnicode_IsIdentifier(text) == 1)
        PyUnicode_InternInPlace(&text);
    return text;
}

/* A value that refers to nothing, as it is. */
PyObject *
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
PyObject *
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
PyObject *
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
