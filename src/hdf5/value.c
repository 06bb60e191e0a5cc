/* SPDX-License-Identifier: MIT */
#include "hdf5/value.h"

#include <errno.h>

#include "format/attribute.h"
#include "format/keys.h"
#include "format/toml_write.h"
#include "hdf5/number.h"
#include "hdf5/reference.h"

static int no_memory(struct cshm_valuer *valuer)
{
    return cshm_loader_fail_all(valuer->loader, -ENOMEM, "out of memory");
}

/* --- Values that are strings
 * ---------------------------------------------------------------------- */

/* Takes a finished text over into the arena. */
static int set_text(struct cshm_valuer *valuer, const struct cshm_buffer *text,
                    struct cshm_value *out)
{
    out->type = CSHM_VALUE_STRING;
    if (text->error < 0)
        return no_memory(valuer);
    out->string = cshm_arena_text(valuer->arena, (struct cshm_text){text->bytes, text->length});
    return out->string.bytes ? 0 : no_memory(valuer);
}

static int set_string(struct cshm_valuer *valuer, struct cshm_text raw, struct cshm_value *out)
{
    struct cshm_text written;
    if (cshm_attribute_write_string(valuer->arena, raw, &written) < 0)
        return no_memory(valuer);
    out->type = CSHM_VALUE_STRING;
    out->string = cshm_arena_text(valuer->arena, written); /* `raw` may be libhdf5's memory */
    return out->string.bytes ? 0 : no_memory(valuer);
}

static void add_hex(struct cshm_buffer *text, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        cshm_buffer_add_format(text, "%02x", bytes[i]);
}

static int set_opaque(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                      const unsigned char *bytes, struct cshm_value *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    if (plan->described_as) {
        cshm_buffer_add_string(&text, "!raw ");
    } else {
        cshm_buffer_add_string(&text, "!opaque ");
        if (plan->tag.bytes) {
            cshm_word_add(&text, plan->tag);
        } else { /* one of numpy's types */
            char dtype[CSHM_DTYPE_TEXT_MAX];
            cshm_buffer_add_format(&text, "NUMPY:%s", cshm_dtype_format(&plan->dtype, dtype));
        }
        cshm_buffer_add_char(&text, ' ');
    }
    add_hex(&text, bytes, plan->size);
    return set_text(valuer, &text, out);
}

static int set_time(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                    const unsigned char *bytes, struct cshm_value *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    char dtype[CSHM_DTYPE_TEXT_MAX];
    cshm_buffer_add_format(&text, "!%s %lld", cshm_dtype_format(&plan->dtype, dtype),
                           (long long)cshm_number_integer(&plan->dtype, bytes));
    return set_text(valuer, &text, out);
}

static int set_reference(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                         const unsigned char *element, struct cshm_value *out)
{
    struct cshm_text path;
    int result = cshm_reference_text(valuer->loader, valuer->location, valuer->file, plan->source,
                                     element, &path);
    valuer->lost += result == -ENOENT;
    if (result < 0 && result != -ENOENT)
        return result;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    bool is_region = plan->source == CSHM_TEXT_REGION_REFERENCE;
    cshm_buffer_add_string(&text, is_region ? "!region" : "!ref");
    if (path.length)
        cshm_buffer_add_char(&text, ' ');
    if (cshm_utf8_valid(path.bytes, path.length))
        cshm_buffer_add(&text, path.bytes, path.length);
    else
        cshm_key_spell(&text, path);
    return set_text(valuer, &text, out);
}

static int set_text_element(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                            const unsigned char *element, struct cshm_value *out)
{
    if (plan->source != CSHM_TEXT_STRING)
        return set_reference(valuer, plan, element, out);
    const char *string;
    memcpy(&string, element, sizeof string);
    return set_string(valuer, cshm_text(string ? string : ""), out);
}

/* --- Numbers
 * -------------------------------------------------------------------------------------- */

static int set_integer(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                       const unsigned char *bytes, struct cshm_value *out)
{
    uint64_t value = cshm_number_integer(&plan->dtype, bytes);
    if (plan->dtype.kind == 'u' && value > INT64_MAX) {
        CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
        cshm_buffer_add_format(&text, "!uint64 %llu", (unsigned long long)value);
        return set_text(valuer, &text, out);
    }
    out->type = CSHM_VALUE_INTEGER;
    out->integer = (int64_t)value;
    return 0;
}

static int set_float(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                     const unsigned char *bytes, struct cshm_value *out)
{
    if (plan->size == 16) {
        CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
        cshm_buffer_add_string(&text, "!float128 ");
        cshm_number_add_float128(&text, &plan->dtype, bytes);
        return set_text(valuer, &text, out);
    }
    out->type = CSHM_VALUE_FLOAT;
    out->number = cshm_number_float(&plan->dtype, bytes);
    return 0;
}

static int set_complex(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                       const unsigned char *bytes, struct cshm_value *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_format(&text, "!complex%zu ", plan->size * 8);
    cshm_number_add_complex(&text, &plan->dtype, bytes);
    return set_text(valuer, &text, out);
}

static int set_plain(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                     const unsigned char *bytes, struct cshm_value *out)
{
    size_t length = plan->size;
    switch (plan->dtype.kind) {
    case 'b':
        out->type = CSHM_VALUE_BOOLEAN;
        out->boolean = bytes[0] != 0;
        return 0;
    case 'i':
    case 'u':
        return set_integer(valuer, plan, bytes, out);
    case 'f':
        return set_float(valuer, plan, bytes, out);
    case 'c':
        return set_complex(valuer, plan, bytes, out);
    case 'm':
    case 'M':
        return set_time(valuer, plan, bytes, out);
    case 'S':
        if (!plan->encoding) /* numpy's, kept as opaque */
            return set_opaque(valuer, plan, bytes, out);
        while (length > 0 && bytes[length - 1] == 0)
            length--;
        return set_string(valuer, (struct cshm_text){(const char *)bytes, length}, out);
    default:
        return set_opaque(valuer, plan, bytes, out);
    }
}

/* --- Compounds and lists
 * -------------------------------------------------------------------------- */

static int field_key(struct cshm_valuer *valuer, struct cshm_text name, struct cshm_text *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer spelled = CSHM_BUFFER_INIT;
    if (cshm_utf8_valid(name.bytes, name.length))
        cshm_buffer_add(&spelled, name.bytes, name.length);
    else
        cshm_key_spell(&spelled, name);
    if (spelled.error < 0)
        return no_memory(valuer);
    *out = cshm_arena_text(valuer->arena, (struct cshm_text){spelled.bytes, spelled.length});
    return out->bytes ? 0 : no_memory(valuer);
}

static int set_table(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                     const unsigned char *element, struct cshm_value *out)
{
    size_t count = 0;
    for (const struct cshm_plan *field = plan->first; field; field = field->next)
        count++;
    out->type = CSHM_VALUE_TABLE;
    out->table.count = count;
    out->table.members = cshm_arena_array(valuer->arena, count, sizeof *out->table.members);
    if (!out->table.members)
        return no_memory(valuer);
    struct cshm_member *member = out->table.members;
    int result = 0;
    valuer->compounds++;
    for (const struct cshm_plan *field = plan->first; field && result == 0; field = field->next) {
        result = field_key(valuer, field->name, &member->key);
        if (result == 0)
            result =
                cshm_value_make(valuer, field, 0, NULL, element + field->offset, &member->value);
        member++;
    }
    valuer->compounds--;
    return result;
}

/* The outermost compound is a string, for a table among [attrs] would mean something else. */
static int set_compound(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                        const unsigned char *element, struct cshm_value *out)
{
    int result = set_table(valuer, plan, element, out);
    if (result < 0 || valuer->compounds > 0)
        return result;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_char(&text, '!');
    cshm_toml_write_value(&text, out);
    return set_text(valuer, &text, out);
}

static int set_sequence(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                        const unsigned char *element, struct cshm_value *out)
{
    hvl_t sequence;
    memcpy(&sequence, element, sizeof sequence);
    uint64_t length = sequence.p ? sequence.len : 0;
    return cshm_value_make(valuer, plan->first, 1, &length, sequence.p, out);
}

static int set_element(struct cshm_valuer *valuer, const struct cshm_plan *plan,
                       const unsigned char *element, struct cshm_value *out)
{
    static int (*const functions[])(struct cshm_valuer *, const struct cshm_plan *,
                                    const unsigned char *, struct cshm_value *) = {
        [CSHM_PLAN_PLAIN] = set_plain,
        [CSHM_PLAN_TEXT] = set_text_element,
        [CSHM_PLAN_COMPOUND] = set_compound,
        [CSHM_PLAN_RAGGED] = set_sequence,
    };
    return functions[plan->kind](valuer, plan, element, out);
}

/* Lists within lists; `stride` bytes are one element below the last dimension of `shape`. */
static int set_lists(struct cshm_valuer *valuer, const struct cshm_plan *plan, size_t rank,
                     const uint64_t *shape, const unsigned char *elements, struct cshm_value *out)
{
    if (rank == 0)
        return set_element(valuer, plan, elements, out);
    uint64_t below = plan->size;
    for (size_t i = 1; i < rank; i++)
        below *= shape[i];
    out->type = CSHM_VALUE_ARRAY;
    out->array.count = shape[0];
    out->array.items = cshm_arena_array(valuer->arena, shape[0], sizeof *out->array.items);
    if (!out->array.items)
        return no_memory(valuer);
    int result = 0;
    for (uint64_t i = 0; i < shape[0] && result == 0; i++)
        result = set_lists(valuer, plan, rank - 1, shape + 1, elements + i * below,
                           &out->array.items[i]);
    return result;
}

int cshm_value_make(struct cshm_valuer *valuer, const struct cshm_plan *plan, size_t rank,
                    const uint64_t *shape, const unsigned char *elements, struct cshm_value *out)
{
    uint64_t whole[CSHM_RANK_MAX];
    if (rank + plan->rank > CSHM_RANK_MAX)
        return cshm_fail(&valuer->loader->error, -ENOTSUP, "has more than %d dimensions",
                         CSHM_RANK_MAX);
    if (rank)
        memcpy(whole, shape, rank * sizeof *whole);
    if (plan->rank)
        memcpy(whole + rank, plan->dims, plan->rank * sizeof *whole);
    return set_lists(valuer, plan, rank + plan->rank, whole, elements, out);
}
