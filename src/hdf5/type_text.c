/* SPDX-License-Identifier: MIT */
#include "format/keys.h"
#include "format/toml_write.h"
#include "hdf5/value.h"

void cshm_word_add(struct cshm_buffer *out, struct cshm_text raw)
{
    for (size_t at = 0; at < raw.length;) {
        unsigned char byte = (unsigned char)raw.bytes[at];
        size_t size = cshm_utf8_character(raw.bytes + at, raw.length - at, NULL);
        if (size == 0 || byte <= ' ' || byte == '%' || byte == 0x7F) {
            cshm_buffer_add_format(out, "%%%02X", byte);
            at++;
            continue;
        }
        cshm_buffer_add(out, raw.bytes + at, size);
        at += size;
    }
}

/* An inline table; names that are not UTF-8 are spelled as in a manifest. */
static void add_key(struct cshm_buffer *out, struct cshm_text name)
{
    if (cshm_utf8_valid(name.bytes, name.length)) {
        cshm_toml_write_key(out, name);
        return;
    }
    CSHM_AUTO_BUFFER struct cshm_buffer spelled = CSHM_BUFFER_INIT;
    cshm_key_spell(&spelled, name);
    cshm_toml_write_key(out, (struct cshm_text){spelled.bytes, spelled.length});
    if (spelled.error < 0)
        out->error = spelled.error;
}

static void add_enumeration(struct cshm_buffer *out, const struct cshm_value *enumeration)
{
    cshm_buffer_add_string(out, " {");
    for (size_t i = 0; i < enumeration->table.count; i++) {
        if (i)
            cshm_buffer_add_string(out, ", ");
        add_key(out, enumeration->table.members[i].key);
        cshm_buffer_add_string(out, " = ");
        cshm_toml_write_value(out, &enumeration->table.members[i].value);
    }
    cshm_buffer_add_char(out, '}');
}

static void add_dtype(struct cshm_buffer *out, const struct cshm_dtype *dtype)
{
    char text[CSHM_DTYPE_TEXT_MAX];
    cshm_dtype_format(dtype, text);
    cshm_buffer_add_string(out, text[0] == '|' ? text + 1 : text);
}

static void add_plain(struct cshm_buffer *out, const struct cshm_plan *plan)
{
    if (plan->enumeration)
        cshm_buffer_add_string(out, "enum ");
    else if (plan->described_as)
        cshm_buffer_add_format(out, "%s ", plan->described_as);
    else if (plan->dtype.kind == 'V')
        cshm_buffer_add_string(out, "opaque ");
    add_dtype(out, &plan->dtype);
    if (plan->enumeration)
        add_enumeration(out, plan->enumeration);
    if (plan->dtype.kind == 'S' && plan->encoding && strcmp(plan->encoding, "utf-8") == 0)
        cshm_buffer_add_string(out, " utf-8");
    if (plan->tag.length) {
        cshm_buffer_add_char(out, ' ');
        cshm_word_add(out, plan->tag);
    }
}

static void add_text(struct cshm_buffer *out, const struct cshm_plan *plan)
{
    static const char *const names[] = {
        [CSHM_TEXT_OBJECT_REFERENCE] = "ref",
        [CSHM_TEXT_REGION_REFERENCE] = "region",
        [CSHM_TEXT_NEW_REFERENCE] = "ref",
    };
    cshm_buffer_add_string(out,
                           plan->source == CSHM_TEXT_STRING ? plan->encoding : names[plan->source]);
}

static void add_compound(struct cshm_buffer *out, const struct cshm_plan *plan)
{
    cshm_buffer_add_string(out, "compound {");
    for (const struct cshm_plan *field = plan->first; field; field = field->next) {
        if (field != plan->first)
            cshm_buffer_add_string(out, ", ");
        add_key(out, field->name);
        cshm_buffer_add_string(out, " = ");
        CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
        cshm_type_text(&text, field);
        cshm_toml_write_string(out, (struct cshm_text){text.bytes, text.length});
        if (text.error < 0)
            out->error = text.error;
    }
    cshm_buffer_add_char(out, '}');
}

void cshm_type_text(struct cshm_buffer *out, const struct cshm_plan *plan)
{
    for (size_t i = 0; i < plan->rank; i++)
        cshm_buffer_add_format(out, "%s%llu", i ? "," : "(", (unsigned long long)plan->dims[i]);
    if (plan->rank)
        cshm_buffer_add_string(out, plan->rank == 1 ? ",)" : ")");
    switch (plan->kind) {
    case CSHM_PLAN_PLAIN:
        add_plain(out, plan);
        break;
    case CSHM_PLAN_TEXT:
        add_text(out, plan);
        break;
    case CSHM_PLAN_COMPOUND:
        add_compound(out, plan);
        break;
    case CSHM_PLAN_RAGGED:
        cshm_buffer_add_string(out, "vlen ");
        cshm_type_text(out, plan->first);
        break;
    }
}

bool cshm_type_is_plain(const struct cshm_plan *plan)
{
    if (plan->rank > 0)
        return false;
    if (plan->kind == CSHM_PLAN_TEXT)
        return plan->source == CSHM_TEXT_STRING && strcmp(plan->encoding, "utf-8") == 0;
    if (plan->kind != CSHM_PLAN_PLAIN || plan->enumeration || plan->described_as)
        return false;
    const struct cshm_dtype *dtype = &plan->dtype;
    return dtype->kind == 'b' || ((dtype->kind == 'i' || dtype->kind == 'f') &&
                                  dtype->itemsize == 8 && dtype->byte_order == '<');
}
