/* Bound methods: thousands of objects have their timers call one of theirs, and plain
 * code is asked only once where the class has that.
 *
 * It must not know how that is found out. */
#include "visits.h"

static Home *
place_of_home(Plan *plan, PyObject *method)
{
    uintptr_t type = (uintptr_t)Py_TYPE(PyMethod_GET_SELF(method));
    uintptr_t function = (uintptr_t)PyMethod_GET_FUNCTION(method);
    return &plan->homes[((type >> 4) * 31 + (function >> 4)) % HOMES];
}

/* Whether the class of what it is bound to says all. */
static int
is_usual(PyObject *method)
{
    return PyFunction_Check(PyMethod_GET_FUNCTION(method)) &&
        !PyType_Check(PyMethod_GET_SELF(method));
}

/* NULL if it is not known. */
Home *
home_of(Plan *plan, PyObject *method)
{
    if (plan->homes == NULL || !is_usual(method))
        return NULL;
    Home *home = place_of_home(plan, method);
    return home->type == Py_TYPE(PyMethod_GET_SELF(method)) &&
            home->function == PyMethod_GET_FUNCTION(method)
        ? home
        : NULL;
}

static void
forget_home(Home *home)
{
    home->type = NULL;
    home->function = NULL;
    Py_CLEAR(home->owner);
    Py_CLEAR(home->name);
}

/* Remember what plain code said of a method: what it is bound to, the class that has the
 * function, and what that calls it. */
void
keep_home(Plan *plan, PyObject *method, PyObject *arguments)
{
    if (plan->homes == NULL || !is_usual(method) || !PyTuple_CheckExact(arguments) ||
        PyTuple_GET_SIZE(arguments) != 3 ||
        PyTuple_GET_ITEM(arguments, 0) != PyMethod_GET_SELF(method))
        return;
    Home *home = place_of_home(plan, method);
    forget_home(home);
    home->type = Py_TYPE(PyMethod_GET_SELF(method));
    home->function = PyMethod_GET_FUNCTION(method);
    Py_INCREF(home->owner = PyTuple_GET_ITEM(arguments, 1));
    Py_INCREF(home->name = PyTuple_GET_ITEM(arguments, 2));
}

void
forget_homes(Plan *plan)
{
    for (int i = 0; plan->homes != NULL && i < HOMES; i++)
        forget_home(&plan->homes[i]);
    PyMem_Free(plan->homes);
    plan->homes = NULL;
}
