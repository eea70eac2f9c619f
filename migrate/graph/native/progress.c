/* While records come: make and fill what has all that it mentions.
 *
 * It must not know how an object is made or filled. */
#include "records.h"

/* Try a record again with every chunk that comes. */
int
await(Records *self, size_t number)
{
    Pending *pending = grown(self->pending, self->pending_count, &self->pending_room,
                             1024, sizeof *pending);
    if (pending == NULL)
        return -1;
    self->pending = pending;
    self->pending[self->pending_count++] = (Pending){(uint32_t)number, 0};
    return 0;
}

/* 1 if nothing is left to do, or only when all has come; 0 if it has to wait. */
static int
advance(Records *self, size_t number)
{
    Kind *kind = kind_of(self, number);
    if (is_missing(self, number)) {
        if (make_atom(self, number, self->whole) < 0)
            return -1;
        if (is_missing(self, number) && make_one(self, number, self->whole) < 0)
            return -1;
        if (is_missing(self, number))
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
    PyObject *object = PyList_GET_ITEM(self->made, (Py_ssize_t)number);
    int done;
    if (kind != NULL && kind->way == DIRECT)
        done = turn(self, number) < 0
            ? FAILED : fill_attributes(self, number, kind, object);
    else
        done = fill_one(self, number, self->whole);
    if (done == FAILED)
        return blame(self, number);
    if (done != FILLED)
        return 0;
    self->flags[number] |= FULL;
    return 1;
}

/* What is mentioned mostly comes right behind what mentions it. */
int
progress(Records *self)
{
    if (read_parts(self) < 0)
        return -1;
    size_t left = self->pending_count;
    for (size_t at = 0; at < self->pending_count; at++) {
        size_t number = self->pending[at].number;
        if ((number + 1 != self->next || self->complete) &&
            is_missing(self, number) && make_atom(self, number, self->whole) < 0)
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
