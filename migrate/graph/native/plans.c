/* Plans: how the instances of each class are read, as the guide says once.
 *
 * It must not know any instance, nor which shapes there are. */
#include "visits.h"

void
forget_plan(Plan *plan)
{
    for (int i = 0; i < plan->variants; i++)
        forget_variant(&plan->variant[i]);
    Py_CLEAR(plan->type);
    Py_CLEAR(plan->reader);
    Py_CLEAR(plan->adapter);
    Py_CLEAR(plan->describe);
    Py_CLEAR(plan->extract);
    Py_CLEAR(plan->omitted);
    Py_CLEAR(plan->outside);
    forget_homes(plan);
    PyMem_Free(plan);
}

static void
put_plan(Plan **plans, size_t slots, Plan *plan)
{
    size_t at = slot_of(plan->type, slots);
    while (plans[at])
        at = (at + 1) & (slots - 1);
    plans[at] = plan;
}

static int
keep_plan(Visits *self, Plan *plan)
{
    if (self->plan_count * 2 >= self->plan_slots) {
        size_t slots = self->plan_slots ? self->plan_slots * 2 : 256;
        Plan **plans = PyMem_Calloc(slots, sizeof *plans);
        if (plans == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < self->plan_slots; i++)
            if (self->plans[i])
                put_plan(plans, slots, self->plans[i]);
        PyMem_Free(self->plans);
        self->plans = plans;
        self->plan_slots = slots;
    }
    put_plan(self->plans, self->plan_slots, plan);
    self->plan_count++;
    return 0;
}

/* What tells the values of an adapter: one that it has for this walk, if it has. */
static PyObject *
extractor_of(Visits *self, Plan *plan)
{
    PyObject *extractor = PyObject_GetAttrString(plan->adapter, "extractor");
    if (extractor == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
        return PyObject_GetAttrString(plan->adapter, "extract");
    }
    PyObject *found = PyObject_CallOneArg(extractor, self->capture);
    Py_DECREF(extractor);
    return found;
}

static int
read_direct(Visits *self, Plan *plan)
{
    PyObject *extras = PyObject_GetAttrString(plan->adapter, "extras");
    if (extras == NULL)
        return -1;
    plan->extras = PyObject_Length(extras);
    Py_DECREF(extras);
    plan->extract = extractor_of(self, plan);
    plan->omitted = PyObject_GetAttrString(plan->adapter, "omitted");
    if (plan->extras < 0 || plan->extract == NULL || plan->omitted == NULL)
        return -1;
    if (!PyTuple_CheckExact(plan->omitted)) {
        PyErr_SetString(PyExc_TypeError, "what is omitted is a tuple");
        return -1;
    }
    return 0;
}

/* Methods are remembered, unless somebody has an adapter of his own for them. */
static int
read_homes(Plan *plan)
{
    PyObject *name = PyObject_GetAttrString(plan->adapter, "name");
    int usual = name == NULL ? -1 : PyUnicode_Check(name) &&
        PyUnicode_CompareWithASCIIString(name, METHODS) == 0;
    Py_XDECREF(name);
    if (usual < 1)
        return usual;
    plan->homes = PyMem_Calloc(HOMES, sizeof *plan->homes);
    if (plan->homes == NULL)
        PyErr_NoMemory();
    return plan->homes == NULL ? -1 : 0;
}

/* The tuple: way, reader, head, adapter, live, outside. */
static int
read_plan(Visits *self, Plan *plan, PyObject *found)
{
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 6) {
        PyErr_SetString(PyExc_TypeError, "no plan");
        return -1;
    }
    plan->way = (int)PyLong_AsLong(PyTuple_GET_ITEM(found, 0));
    plan->head = (uint32_t)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(found, 2));
    plan->live = PyObject_IsTrue(PyTuple_GET_ITEM(found, 4));
    if (PyErr_Occurred())
        return -1;
    Py_INCREF(plan->reader = PyTuple_GET_ITEM(found, 1));
    Py_INCREF(plan->adapter = PyTuple_GET_ITEM(found, 3));
    PyObject *outside = PyTuple_GET_ITEM(found, 5);
    if (PyDict_CheckExact(outside))
        Py_INCREF(plan->outside = outside);
    if (plan->way != DESCRIBED && plan->way != DIRECT)
        return 0;
    plan->describe = PyObject_GetAttrString(plan->adapter, "describe");
    if (plan->describe == NULL)
        return -1;
    if (plan->type == &PyMethod_Type && read_homes(plan) < 0)
        return -1;
    return plan->way == DIRECT ? read_direct(self, plan) : 0;
}

static Plan *
make_plan(Visits *self, PyTypeObject *type)
{
    PyObject *found = PyObject_CallMethodObjArgs(self->guide, str_plan, type, NULL);
    if (found == NULL)
        return NULL;
    Plan *plan = PyMem_Calloc(1, sizeof *plan);
    if (plan == NULL) {
        Py_DECREF(found);
        PyErr_NoMemory();
        return NULL;
    }
    Py_INCREF(plan->type = type);
    int failed = read_plan(self, plan, found) < 0 || keep_plan(self, plan) < 0;
    Py_DECREF(found);
    if (failed) {
        forget_plan(plan);
        return NULL;
    }
    return plan;
}

static Plan *
find_plan(Visits *self, PyTypeObject *type)
{
    if (!self->plan_slots)
        return NULL;
    size_t at = slot_of(type, self->plan_slots);
    while (self->plans[at]) {
        if (self->plans[at]->type == type)
            return self->plans[at];
        at = (at + 1) & (self->plan_slots - 1);
    }
    return NULL;
}

Plan *
plan_of(Visits *self, PyTypeObject *type)
{
    Plan *plan = find_plan(self, type);
    return plan ? plan : make_plan(self, type);
}
