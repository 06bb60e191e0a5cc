/* SPDX-License-Identifier: MIT */
/*
 * toml++ 3.3 (Debian 12) and 3.4 (Debian 13), header-only: so the sanitizers and the fuzzer see into
 * it, and programs need no library more. Design: toml.h.
 */
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <algorithm>
#include <istream>
#include <streambuf>

#include <ctime>
#include <malloc.h>
#include <pthread.h>

/*
 * toml++ 3.3 breaks its own assertions on damaged text ("[#" will do). assert() would end the program,
 * and with NDEBUG newer compilers take the condition for granted, whatever comes of it. An exception
 * does neither.
 */
#undef NDEBUG
struct cshm_toml_assertion_failed {
};
[[noreturn]] static void cshm_toml_fail_assertion()
{
    throw cshm_toml_assertion_failed{};
}
#define TOML_ASSERT(holds) ((holds) ? static_cast<void>(0) : cshm_toml_fail_assertion())

/* What pkg-config says is for users of the shared library. */
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY            1
#define TOML_EXCEPTIONS             1
#define TOML_ENABLE_FORMATTERS      0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#ifndef TOML_FLOAT_CHARCONV
#define TOML_FLOAT_CHARCONV 1 /* exact and the same in every locale */
#endif
#include <toml++/toml.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* in C++ a function named like a struct hides it */
extern "C" {
#include "format/toml.h"
#include "format/toml_nesting.h"
}
#pragma GCC diagnostic pop

namespace
{

/*
 * The deepest documents that the scan lets through take under 512 KiB, under AddressSanitizer without
 * optimisation under 2 MiB (measured with toml++ 3.3 and 3.4). Only pages that are touched cost memory.
 */
constexpr std::size_t stack_size = std::size_t{8} << 20;
constexpr std::size_t worth_trimming = std::size_t{1} << 20; /* bytes of TOML; toml++ takes nine times that */

/* --- The text, as long as there is time --------------------------------------------------------------- */

/*
 * toml++ looks for a table that is defined again in lists of all such tables, so a text made for it
 * takes time in the square of its length: 40 MB ten minutes. A manifest takes 0.05 microseconds for a
 * byte, under the sanitizers less than one. Beyond the budget (processor time of this thread: a busy
 * machine changes nothing) the text seems to end, and expired() says why.
 */
class timed_text : public std::streambuf
{
  public:
    explicit timed_text(std::string_view text)
        : begin_(const_cast<char *>(text.data())), end_(begin_ + text.size()),
          deadline_(now() + 10.0 + 2e-6 * static_cast<double>(text.size()))
    {
        show(begin_);
    }

    bool expired() const
    {
        return expired_;
    }

    bool read_to_end() const
    {
        return gptr() == end_;
    }

  protected:
    int_type underflow() override
    {
        if (egptr() == end_)
            return traits_type::eof();
        expired_ = now() > deadline_;
        if (expired_)
            return traits_type::eof();
        show(egptr());
        return traits_type::to_int_type(*gptr());
    }

    /* toml++ asks where it is, looks for a byte order mark and goes back. */
    pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode) override
    {
        if (from == std::ios_base::cur)
            offset += gptr() - begin_;
        if (from == std::ios_base::end || offset < 0 || offset > end_ - begin_)
            return pos_type(off_type(-1));
        show(begin_ + offset);
        return pos_type(offset);
    }

  private:
    static constexpr std::ptrdiff_t window = 4096;

    static double now()
    {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }

    void show(char *from)
    {
        setg(from, from, from + std::min(window, end_ - from));
    }

    char *begin_;
    char *end_;
    double deadline_;
    bool expired_ = false;
};

/* --- From toml++'s nodes to the model's values ------------------------------------------------------ */

struct out_of_memory {
};

struct cshm_text copy_text(cshm_arena *arena, std::string_view text)
{
    struct cshm_text copy{cshm_arena_string(arena, text.data(), text.size()), text.size()};
    if (!copy.bytes)
        throw out_of_memory{};
    return copy;
}

template <typename T> T *make_array(cshm_arena *arena, std::size_t count)
{
    auto *array = static_cast<T *>(cshm_arena_array(arena, count, sizeof(T)));
    if (!array)
        throw out_of_memory{};
    return array;
}

/* Without trailing zeros in the fraction, as any writer of TOML does. */
std::string time_text(const toml::time &time)
{
    char text[40];
    std::snprintf(text, sizeof text, "%02u:%02u:%02u", unsigned{time.hour}, unsigned{time.minute},
                  unsigned{time.second});
    std::string result = text;
    if (time.nanosecond == 0)
        return result;
    std::snprintf(text, sizeof text, ".%09u", static_cast<unsigned>(time.nanosecond));
    result += text;
    result.erase(result.find_last_not_of('0') + 1);
    return result;
}

std::string date_text(const toml::date &date)
{
    char text[40];
    std::snprintf(text, sizeof text, "%04u-%02u-%02u", unsigned{date.year}, unsigned{date.month},
                  unsigned{date.day});
    return text;
}

std::string date_time_text(const toml::date_time &value)
{
    std::string result = date_text(value.date) + "T" + time_text(value.time);
    if (!value.offset)
        return result;
    const int minutes = value.offset->minutes;
    if (minutes == 0)
        return result + "Z";
    char text[40];
    std::snprintf(text, sizeof text, "%c%02d:%02d", minutes < 0 ? '-' : '+', std::abs(minutes) / 60,
                  std::abs(minutes) % 60);
    return result + text;
}

void convert(cshm_arena *arena, const toml::node &from, cshm_value *to);

void convert_array(cshm_arena *arena, const toml::array &from, cshm_value *to)
{
    to->type = CSHM_VALUE_ARRAY;
    to->array.count = from.size();
    to->array.items = make_array<cshm_value>(arena, from.size());
    std::size_t i = 0;
    for (const toml::node &item : from)
        convert(arena, item, &to->array.items[i++]);
}

struct entry {
    const toml::key *key;
    const toml::node *node;
};

/* toml++ keeps tables sorted by key; the order of the text is the order of the keys' places in it. */
bool stands_before(const entry &a, const entry &b)
{
    const toml::source_position &left = a.key->source().begin;
    const toml::source_position &right = b.key->source().begin;
    return left.line != right.line ? left.line < right.line : left.column < right.column;
}

/* A function of its own, so that its vector is gone before the recursion goes on. */
void list_members(cshm_arena *arena, const toml::table &from, const toml::node **nodes,
                  cshm_member *members)
{
    std::vector<entry> entries;
    entries.reserve(from.size());
    for (auto &&[key, node] : from)
        entries.push_back({&key, &node});
    std::sort(entries.begin(), entries.end(), stands_before);
    for (std::size_t i = 0; i < entries.size(); i++) {
        nodes[i] = entries[i].node;
        members[i].key = copy_text(arena, entries[i].key->str());
        members[i].value.line = entries[i].key->source().begin.line;
    }
}

void convert_table(cshm_arena *arena, const toml::table &from, cshm_value *to)
{
    const std::size_t count = from.size();
    to->type = CSHM_VALUE_TABLE;
    to->table.count = count;
    to->table.members = make_array<cshm_member>(arena, count);
    std::vector<const toml::node *> nodes(count);
    list_members(arena, from, nodes.data(), to->table.members);
    for (std::size_t i = 0; i < count; i++)
        convert(arena, *nodes[i], &to->table.members[i].value);
}

void convert_text(cshm_arena *arena, cshm_value_type type, std::string_view text, cshm_value *to)
{
    to->type = type;
    to->string = copy_text(arena, text);
}

/* `to->line` may be known from the key; items of arrays have none. */
void convert(cshm_arena *arena, const toml::node &from, cshm_value *to)
{
    if (to->line == 0)
        to->line = from.source().begin.line;
    switch (from.type()) {
    case toml::node_type::table:
        return convert_table(arena, *from.as_table(), to);
    case toml::node_type::array:
        return convert_array(arena, *from.as_array(), to);
    case toml::node_type::integer:
        to->type = CSHM_VALUE_INTEGER;
        to->integer = from.as_integer()->get();
        return;
    case toml::node_type::floating_point:
        to->type = CSHM_VALUE_FLOAT;
        to->number = from.as_floating_point()->get();
        return;
    case toml::node_type::boolean:
        to->type = CSHM_VALUE_BOOLEAN;
        to->boolean = from.as_boolean()->get();
        return;
    case toml::node_type::date:
        return convert_text(arena, CSHM_VALUE_DATETIME, date_text(from.as_date()->get()), to);
    case toml::node_type::time:
        return convert_text(arena, CSHM_VALUE_DATETIME, time_text(from.as_time()->get()), to);
    case toml::node_type::date_time:
        return convert_text(arena, CSHM_VALUE_DATETIME, date_time_text(from.as_date_time()->get()), to);
    case toml::node_type::string:
    case toml::node_type::none:
        break;
    }
    convert_text(arena, CSHM_VALUE_STRING, from.as_string() ? from.as_string()->get() : "", to);
}

/* --- The parser's thread ---------------------------------------------------------------------------- */

struct job {
    std::string_view text;
    cshm_arena *arena;
    cshm_value *out;
    cshm_error *error;
    int result;
};

int parse_timed(const job &job)
{
    timed_text text{job.text};
    try {
        std::istream stream{&text};
        const toml::table table = toml::parse(stream);
        if (!text.expired())
            convert_table(job.arena, table, job.out);
    } catch (const toml::parse_error &) {
        if (!text.expired())
            throw;
    }
    if (text.expired())
        return cshm_fail(job.error, -EFBIG, "reading this TOML takes too long");
    if (!text.read_to_end())
        return cshm_fail(job.error, -EINVAL, "the TOML library stopped before the end");
    return 0;
}

int parse_and_convert(const job &job)
{
    try {
        return parse_timed(job);
    } catch (const toml::parse_error &bad) {
        const std::string what{bad.description()};
        return cshm_fail(job.error, -EINVAL, "line %u, column %u: %s",
                         static_cast<unsigned>(bad.source().begin.line),
                         static_cast<unsigned>(bad.source().begin.column), what.c_str());
    } catch (const std::bad_alloc &) {
        return cshm_fail(job.error, -ENOMEM, "out of memory");
    } catch (const out_of_memory &) {
        return cshm_fail(job.error, -ENOMEM, "out of memory");
    } catch (...) { /* cshm_toml_assertion_failed, mostly */
        return cshm_fail(job.error, -EINVAL, "not TOML, in a way that the TOML library cannot name");
    }
}

void *run_job(void *argument)
{
    job &work = *static_cast<job *>(argument);
    work.result = parse_and_convert(work);
    return nullptr;
}

int run_on_known_stack(job &job)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return cshm_fail(job.error, -ENOMEM, "out of memory");
    int failed = pthread_attr_setstacksize(&attributes, stack_size);
    if (failed == 0)
        failed = pthread_create(&thread, &attributes, run_job, &job);
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return cshm_fail(job.error, -ENOMEM, "no thread for the TOML parser: %s",
                         std::strerror(failed));
    pthread_join(thread, nullptr);
    return job.result;
}

/* --- What is refused before toml++ sees it ----------------------------------------------------------- */

unsigned line_of(const char *text, const char *place)
{
    return 1 + static_cast<unsigned>(std::count(text, place, '\n'));
}

int check_bytes(const char *text, std::size_t length, cshm_error *error)
{
    if (length > CSHM_TOML_SIZE_MAX)
        return cshm_fail(error, -EFBIG, "%zu bytes of TOML, more than the %zu allowed", length,
                         CSHM_TOML_SIZE_MAX);
    const void *nul = length > 0 ? std::memchr(text, 0, length) : nullptr;
    if (nul)
        return cshm_fail(error, -EINVAL, "line %u: a NUL byte",
                         line_of(text, static_cast<const char *>(nul)));
    std::size_t at = 0;
    while (at < length) {
        const std::size_t size = cshm_utf8_character(text + at, length - at, nullptr);
        if (size == 0)
            return cshm_fail(error, -EINVAL, "line %u: not UTF-8", line_of(text, text + at));
        at += size;
    }
    return 0;
}

int check_nesting(const char *text, std::size_t length, cshm_error *error)
{
    const struct cshm_toml_nesting nesting = cshm_toml_nesting(text, length);
    if (nesting.stray)
        return cshm_fail(error, -EINVAL,
                         "line %u: not TOML: a quote in the middle of a value, or a character that is "
                         "not ASCII outside of quotes (or, in quotes, first after a folded line)",
                         nesting.stray);
    if (nesting.brackets > CSHM_TOML_BRACKETS_MAX)
        return cshm_fail(error, -ELOOP, "more than %d brackets in each other",
                         CSHM_TOML_BRACKETS_MAX);
    if (nesting.depth > CSHM_TOML_DEPTH_MAX)
        return cshm_fail(error, -ELOOP, "line %u: nested %zu deep, more than the %d allowed",
                         nesting.line, nesting.depth, CSHM_TOML_DEPTH_MAX);
    return 0;
}

} // namespace

extern "C" void cshm_toml_trim(size_t length)
{
#ifdef __GLIBC__
    if (length >= worth_trimming)
        malloc_trim(0);
#else
    (void)length;
#endif
}

extern "C" int cshm_toml_parse(const char *text, size_t length, struct cshm_arena *arena,
                               struct cshm_value *out, struct cshm_error *error)
{
    *out = cshm_value{};
    out->type = CSHM_VALUE_TABLE;
    int result = check_bytes(text, length, error);
    if (result == 0)
        result = check_nesting(text, length, error);
    if (result < 0)
        return result;
    job job{{text, length}, arena, out, error, 0};
    result = run_on_known_stack(job);
    cshm_toml_trim(length);
    return result;
}
