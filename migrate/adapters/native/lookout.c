/* Many transports come into the hands of a reactor that asks epoll: as its addReader does.
 * Those whose sockets have come ahead are watched by an epoll of their own until then,
 * which nobody asks; the reactor's gives way to it.
 *
 * It must not know where they come from. */
#include "native.h"

#include <limits.h>
#include <sys/socket.h>
#if defined(__linux__)
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#endif

/* What is known of a descriptor. */
enum { NOTHING, WATCHED, WANTED };

typedef struct {
    PyObject_HEAD
    unsigned char *known; /* by descriptor */
    int room;             /* how many of these there are */
    int epoll;            /* -1 as long as there is none */
    Py_ssize_t count;     /* of those that it watches */
} Lookout;

static void
stop(Lookout *self)
{
#if defined(__linux__)
    if (self->epoll >= 0)
        close(self->epoll);
#endif
    self->epoll = -1;
    PyMem_Free(self->known);
    self->known = NULL;
    self->room = 0;
    self->count = 0;
}

int
is_looked_out_for(PyObject *lookout, int number)
{
    if (lookout == Py_None)
        return 0;
    Lookout *self = (Lookout *)lookout;
    return number < self->room && self->known[number] != NOTHING;
}

#if defined(__linux__)

/* Have an epoll tell of something.  As with the reactor's, it is told again until it has
 * been attended to. */
static int
watch_one(int epoll, int number, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = number};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, number, &event);
}

/* Make room to know something of a descriptor. */
static int
make_room(Lookout *self, int number)
{
    if (number < self->room)
        return 0;
    int room = number < INT_MAX / 2 ? 2 * number + 64 : INT_MAX;
    unsigned char *known = PyMem_Realloc(self->known, (size_t)room);
    if (known == NULL)
        return -1;
    memset(known + self->room, NOTHING, (size_t)(room - self->room));
    self->known = known;
    self->room = room;
    return 0;
}

/* Called with descriptors in a list.  Those that cannot be watched are not. */
static PyObject *
lookout_prepare(PyObject *lookout, PyObject *numbers)
{
    Lookout *self = (Lookout *)lookout;
    if (!PyList_Check(numbers))
        return PyErr_Format(PyExc_TypeError, "a list is needed");
    if (self->epoll < 0 && (self->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        Py_RETURN_NONE;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(numbers); at++) {
        long number = PyLong_AsLong(PyList_GET_ITEM(numbers, at));
        if (number == -1 && PyErr_Occurred())
            return NULL;
        if (number < 0 || number > INT_MAX || make_room(self, (int)number) < 0 ||
            kind_of_socket((int)number) != SOCK_STREAM ||
            watch_one(self->epoll, (int)number, EPOLLIN) < 0)
            continue;
        self->known[number] = WATCHED;
        self->count++;
    }
    Py_RETURN_NONE;
}

/* Have this epoll watch what the reactor's does. */
static int
watch_known(Lookout *self, PyObject *reads, PyObject *writes, PyObject *all)
{
    PyObject *key, *transport;
    Py_ssize_t at = 0;
    while (PyDict_Next(all, &at, &key, &transport)) {
        int read = PySet_Contains(reads, key), written = PySet_Contains(writes, key);
        long number = PyLong_AsLong(key);
        if (read < 0 || written < 0 || number < 0 || number > INT_MAX)
            return -1;
        uint32_t events = (read ? EPOLLIN : 0) | (written ? EPOLLOUT : 0);
        if (watch_one(self->epoll, (int)number, events) < 0)
            return -1;
    }
    return 0;
}

/* Have the reactor's descriptor lead to this epoll.  If that cannot be, or if it is more
 * work than it spares, nothing has changed, and this one watches nothing. */
static void
take_over(Lookout *self, int epoll, PyObject *reads, PyObject *writes, PyObject *all)
{
    if (self->epoll < 0)
        return;
    if (PyDict_GET_SIZE(all) > self->count || watch_known(self, reads, writes, all) < 0 ||
        dup3(self->epoll, epoll, O_CLOEXEC) < 0) {
        PyErr_Clear();
        stop(self);
    }
}

/* Whether one is watched now: 0 if that is left to the reactor, also if it failed. */
static int
add_one(Lookout *self, PyObject *transport, int epoll, PyObject *reads,
        PyObject *writes, PyObject *all)
{
    PyObject *fileno = PyObject_CallMethodNoArgs(transport, str_fileno);
    if (fileno == NULL)
        return 0;
    int known = PySet_Contains(reads, fileno) || PySet_Contains(writes, fileno);
    long number = known ? -1 : PyLong_AsLong(fileno);
    int done = number >= 0 && number <= INT_MAX;
    if (done && number < self->room && self->known[number] == WATCHED)
        self->known[number] = WANTED;
    else
        done = done && watch_one(epoll, (int)number, EPOLLIN) == 0;
    done = done && PySet_Add(reads, fileno) == 0 &&
        PyDict_SetItem(all, fileno, transport) == 0;
    Py_DECREF(fileno);
    return done;
}

/* Have nobody watch what came ahead and is not wanted. */
static void
drop_rest(Lookout *self, int epoll)
{
    for (int number = 0; number < self->room; number++)
        if (self->known[number] == WATCHED)
            epoll_ctl(epoll, EPOLL_CTL_DEL, number, NULL);
}

/* Called with transports in a list, the descriptor of the reactor's epoll, the sets of
 * those that it watches for what comes and for room to write, and all, by number.  Returns
 * those that are left to the reactor. */
static PyObject *
lookout_watch(PyObject *lookout, PyObject *arguments)
{
    Lookout *self = (Lookout *)lookout;
    PyObject *transports, *reads, *writes, *all;
    int epoll;
    if (!PyArg_ParseTuple(arguments, "O!iO!O!O!", &PyList_Type, &transports, &epoll,
                          &PySet_Type, &reads, &PySet_Type, &writes, &PyDict_Type, &all))
        return NULL;
    take_over(self, epoll, reads, writes, all);
    PyObject *left = PyList_New(0);
    for (Py_ssize_t at = 0; left != NULL && at < PyList_GET_SIZE(transports); at++) {
        PyObject *transport = Py_NewRef(PyList_GET_ITEM(transports, at));
        if (!add_one(self, transport, epoll, reads, writes, all)) {
            PyErr_Clear();
            if (PyList_Append(left, transport) < 0)
                Py_CLEAR(left);
        }
        Py_DECREF(transport);
    }
    drop_rest(self, epoll);
    stop(self);
    return left;
}

#else

static PyObject *
lookout_prepare(PyObject *lookout, PyObject *numbers)
{
    Py_RETURN_NONE;
}

static PyObject *
lookout_watch(PyObject *lookout, PyObject *arguments)
{
    return PySequence_List(PyTuple_GET_ITEM(arguments, 0));
}

#endif

/* Watch nothing. */
static PyObject *
lookout_close(PyObject *lookout, PyObject *nothing)
{
    stop((Lookout *)lookout);
    Py_RETURN_NONE;
}

static PyObject *
lookout_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    Lookout *self = (Lookout *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->epoll = -1;
    return (PyObject *)self;
}

static void
lookout_dealloc(Lookout *self)
{
    stop(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"prepare", lookout_prepare, METH_O, NULL},
    {"watch", lookout_watch, METH_VARARGS, NULL},
    {"close", lookout_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LookoutType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "migrate.adapters._native.Lookout",
    .tp_doc = "Has many transports watched.",
    .tp_basicsize = sizeof(Lookout),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = lookout_new,
    .tp_dealloc = (destructor)lookout_dealloc,
    .tp_methods = methods,
};
