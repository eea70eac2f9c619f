/* What is visited next, and what is known of an object that was visited.
 *
 * It must not know what is in objects. */
#include "visits.h"

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
int
queue(Visits *self, uint32_t parent)
{
    size_t known = self->known, count = (size_t)PyList_GET_SIZE(self->objects);
    if (known == count)
        return 0;
    if (reserve_marks(self, count) < 0)
        return -1;
    Ranges *into = count - known > FEW ? &self->many : &self->few;
    Range *ranges = grown(into->ranges, into->count, &into->room, 64, sizeof *ranges);
    if (ranges == NULL)
        return -1;
    into->ranges = ranges;
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
int
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

unsigned char
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
int
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
int
note(Visits *self, int64_t needed)
{
    if (needed < 0 ||
        ((size_t)needed < self->known && self->flags[needed] & VISITED &&
         !(self->flags[needed] & NEEDY)))
        return 0;
    uint32_t *found = grown(self->mentions, self->mention_count, &self->mention_room,
                            1024, sizeof *found);
    if (found == NULL)
        return -1;
    self->mentions = found;
    self->mentions[self->mention_count++] = (uint32_t)needed;
    return 0;
}
