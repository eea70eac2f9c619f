/* MessagePack that arrives: tokens, their checks, and atoms.
 *
 * It must not know what a record means, nor any number of an object. */
#ifndef MIGRATE_TOKENS_H
#define MIGRATE_TOKENS_H

#include "native.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* A place in a chunk of which the rest was not checked yet. */
typedef struct {
    const unsigned char *at, *end;
} Cursor;

/* What begins at a place. */
typedef enum { NIL, BOOLEAN, UNSIGNED, SIGNED, FLOAT, STR, BIN, ARRAY, NOTHING } Type;

/* One of them. */
typedef struct {
    Type type;
    uint64_t value; /* or the length */
    size_t head;    /* bytes before the content */
} Token;

/* The error for what does not follow the format. */
extern PyObject *malformed;
int wrong(const char *what);

/* Checks; each leaves the cursor behind what was checked. */
int read_token(Cursor *cursor, Token *token);
int check_elements(Cursor *cursor, uint64_t count);

/* Values; each is a new reference. */
PyObject *atom_of(const unsigned char *at, Token token, int shared);
PyObject *unboxed(const unsigned char *at, Token box);
PyObject *literal(const unsigned char *at);

/* A token that is not among the most frequent ones. */
Token long_token(const unsigned char *at);

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
    if (mark == 0xce)
        return (Token){UNSIGNED,
                       (uint64_t)at[1] << 24 | (uint64_t)at[2] << 16 |
                           (uint64_t)at[3] << 8 | at[4],
                       5};
    if (mark == 0xc0)
        return (Token){NIL, 0, 1};
    return long_token(at);
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

/* Behind an element that was checked. */
static inline const unsigned char *
skip(const unsigned char *at)
{
    return skip_token(at, token_of(at));
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
