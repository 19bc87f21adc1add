/* The functions of scan.py, in C. That file says what they are for, and is right where both differ.
 *
 *     content header    class:2 weight:2 body-size:8 flags:2 property...
 *     property          shortstr | table | octet | longlong, by its place among the flags
 *     shortstr          size:1 octet...
 *     table             size:4 (shortstr value)...
 *     array             size:4 value...
 *     value             tag:1, and what belongs to that tag
 *
 * Numbers are big-endian. Whoever sent the octets is taken to be hostile: a size is compared with what is left (`end`
 * minus `at`, which is never negative) before anything is added to `at`, and nothing is read at or behind `end`.
 * Nothing recurses, nothing is kept from one call to the next. Only the limited API of Python 3.11 is used, so that one
 * binary serves that version and all newer ones.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <string.h>

enum { FLAGS_AT = 12, PROPERTIES_AT = 14, MODE_SHIFT = 16, COPIES = 1 << 24, MALFORMED = -1, NO_MEMORY = -2 };

/* The kinds of the properties, in the order of their flags, of which the highest is the first. */
enum kind { SHORTSTR, TABLE, MODE, OCTET, LONGLONG };
static const unsigned char KINDS[] = {
    SHORTSTR, SHORTSTR, TABLE, MODE, OCTET,           /* content type and encoding, headers, delivery mode, priority */
    SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR, LONGLONG, /* correlation id, reply-to, expiration, message id, timestamp */
    SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR,           /* type, user id, app id, cluster id */
};

/* A table or an array around the one that is read. */
struct container {
    size_t end;
    int has_names;
};

static size_t
read_long(const unsigned char *data)
{
    return (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
}

/* The octets of a value behind its tag; SIZED if the first four say how many follow. */
enum { SIZED = -1, UNKNOWN = -2 };

static int
fixed_size(unsigned char tag)
{
    switch (tag) {
    case 'V': return 0;
    case 'b': case 'B': case 't': return 1;
    case 's': case 'u': return 2;
    case 'I': case 'i': case 'f': return 4;
    case 'D': return 5;
    case 'l': case 'L': case 'd': case 'T': return 8;
    case 'S': case 'x': case 'F': case 'A': return SIZED;
    default: return UNKNOWN;
    }
}

static int
is_copy_name(const unsigned char *name, size_t size)
{
    return (size == 2 && memcmp(name, "CC", 2) == 0) || (size == 3 && memcmp(name, "BCC", 3) == 0);
}

/* Checks the content of a table, data[at] to data[end - 1], at any depth. Returns COPIES if a name in it (not in a
 * table inside of it) is CC or BCC, 0 if none is, MALFORMED or NO_MEMORY. */
static long
scan_table(const unsigned char *data, size_t at, size_t end)
{
    struct container *outer = NULL; /* made for the first one inside */
    const size_t most = (end - at) / 5; /* each takes a tag and a size */
    size_t depth = 0;
    int has_names = 1;
    long found = 0, result = MALFORMED;

    for (;;) {
        if (at == end) {
            if (depth == 0) {
                result = found;
                break;
            }
            depth--;
            end = outer[depth].end;
            has_names = outer[depth].has_names;
            continue;
        }
        if (has_names) {
            const size_t size = data[at++];
            if (size >= end - at) /* a tag comes behind it */
                break;
            if (depth == 0 && is_copy_name(data + at, size))
                found = COPIES;
            at += size;
        }
        const unsigned char tag = data[at++];
        const int fixed = fixed_size(tag);
        size_t size = (size_t)fixed;
        if (fixed == UNKNOWN || (fixed == SIZED && end - at < 4))
            break;
        if (fixed == SIZED) {
            size = read_long(data + at);
            at += 4;
        }
        if (size > end - at)
            break;
        if (tag != 'F' && tag != 'A') {
            at += size;
            continue;
        }
        if (outer == NULL && (outer = PyMem_Malloc(most * sizeof *outer)) == NULL) {
            result = NO_MEMORY;
            break;
        }
        outer[depth].end = end;
        outer[depth].has_names = has_names;
        depth++;
        end = at + size;
        has_names = tag == 'F';
    }
    PyMem_Free(outer);
    return result;
}

/* Returns the verdict on a content header, MALFORMED or NO_MEMORY. */
static long
judge_header(const unsigned char *data, size_t end)
{
    if (end < PROPERTIES_AT)
        return MALFORMED;
    const unsigned flags = (unsigned)data[FLAGS_AT] << 8 | data[FLAGS_AT + 1];
    size_t at = PROPERTIES_AT;
    long verdict = (long)flags;

    for (size_t i = 0; i < sizeof KINDS; i++) {
        if (!(flags & 0x8000u >> i))
            continue;
        size_t size = 0;
        switch (KINDS[i]) {
        case SHORTSTR:
            if (at == end)
                return MALFORMED;
            size = data[at++];
            break;
        case MODE:
            if (at == end)
                return MALFORMED;
            verdict |= (long)data[at++] << MODE_SHIFT;
            break;
        case OCTET: size = 1; break;
        case LONGLONG: size = 8; break;
        case TABLE:
            if (end - at < 4)
                return MALFORMED;
            size = read_long(data + at);
            at += 4;
            break;
        }
        if (size > end - at)
            return MALFORMED;
        if (KINDS[i] == TABLE) {
            const long found = scan_table(data, at, at + size);
            if (found < 0)
                return found;
            verdict |= found;
        }
        at += size;
    }
    return at == end ? verdict : MALFORMED;
}

static PyObject *
judge(PyObject *Py_UNUSED(module), PyObject *header)
{
    char *data;
    Py_ssize_t size;

    if (PyBytes_AsStringAndSize(header, &data, &size) < 0)
        return NULL;
    const long verdict = judge_header((const unsigned char *)data, (size_t)size);
    return verdict == NO_MEMORY ? PyErr_NoMemory() : PyLong_FromLong(verdict);
}

static PyMethodDef methods[] = {
    {"judge", judge, METH_O, PyDoc_STR("Judges the payload of a content header: returns the verdict on it, or -1.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "amqpy.wire._scan",
    .m_doc = PyDoc_STR("The functions of amqpy.wire.scan, in C."),
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__scan(void)
{
    return PyModuleDef_Init(&module);
}
