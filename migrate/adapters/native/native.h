/* What adapters do to each of thousands of objects, compiled for the usual case: for
 * any other one the same in plain Python is called, which also says what is wrong.
 *
 * It must not know how graphs are walked, nor how records are read.
 */
#ifndef MIGRATE_ADAPTERS_NATIVE_H
#define MIGRATE_ADAPTERS_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

/* Outside, nothing is seen of these files but the beginning of the module. */
#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* Raised whenever compiled and plain code no longer fit each other. */
#define NATIVE_VERSION 3

/* Something that is called for each of many objects, and what it needs for that.  The
 * first is the same in plain Python. */
enum { SLOW, HELD = 16 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *held[HELD]; /* NULL at the end, where there are fewer */
} Callee;

extern PyTypeObject CalleeType;

/* One that holds these, whose classes have to be the wanted ones, where any is. */
PyObject *make_callee(vectorcallfunc call, PyObject *arguments,
                      PyTypeObject *const *wanted, Py_ssize_t count);

/* Have plain Python do it. */
static inline PyObject *
call_slow(Callee *self, PyObject *const *values, size_t count)
{
    return PyObject_Vectorcall(self->held[SLOW], values, count, NULL);
}

/* The same, whatever went wrong: what it is is said there. */
static inline PyObject *
call_slow_instead(Callee *self, PyObject *const *values, size_t count)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
    }
    return call_slow(self, values, count);
}

/* Whether a callee got as many values, and none by name. */
static inline int
are_values(size_t count, PyObject *names, Py_ssize_t wanted)
{
    return names == NULL && PyVectorcall_NARGS(count) == wanted;
}

/* Keep something instead of what was kept there. */
static inline void
keep(Callee *self, int place, PyObject *object)
{
    PyObject *before = self->held[place];
    self->held[place] = object;
    Py_XDECREF(before);
}

/* names.c: attributes. */
extern PyObject *str_socket, *str_fileno, *str_proto, *str_reactor, *str_buffer;
extern PyObject *str_unsent, *str_length, *str_connectionLost, *str_doRead;
extern PyObject *str_doWrite, *str_TLS, *str_aborting, *str_time, *str_delayed, *str_kw;
extern PyObject *str_canceller, *str_resetter, *str_seconds, *str_cancelled;
extern PyObject *str_called, *str_users, *str_closed;
int names_prepare(void);

/* Whether an attribute is true: -1 with an exception, also if there is none. */
int is_true(PyObject *object, PyObject *name);
/* The same of whether it is a method: a certain function, bound to the object. */
int is_method(PyObject *object, PyObject *name, PyObject *function);
/* The same of whether it is a bytes, a list or a dict without anything in it. */
int is_empty(PyObject *object, PyObject *name);

/* sockets.c: what a socket is made from that is to be like this one; None if none can
 * be. */
PyObject *mould_of(PyObject *socket);
/* One of the same class, that owns a descriptor. */
PyObject *cast_socket(PyTypeObject *type, PyObject *mould, int number);
/* Find out whether that can be; if not, it is None from then on. */
void sockets_prepare(void);

/* The type of a socket, -1 if it is none. */
int kind_of_socket(int number);

/* lookout.c: whether a descriptor has come ahead and is that of a stream socket; of None,
 * none has. */
int is_looked_out_for(PyObject *lookout, int number);
extern PyTypeObject LookoutType;

/* What the module has. */
PyObject *socket_restorer(PyObject *module, PyObject *arguments);
PyObject *socket_extractor(PyObject *module, PyObject *arguments);
PyObject *timer_restorer(PyObject *module, PyObject *arguments);
PyObject *timer_extractor(PyObject *module, PyObject *arguments);
PyObject *arrange(PyObject *module, PyObject *arguments);
PyObject *quiet_extractor(PyObject *module, PyObject *arguments);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#endif
