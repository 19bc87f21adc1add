/* The functions of scan.py, in C. That file says what they are for, and is right where both differ.
 *
 *     message           method-frame header-frame body-frame, without the last if there is no body
 *     frame             kind:1 channel:2 size:4 octet... end:1
 *     content header    class:2 weight:2 body-size:8 flags:2 property...
 *     property          shortstr | table | octet | longlong, by its place among the flags
 *     shortstr          size:1 octet...
 *     table             size:4 (shortstr value)...
 *     array             size:4 value...
 *     value             tag:1, and what belongs to that tag
 *
 * Numbers are big-endian. Whoever sent the octets is taken to be hostile: a size is compared with what is left (`end`
 * minus `at`, which is never negative) before anything is added to `at`, and nothing is read at or behind `end`.
 * Nothing recurses, nothing is kept from one call to the next. What a function made is given back, or let go at its one
 * way out. Only the limited API of Python 3.11 is used, so that one binary serves that version and all newer ones.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <string.h>

/* What a bytes object has. */
struct octets {
    const unsigned char *data;
    size_t size;
};

/* Returns -1 with an exception if it is none. */
static int octets_of(PyObject *object, struct octets *found)
{
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(object, &data, &size) < 0)
        return -1;
    *found = (struct octets){(const unsigned char *)data, (size_t)size};
    return 0;
}

static unsigned long long read_number(const unsigned char *data, int size)
{
    unsigned long long number = 0;
    for (int i = 0; i < size; i++)
        number = number << 8 | data[i];
    return number;
}

static unsigned read_short(const unsigned char *data) { return (unsigned)read_number(data, 2); }
static size_t read_long(const unsigned char *data) { return (size_t)read_number(data, 4); }

/* --- judge */

enum { BASIC = 60, BODY_SIZE_AT = 4, FLAGS_AT = 12, PROPERTIES_AT = 14 };
enum { MODE_SHIFT = 16, COPIES = 1 << 24, ASKS = 1 << 25, MALFORMED = -1, NO_MEMORY = -2 };

static const char DIRECT_REPLY_TO[] = "amq.rabbitmq.reply-to";

/* The kinds of the properties, in the order of their flags, of which the highest is the first. */
enum kind { SHORTSTR, REPLY_TO, TABLE, MODE, OCTET, LONGLONG };
static const unsigned char KINDS[] = {
    SHORTSTR, SHORTSTR, TABLE, MODE, OCTET,           /* content type and encoding, headers, delivery mode, priority */
    SHORTSTR, REPLY_TO, SHORTSTR, SHORTSTR, LONGLONG, /* correlation id, reply-to, expiration, message id, timestamp */
    SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR,           /* type, user id, app id, cluster id */
};

/* A table or an array around the one that is read. */
struct container {
    size_t end;
    int has_names;
};

/* The octets of a value behind its tag; SIZED if the first four say how many follow. */
enum { SIZED = -1, UNKNOWN = -2 };

static int fixed_size(unsigned char tag)
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

/* Checks the content of a table, data[at] to data[end - 1], at any depth. Returns COPIES if a name in it (not in a
 * table inside of it) is CC or BCC, 0 if none is, MALFORMED, or NO_MEMORY with an exception. */
static long scan_table(const unsigned char *data, size_t at, size_t end)
{
    struct container *outer = NULL; /* made for the first one inside, with room for all: each takes a tag and a size */
    const size_t most = (end - at) / 5;
    size_t depth = 0;
    int has_names = 1;
    long found = 0, result = MALFORMED;
    while (at < end || depth > 0) {
        if (at == end) {
            end = outer[--depth].end;
            has_names = outer[depth].has_names;
            continue;
        }
        if (has_names) {
            const unsigned char *name = data + at + 1;
            const size_t size = data[at++];
            if (size >= end - at) /* a tag comes behind it */
                goto done;
            if (depth == 0 && ((size == 2 && !memcmp(name, "CC", 2)) || (size == 3 && !memcmp(name, "BCC", 3))))
                found = COPIES;
            at += size;
        }
        const unsigned char tag = data[at++];
        const int fixed = fixed_size(tag);
        size_t size = (size_t)fixed;
        if (fixed == UNKNOWN || (fixed == SIZED && end - at < 4))
            goto done;
        if (fixed == SIZED) {
            size = read_long(data + at);
            at += 4;
        }
        if (size > end - at)
            goto done;
        if (tag != 'F' && tag != 'A') {
            at += size;
            continue;
        }
        if (outer == NULL && (outer = PyMem_New(struct container, most)) == NULL) {
            PyErr_NoMemory();
            result = NO_MEMORY;
            goto done;
        }
        outer[depth++] = (struct container){end, has_names};
        end = at + size;
        has_names = tag == 'F';
    }
    result = found;
done:
    PyMem_Free(outer);
    return result;
}

/* Returns the verdict on a content header, MALFORMED, or NO_MEMORY with an exception. */
static long judge_header(const unsigned char *data, size_t end)
{
    if (end < PROPERTIES_AT)
        return MALFORMED;
    const unsigned flags = read_short(data + FLAGS_AT);
    size_t at = PROPERTIES_AT;
    long verdict = (long)flags;
    for (size_t i = 0; i < sizeof KINDS; i++) {
        if (!(flags & 0x8000u >> i))
            continue;
        const unsigned char kind = KINDS[i];
        size_t size = kind == LONGLONG ? 8 : kind == TABLE ? 4 : 1;
        if (size > end - at)
            return MALFORMED;
        if (kind == SHORTSTR || kind == REPLY_TO || kind == TABLE) { /* that was the size of its size */
            const size_t start = at + size;
            size = kind == TABLE ? read_long(data + at) : data[at];
            at = start;
            if (size > end - at)
                return MALFORMED;
        }
        long found = 0;
        if (kind == MODE)
            found = (long)data[at] << MODE_SHIFT;
        else if (kind == TABLE)
            found = scan_table(data, at, at + size);
        else if (kind == REPLY_TO && size == sizeof DIRECT_REPLY_TO - 1 && !memcmp(data + at, DIRECT_REPLY_TO, size))
            found = ASKS;
        if (found < 0)
            return found;
        verdict |= found;
        at += size;
    }
    return at == end ? verdict : MALFORMED;
}

static PyObject *judge(PyObject *Py_UNUSED(module), PyObject *header)
{
    struct octets octets;
    if (octets_of(header, &octets) < 0)
        return NULL;
    const long verdict = judge_header(octets.data, octets.size);
    return verdict == NO_MEMORY ? NULL : PyLong_FromLong(verdict);
}

/* --- runs */

enum { METHOD = 1, HEADER = 2, BODY = 3, HEAD_SIZE = 7, FRAME_END = 0xCE, AROUND_PAYLOAD = 8, HELD_MAX = 16384 };
static const unsigned char PUBLISH_ID[] = {0x00, 0x3C, 0x00, 0x28};
enum { ACK_SIZE = 21, ACK_TAG_AT = 11, ACK_BITS_AT = 19, MULTIPLE = 1, TAG_SIZE = 9 /* and `redelivered` */ };

/* Reads the arguments `data` and `position`, and what is there. Returns -1 with an exception. */
static int read_place(PyObject *const *args, Py_ssize_t count, Py_ssize_t wanted, struct octets *data, size_t *position)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments, not %zd", wanted, count);
        return -1;
    }
    if (octets_of(args[0], data) < 0)
        return -1;
    *position = PyLong_AsSize_t(args[1]);
    if (!PyErr_Occurred() && (*position > data->size || data->size - *position < HEAD_SIZE))
        PyErr_SetString(PyExc_ValueError, "no head of a frame is there");
    return PyErr_Occurred() ? -1 : 0;
}

/* Puts a new object at the end of a list, and lets it go. Returns -1 with an exception if either could not be made. */
static int append(PyObject *list, PyObject *object)
{
    const int result = object == NULL ? -1 : PyList_Append(list, object);
    Py_XDECREF(object);
    return result;
}

/* Reads the frame at data[at], of this kind and channel, with a payload of `least` to `most` octets. Returns its end:
 * if that is behind the data, the frame is good as far as it goes, and so much must be there to know more. Returns 0 if
 * it is not such a frame. */
static size_t read_frame(struct octets data, size_t at, unsigned kind, unsigned channel, size_t least, size_t most,
                         struct octets *payload)
{
    const unsigned char *head = data.data + at;
    if (data.size - at < HEAD_SIZE)
        return at + HEAD_SIZE;
    const size_t size = read_long(head + 3), left = data.size - at - HEAD_SIZE;
    if (head[0] != kind || read_short(head + 1) != channel || size < least || size > most)
        return 0;
    *payload = (struct octets){head + HEAD_SIZE, size};
    return size < left && payload->data[size] != FRAME_END ? 0 : at + HEAD_SIZE + size + 1;
}

/* Reads a content header frame at data[at] and, if there is to be a body, a body frame behind it. Returns the same. */
static size_t read_content(struct octets data, size_t at, unsigned channel, size_t frame_max, struct octets *header,
                           struct octets *body)
{
    const size_t stop = read_frame(data, at, HEADER, channel, PROPERTIES_AT, frame_max, header);
    if (stop == 0 || stop > data.size)
        return stop;
    const unsigned long long size = read_number(header->data + BODY_SIZE_AT, 8);
    if (read_short(header->data) != BASIC || read_short(header->data + 2) != 0 || size > frame_max)
        return 0;
    *body = (struct octets){header->data, 0};
    return size == 0 ? stop : read_frame(data, stop, BODY, channel, (size_t)size, (size_t)size, body);
}

/* A run that is being cut, up to `stop`; if nothing was, `stop` is what read_content returned. */
struct run {
    PyObject *methods, *headers, *bodies;
    long verdict;
    size_t stop;
};

/* Puts the last object of a list at its end once more, if it `is_same`, or else the octets. Returns the same. */
static int append_octets(PyObject *list, int is_same, struct octets octets)
{
    return append(list, is_same ? Py_XNewRef(PyList_GetItem(list, PyList_Size(list) - 1))
                                : PyBytes_FromStringAndSize((const char *)octets.data, (Py_ssize_t)octets.size));
}

static int are_equal(struct octets one, struct octets other)
{
    return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

/* Cuts messages with the same channel and verdict from data[at] on. Returns -1 with an exception. */
static int cut_messages(struct octets data, size_t at, size_t frame_max, struct run *run)
{
    const unsigned channel = read_short(data.data + at + 1);
    struct octets method, header, body, last_method = {NULL, 0}, last = {NULL, 0};
    for (int is_first = 1;; is_first = 0, last_method = method, last = header, at = run->stop) {
        size_t stop = read_frame(data, at, METHOD, channel, sizeof PUBLISH_ID, frame_max, &method);
        const int is_publish = stop > 0 && stop <= data.size && !memcmp(method.data, PUBLISH_ID, sizeof PUBLISH_ID);
        stop = is_publish ? read_content(data, stop, channel, frame_max, &header, &body) : 0;
        if (is_first)
            run->stop = stop;
        if (stop == 0 || stop > data.size)
            return 0;
        const int is_same = are_equal(method, last_method), has_same = are_equal(header, last);
        const long verdict = has_same ? run->verdict : judge_header(header.data, header.size);
        if (verdict == NO_MEMORY)
            return -1;
        if (!is_first && verdict != run->verdict)
            return 0;
        if (append_octets(run->methods, is_same, method) < 0 || append_octets(run->headers, has_same, header) < 0
            || append_octets(run->bodies, 0, body) < 0)
            return -1;
        run->verdict = verdict;
        run->stop = stop;
    }
}

static PyObject *cut_run(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    struct octets data;
    size_t position;
    if (read_place(args, count, 3, &data, &position) < 0)
        return NULL;
    const size_t given = PyLong_AsSize_t(args[2]);
    if (PyErr_Occurred())
        return NULL;
    const size_t frame_max = given < PY_SSIZE_T_MAX ? given : PY_SSIZE_T_MAX; /* so that two sizes can be added */
    PyObject *result;
    struct run run = {PyList_New(0), PyList_New(0), PyList_New(0), MALFORMED, 0};
    if (run.methods == NULL || run.headers == NULL || run.bodies == NULL
        || cut_messages(data, position, frame_max, &run) < 0)
        result = NULL;
    else if (PyList_Size(run.bodies) > 0)
        result = Py_BuildValue("n(OlOO)", (Py_ssize_t)run.stop, run.methods, run.verdict, run.headers, run.bodies);
    else
        result = PyLong_FromSize_t(run.stop > 0 && run.stop - position <= HELD_MAX ? run.stop - position : 0);
    Py_XDECREF(run.methods);
    Py_XDECREF(run.headers);
    Py_XDECREF(run.bodies);
    return result;
}

static PyObject *cut_acks(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    PyObject *tags, *result = NULL;
    struct octets data;
    size_t position;
    if (read_place(args, count, 2, &data, &position) < 0 || (tags = PyList_New(0)) == NULL)
        return NULL;
    const unsigned char *first = data.data + position;
    size_t at = position;
    int bits = 0;
    for (; data.size - at >= ACK_SIZE; at += ACK_SIZE) {
        const unsigned char *ack = data.data + at;
        if (memcmp(ack, first, ACK_TAG_AT) != 0 || ack[ACK_SIZE - 1] != FRAME_END
            || (at > position && (ack[ACK_BITS_AT] != bits || bits & MULTIPLE)))
            break;
        if (append(tags, PyLong_FromUnsignedLongLong(read_number(ack + ACK_TAG_AT, 8))) < 0)
            goto done;
        bits = ack[ACK_BITS_AT];
    }
    result = Py_BuildValue("n(Oi)", (Py_ssize_t)at, tags, bits);
done:
    Py_DECREF(tags);
    return result;
}

/* --- deliveries */

/* The parts of a message. A reference keeps each, so that its octets stay as they were counted. */
enum part { ADDRESS_PART, HEADER_PART, BODY_PART, PARTS };
static const char *const PART_NAMES[PARTS] = {"address", "header", "body"};

struct message {
    PyObject *kept[PARTS];
    struct octets parts[PARTS];
};

/* Messages to be delivered: the first `count` of those that are held, `size` octets with their frames. */
struct batch {
    PyObject *names[PARTS];
    struct octets opening;
    size_t body_max;
    struct message *messages;
    Py_ssize_t held, count;
    unsigned long long size;
};

/* Holds one more message, and counts it. Returns 1, 0 if its body is too large, -1 with an exception. */
static int hold(struct batch *batch, PyObject *message)
{
    struct message *it = &batch->messages[batch->held++];
    memset(it, 0, sizeof *it);
    for (int i = 0; i < PARTS; i++) {
        it->kept[i] = PyObject_GetAttr(message, batch->names[i]);
        if (it->kept[i] == NULL || octets_of(it->kept[i], &it->parts[i]) < 0)
            return -1;
    }
    const unsigned long long header = it->parts[HEADER_PART].size, body = it->parts[BODY_PART].size;
    const unsigned long long method = batch->opening.size + TAG_SIZE + (unsigned long long)it->parts[ADDRESS_PART].size;
    if (body > batch->body_max)
        return 0;
    if (method > UINT32_MAX || header > UINT32_MAX || body > UINT32_MAX
        || (batch->size += method + header + body + (body > 0 ? 3u : 2u) * AROUND_PAYLOAD) > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too large for a frame");
        return -1;
    }
    batch->count++;
    return 1;
}

/* Holds messages up to the first with a body that is too large. Returns -1 with an exception. */
static int hold_all(struct batch *batch, PyObject *messages, size_t start)
{
    const Py_ssize_t size = PySequence_Size(messages);
    if (size < 0)
        return -1;
    for (int i = 0; i < PARTS; i++)
        if ((batch->names[i] = PyUnicode_InternFromString(PART_NAMES[i])) == NULL)
            return -1;
    const size_t end = start < (size_t)size ? (size_t)size : start;
    if ((batch->messages = PyMem_New(struct message, end - start)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int result = 1;
    for (; start < end && result > 0; start++) {
        PyObject *message = PySequence_GetItem(messages, (Py_ssize_t)start);
        result = message == NULL ? -1 : hold(batch, message);
        Py_XDECREF(message);
    }
    return result;
}

/* These write at `out`, and return where they ended. */
static unsigned char *put_octets(unsigned char *out, struct octets octets)
{
    memcpy(out, octets.data, octets.size);
    return out + octets.size;
}

static unsigned char *put_number(unsigned char *out, unsigned long long number, int size)
{
    for (int i = size; i-- > 0; number >>= 8)
        out[i] = (unsigned char)(number & 0xFF);
    return out + size;
}

static unsigned char *put_head(unsigned char *out, unsigned kind, unsigned long channel, size_t size)
{
    return put_number(put_number(put_number(out, kind, 1), channel, 2), size, 4);
}

static unsigned char *put_frame(unsigned char *out, unsigned kind, unsigned long channel, struct octets payload)
{
    return put_number(put_octets(put_head(out, kind, channel, payload.size), payload), FRAME_END, 1);
}

static unsigned char *put_delivery(unsigned char *out, struct octets opening, unsigned long channel,
                                   unsigned long long tag, const struct octets *parts)
{
    out = put_head(out, METHOD, channel, opening.size + TAG_SIZE + parts[ADDRESS_PART].size);
    out = put_number(put_number(put_octets(out, opening), tag, 8), 0, 1); /* not redelivered */
    out = put_number(put_octets(out, parts[ADDRESS_PART]), FRAME_END, 1);
    out = put_frame(out, HEADER, channel, parts[HEADER_PART]);
    return parts[BODY_PART].size > 0 ? put_frame(out, BODY, channel, parts[BODY_PART]) : out;
}

static PyObject *deliveries(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    struct batch batch = {{NULL, NULL, NULL}, {NULL, 0}, 0, NULL, 0, 0, 0};
    PyObject *result = NULL;
    if (count != 6)
        return PyErr_Format(PyExc_TypeError, "6 arguments, not %zd", count);
    if (octets_of(args[0], &batch.opening) < 0)
        return NULL;
    const unsigned long channel = PyLong_AsUnsignedLong(args[1]);
    const unsigned long long tag = PyLong_AsUnsignedLongLong(args[2]);
    const size_t start = PyLong_AsSize_t(args[4]);
    batch.body_max = PyLong_AsSize_t(args[5]);
    if (PyErr_Occurred() || hold_all(&batch, args[3], start) < 0)
        goto done;
    if (batch.count > 0 && (channel > UINT16_MAX || (size_t)batch.count - 1 > ULLONG_MAX - tag)) {
        PyErr_SetString(PyExc_OverflowError, "too large for a channel or a delivery tag");
        goto done;
    }
    PyObject *frames = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)batch.size);
    if (frames == NULL)
        goto done;
    unsigned char *out = (unsigned char *)PyBytes_AsString(frames);
    for (Py_ssize_t i = 0; i < batch.count; i++)
        out = put_delivery(out, batch.opening, channel, tag + (unsigned long long)i, batch.messages[i].parts);
    result = Py_BuildValue("Nn", frames, batch.count);
done:
    for (int i = 0; i < PARTS; i++) {
        Py_XDECREF(batch.names[i]);
        for (Py_ssize_t at = 0; at < batch.held; at++)
            Py_XDECREF(batch.messages[at].kept[i]);
    }
    PyMem_Free(batch.messages);
    return result;
}

/* --- the module */

#define FUNCTION(name) (PyCFunction)(void (*)(void))name, METH_FASTCALL

static PyMethodDef methods[] = {
    {"cut_acks", FUNCTION(cut_acks), PyDoc_STR("Cuts acknowledgements: returns their end, their tags and their bits.")},
    {"cut_run", FUNCTION(cut_run), PyDoc_STR("Cuts messages: returns their end and the run, or what to wait for.")},
    {"deliveries", FUNCTION(deliveries), PyDoc_STR("Encodes deliveries: returns the frames and their number.")},
    {"judge", judge, METH_O, PyDoc_STR("Judges the payload of a content header: returns the verdict on it, or -1.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "amqpy.wire._scan",
    .m_doc = PyDoc_STR("The functions of amqpy.wire.scan, in C."),
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&module); }
