/* SPDX-License-Identifier: MIT */
#include "format/toml_nesting.h"

#include <stdbool.h>
#include <string.h>

/*
 * One open '[' or '{' of a value. A list's elements are a level of their own, a table's members by
 * their keys.
 */
struct bracket {
    size_t outside; /* depth where it stands */
    size_t inside;
    char open;
};

struct scan {
    const char *at;
    const char *end;
    struct cshm_toml_nesting found;
    unsigned line;
    size_t header; /* parts of the table header the present lines stand under */
    size_t depth;  /* where the scan is */
    size_t open;   /* brackets in use */
    struct bracket brackets[CSHM_TOML_BRACKETS_MAX + 1];
};

static bool more(const struct scan *scan)
{
    return scan->at < scan->end;
}

static void reach(struct scan *scan, size_t depth)
{
    scan->depth = depth;
    if (depth > scan->found.depth) {
        scan->found.depth = depth;
        scan->found.line = scan->line;
    }
}

/* --- Strings and comments ---------------------------------------------------------------- */

static void skip_comment(struct scan *scan)
{
    const char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    scan->at = newline ? newline : scan->end;
}

/*
 * From the opening quote; ends behind the closing one, or before the newline that should not be
 * there.
 */
static void skip_line_string(struct scan *scan)
{
    char quote = *scan->at++;
    for (; more(scan) && *scan->at != '\n'; scan->at++) {
        if (*scan->at == quote) {
            scan->at++;
            return;
        }
        if (*scan->at == '\\' && quote == '"' && scan->at + 1 < scan->end && scan->at[1] != '\n')
            scan->at++;
    }
}

static size_t count_quotes(const struct scan *scan, char quote, size_t most)
{
    size_t count = 0;
    while (count < most && scan->at + count < scan->end && scan->at[count] == quote)
        count++;
    return count;
}

/* From behind the three opening quotes. One or two more may stand before the three closing ones. */
static void skip_block_string(struct scan *scan, char quote)
{
    while (more(scan)) {
        size_t quotes = count_quotes(scan, quote, 5);
        scan->at += quotes;
        if (quotes >= 3)
            return;
        if (quotes > 0)
            continue;
        if (*scan->at == '\\' && quote == '"' && scan->at + 1 < scan->end)
            scan->at++;
        scan->line += *scan->at++ == '\n';
    }
}

static void skip_value_string(struct scan *scan)
{
    char quote = *scan->at;
    if (count_quotes(scan, quote, 3) == 3) {
        scan->at += 3;
        skip_block_string(scan, quote);
    } else {
        skip_line_string(scan);
    }
}

/* --- Statements -------------------------------------------------------------------------- */

/* Parts of the key at the cursor, which stops at `stop`, a newline or the end. */
static size_t count_key_parts(struct scan *scan, char stop)
{
    size_t parts = 1;
    while (more(scan) && *scan->at != stop && *scan->at != '\n') {
        if (*scan->at == '"' || *scan->at == '\'') {
            skip_line_string(scan); /* a key is never a block string */
            continue;
        }
        if (*scan->at == '#')
            return parts; /* no key goes on behind a comment */
        if (*scan->at == '.')
            parts++;
        scan->at++;
    }
    return parts;
}

static void scan_header(struct scan *scan)
{
    scan->at++;
    if (more(scan) && *scan->at == '[')
        scan->at++;
    scan->header = count_key_parts(scan, ']');
    reach(scan, scan->header);
    while (more(scan) && *scan->at != '\n' && *scan->at != '#')
        scan->at++;
}

/* Behind '{' or a comma in it: the key of the next member. */
static void scan_member_key(struct scan *scan)
{
    while (more(scan) && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
    if (!more(scan) || *scan->at == '}')
        return;
    size_t parts = count_key_parts(scan, '=');
    reach(scan, scan->brackets[scan->open - 1].inside + parts);
}

static bool open_bracket(struct scan *scan)
{
    if (scan->open >= scan->found.brackets)
        scan->found.brackets = scan->open + 1;
    if (scan->open == CSHM_TOML_BRACKETS_MAX)
        return false;
    char open = *scan->at++;
    size_t outside = scan->depth;
    if (open == '[')
        reach(scan, outside + 1);
    scan->brackets[scan->open++] = (struct bracket){outside, scan->depth, open};
    if (open == '{')
        scan_member_key(scan);
    return true;
}

static void close_bracket(struct scan *scan)
{
    char open = *scan->at++ == ']' ? '[' : '{';
    if (scan->brackets[scan->open - 1].open == open)
        scan->depth = scan->brackets[--scan->open].outside;
}

/* One step inside a value; false at its end or when brackets nest too deep. */
static bool scan_value_step(struct scan *scan)
{
    switch (*scan->at) {
    case '"':
    case '\'':
        skip_value_string(scan);
        return true;
    case '#':
        skip_comment(scan);
        return true;
    case '\n':
        if (scan->open == 0)
            return false;
        scan->line++;
        scan->at++;
        return true;
    case '[':
    case '{':
        return open_bracket(scan);
    case ']':
    case '}':
        if (scan->open > 0)
            close_bracket(scan);
        else
            scan->at++;
        return true;
    case ',':
        scan->at++;
        if (scan->open > 0) {
            scan->depth = scan->brackets[scan->open - 1].inside;
            if (scan->brackets[scan->open - 1].open == '{')
                scan_member_key(scan);
        }
        return true;
    default:
        scan->at++;
        return true;
    }
}

static bool scan_statement(struct scan *scan)
{
    scan->open = 0;
    reach(scan, scan->header + count_key_parts(scan, '='));
    while (more(scan) && scan_value_step(scan))
        continue;
    return scan->found.brackets <= CSHM_TOML_BRACKETS_MAX;
}

struct cshm_toml_nesting cshm_toml_nesting(const char *text, size_t length)
{
    struct scan scan = {.at = text, .end = length ? text + length : text, .line = 1};
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        scan.at += 3; /* the byte order mark */
    while (more(&scan)) {
        char c = *scan.at;
        if (c == '\n') {
            scan.line++;
            scan.at++;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            scan.at++;
        } else if (c == '#') {
            skip_comment(&scan);
        } else if (c == '[') {
            scan_header(&scan);
        } else if (!scan_statement(&scan)) {
            break;
        }
    }
    return scan.found;
}
